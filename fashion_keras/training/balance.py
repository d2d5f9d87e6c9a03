"""What to do about classes of very different size: weigh the loss, or draw rows unevenly."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashion_keras.models.predictions import LabelGroup, class_codes, group_slices
from fashion_keras.support.errors import InputError

BALANCES = ("none", "class_weight", "oversample", "undersample", "smote")


def class_weights(codes: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return weights [k] float32, n / (k * count): every class then counts alike and the mean over rows is 1.

    >>> class_weights(np.array([0, 0, 1, 1, 1, 1]), 2).tolist()
    [1.5, 0.75]
    """
    counts = np.bincount(codes, minlength=classes)
    return (len(codes) / (classes * np.maximum(counts, 1))).astype(np.float32)


def label_weights(groups: Sequence[LabelGroup], values: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return how much a product that has a label counts in its loss, [K] float32.

    In a softmax the `class_weights` of its group. In a sigmoid the square root of the known products without the label
    over those with it: at the full ratio rare labels are seen everywhere, which costs more than it finds.

    Args:
        groups: K labels in all.
        values [n, K] int8 of the training part: 1 yes, 0 no, -1 not known.
    """
    without, having = (np.maximum((values == side).sum(axis=0), 1) for side in (0, 1))
    weights = np.sqrt(without / having)
    for group, columns in zip(groups, group_slices(groups).values(), strict=True):
        if group.activation == "softmax":
            known = class_codes(values[:, columns])
            weights[columns] = class_weights(known[known >= 0], len(group.classes))
    return weights.astype(np.float32)


def epoch_rows(codes: NDArray[np.int64], balance: str, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of one epoch in random order, the same for the same seed and epoch.

    Args:
        codes [n] int64: classes.
        balance: "oversample" repeats rows until every class is as large as the largest, "undersample" draws from
            every class as many as the smallest has; otherwise every row once ("smote" has added rows by then).
        seed: of the run.
        epoch: counted from 0.
    """
    random = np.random.default_rng((seed, epoch))
    if balance not in ("oversample", "undersample"):
        return random.permutation(len(codes))
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    sizes = [len(rows) for rows in members]
    size = max(sizes) if balance == "oversample" else min(sizes)
    drawn = [np.resize(random.permutation(rows), size) for rows in members]
    return random.permutation(np.concatenate(drawn))


def smote(
    views: NDArray[np.float32], codes: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Add vectors between neighbours of a class until every class is as large as the largest.

    SMOTE (Chawla et al. 2002, arXiv:1106.1813) by imbalanced-learn, on each view by itself.

    Args:
        views [v, n, d] float32: v views of n vectors.
        codes [n] int64: classes.
        seed: of the draw.

    Returns:
        views [v, m, d] and codes [m], the given ones first.

    Raises:
        InputError: when a class has one vector only.
    """
    # Imported here: it brings scikit-learn, which nothing else on the way to help or an error needs.
    from imblearn.over_sampling import SMOTE  # noqa: PLC0415

    smallest = np.bincount(codes)[np.unique(codes)].min()
    if smallest < 2:
        raise InputError("--balance smote needs two training images in every class; raise --min-images or --limit")
    sampler = SMOTE(k_neighbors=min(5, smallest - 1), random_state=seed)
    drawn = [sampler.fit_resample(vectors, codes) for vectors in views]
    return np.stack([vectors for vectors, _ in drawn]).astype(np.float32), drawn[0][1]
