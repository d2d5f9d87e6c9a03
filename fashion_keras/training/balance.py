"""Class imbalance: class weights, label weights, over- and undersampling, SMOTE."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup, target_slices
from fashion_keras.support.errors import InputError

BALANCES = ("none", "class_weight", "oversample", "undersample", "smote")


def class_weights(codes: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return class weights [k] float32, n / (k * count): every class has the same total, the mean row has 1.

    >>> class_weights(np.array([0, 0, 1, 1, 1, 1]), 2).tolist()
    [1.5, 0.75]
    """
    counts = np.bincount(codes, minlength=classes)
    return (len(codes) / (classes * np.maximum(counts, 1))).astype(np.float32)


def label_weights(groups: Sequence[LabelGroup], packed: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the weight of a product that has a label in that label's loss, [K] float32, by targets packed [n, C].

    In a softmax the `class_weights` of its group. In a sigmoid the square root of the known products without the label
    over those with it: the full ratio predicts rare labels everywhere, which costs more precision than recall gained.
    """
    weights = []
    for group, columns in zip(groups, target_slices(groups).values(), strict=True):
        if group.activation == "softmax":
            codes = packed[:, columns.start]
            weights.append(class_weights(codes[codes >= 0], len(group.classes)))
        else:
            values = group.indicators(packed[:, columns])
            without, having = (np.maximum((values == side).sum(axis=0), 1) for side in (0, 1))
            weights.append(np.sqrt(without / having))
    return np.concatenate(weights).astype(np.float32)


def epoch_rows(codes: NDArray[np.int64], balance: str, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of one epoch, from 0, in random order: the same for the same seed and epoch.

    "oversample" repeats rows until every class of codes [n] is as large as the largest, "undersample" draws from every
    class as many as the smallest has; otherwise every row once.
    """
    random = np.random.default_rng((seed, epoch))
    if balance not in ("oversample", "undersample"):
        return random.permutation(len(codes))
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    size = (max if balance == "oversample" else min)(len(rows) for rows in members)
    return random.permutation(np.concatenate([np.resize(random.permutation(rows), size) for rows in members]))


def smote(
    views: NDArray[np.float32], codes: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Add features between neighbors of a class until every class is as large as the largest.

    SMOTE (Chawla et al. 2002, arXiv:1106.1813) by imbalanced-learn, on each of the v views [v, n, d] by itself; returns
    views [v, m, d] and codes [m], the given ones first. InputError when a class has one image only.
    """
    from imblearn.over_sampling import SMOTE  # noqa: PLC0415 - brings scikit-learn, a second to import

    smallest = np.bincount(codes)[np.unique(codes)].min()
    if smallest < 2:
        raise InputError("--balance smote needs two training images in every class; raise --min-images or --limit")
    sampler = SMOTE(k_neighbors=min(5, smallest - 1), random_state=seed)
    drawn = [sampler.fit_resample(features, codes) for features in views]
    return np.stack([features for features, _ in drawn]).astype(np.float32), drawn[0][1]
