"""What to do about classes of very different size: weigh the loss, or draw rows unevenly."""

import numpy as np
from numpy.typing import NDArray

BALANCES = ("none", "class_weight", "oversample", "undersample")


def class_weights(codes: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return weights [k] float32, n / (k * count): every class then counts alike and the mean over rows is 1.

    >>> class_weights(np.array([0, 0, 1, 1, 1, 1]), 2).tolist()
    [1.5, 0.75]
    """
    counts = np.bincount(codes, minlength=classes)
    return (len(codes) / (classes * np.maximum(counts, 1))).astype(np.float32)


def epoch_rows(codes: NDArray[np.int64], balance: str, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of one epoch in random order, the same for the same seed and epoch.

    Args:
        codes [n] int64: classes.
        balance: "oversample" repeats rows until every class is as large as the largest, "undersample" draws from
            every class as many as the smallest has; otherwise every row once.
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
