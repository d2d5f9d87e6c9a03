"""Input validation of metrics, each check with one line of InputError, and means that leave undefined values out."""

from collections.abc import Sequence

import numpy as np

from fashion_keras.support.errors import InputError


def rows(**arrays: np.ndarray) -> list[np.ndarray]:
    """Return the named arrays as [n] arrays of one length, at least 1, with finite values."""
    values = {name: np.asarray(array) for name, array in arrays.items()}
    if len({array.shape for array in values.values()}) > 1 or any(array.ndim != 1 for array in values.values()):
        raise InputError(f"need one value per row, got shapes {', '.join(f'{n} {a.shape}' for n, a in values.items())}")
    for name, array in values.items():
        if not len(array):
            raise InputError(f"{name} is empty: there is no row to score")
        if not np.isfinite(array).all():
            raise InputError(f"{name} has a value that is not finite in row {np.flatnonzero(~np.isfinite(array))[0]}")
    return list(values.values())


def scored(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `truth` [n] and `probabilities` [n, k] float64, checked: n >= 1, finite, codes in 0..k-1."""
    (truth,) = rows(truth=truth)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or len(probabilities) != len(truth):
        raise InputError(f"need probabilities of shape ({len(truth)}, classes), got {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        raise InputError("probabilities has values that are not finite; did training diverge?")
    return codes("truth", truth, probabilities.shape[1]), probabilities


def codes(name: str, values: np.ndarray, classes: int) -> np.ndarray:
    """Return `values` [n] as int64, checked to be whole numbers in 0..classes-1."""
    if not np.issubdtype(values.dtype, np.integer) or values.min() < 0 or values.max() >= classes:
        raise InputError(f"{name} must be whole numbers in 0..{classes - 1}, got {values.min()}..{values.max()}")
    return values.astype(np.int64)


def cells(targets: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `targets` [n, k] in {0, 1} and `known` [n, k] as bool, n, k >= 1; a target that is not known is False."""
    targets, known = np.asarray(targets), np.asarray(known)
    if targets.ndim != 2 or not targets.size or known.shape != targets.shape or known.dtype != bool:
        raise InputError(
            f"need targets and a bool mask known, both of shape (rows, labels), at least one of each, "
            f"got {targets.shape} and {known.dtype} {known.shape}"
        )
    invalid = np.argwhere(known & (targets != 0) & (targets != 1))
    if len(invalid):
        row, label = invalid[0]
        raise InputError(f"a known target must be 0 or 1; that of row {row}, label {label} is {targets[row, label]}")
    return known & (targets == 1), known


def table(name: str, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return `values` as an array, checked: of that shape [n, k] and finite."""
    values = np.asarray(values)
    if values.shape != shape:
        raise InputError(f"need {name} of shape {shape}, one for each target, got {values.shape}")
    if not np.isfinite(values).all():
        raise InputError(f"{name} has values that are not finite; did training diverge?")
    return values


def unit(name: str, values: np.ndarray) -> np.ndarray:
    """Return `values`, checked to lie in 0..1."""
    if values.min() < 0 or values.max() > 1 + 1e-6:  # a float32 softmax may exceed 1 by rounding
        raise InputError(f"{name} must be in 0..1, not {values.min():g}..{values.max():g}")
    return values


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide element by element; NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def mean(values: Sequence[float | None]) -> float:
    """Return the mean of the defined values; NaN when there are none."""
    return float(row_means(np.asarray([values], dtype=np.float64))[0])


def row_means(values: np.ndarray) -> np.ndarray:
    """Return the mean [n] of the defined values of each row of `values` [n, k]; NaN where there are none."""
    return ratio(np.nansum(values, axis=1), (~np.isnan(values)).sum(axis=1))


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """Return the mean of the defined values for JSON; None when there are none."""
    return or_none(mean(values))


def or_none(value: float) -> float | None:
    """Return the value for JSON, which has no NaN."""
    return None if np.isnan(value) else float(value)
