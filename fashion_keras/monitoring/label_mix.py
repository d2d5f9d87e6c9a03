"""Label-mix shift: total variation distance and chi-square test of two label counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.monitoring.measurement import MIN_PRODUCTS, NotMeasuredError

_LEAST_EXPECTED = 5  # rows that a cell of the chi-square test should expect
_CHANGES = 5  # largest changes listed in each direction
_LISTED = 20  # new and vanished labels listed


@dataclass(frozen=True)
class LabelChange:
    """Share of a label among the labels of the reference and of the new side."""

    label: str
    reference: float
    new: float


@dataclass(frozen=True)
class LabelShift:
    """How a mix of labels changed.

    Attributes:
        total_variation: half the sum of the absolute differences of the labels' shares; 0: same mix, 1: disjoint.
        p: of the chi-square test; rare labels, of which the test expects fewer than 5 on a side, are tested as one.
        reference, new: labels counted on each side.
        up, down: the labels whose share grew or shrank most.
        new_labels, vanished_labels: that only one side has, the most frequent first.
    """

    total_variation: float
    p: float
    reference: int
    new: int
    up: tuple[LabelChange, ...]
    down: tuple[LabelChange, ...]
    new_labels: tuple[str, ...]
    vanished_labels: tuple[str, ...]


def label_shift(reference: Mapping[str, int], new: Mapping[str, int]) -> LabelShift:
    """Compare two label counts, label -> products.

    NotMeasuredError with fewer than MIN_PRODUCTS labels on a side.
    """
    labels = sorted({*reference, *new})
    counts = np.array([[side.get(label, 0) for label in labels] for side in (reference, new)], np.int64)
    totals = counts.sum(axis=1)
    if totals.min() < MIN_PRODUCTS:
        raise NotMeasuredError(
            f"{totals[0]} reference and {totals[1]} new products have a label; {MIN_PRODUCTS} of each are needed"
        )
    shares = counts / totals[:, None]
    changes = shares[1] - shares[0]
    order = np.argsort(-changes, kind="stable")
    up = [code for code in order[:_CHANGES].tolist() if changes[code] > 0]
    down = [code for code in order[::-1][:_CHANGES].tolist() if changes[code] < 0]
    listed = [
        tuple(LabelChange(labels[code], float(shares[0, code]), float(shares[1, code])) for code in codes)
        for codes in (up, down)
    ]
    return LabelShift(
        total_variation=float(np.abs(changes).sum() / 2),
        p=chi_square_p_value(counts),
        reference=int(totals[0]),
        new=int(totals[1]),
        up=listed[0],
        down=listed[1],
        new_labels=_only(labels, counts[1], counts[0]),
        vanished_labels=_only(labels, counts[0], counts[1]),
    )


def chi_square_p_value(counts: NDArray[np.int64]) -> float:
    """Return the p value of Pearson's chi-square test of homogeneity of counts [2, k], without continuity correction.

    Labels of which fewer than 5 are expected on a side are added up, as the test needs; 1 where one label is left.
    """
    from scipy.stats import chi2_contingency  # noqa: PLC0415 - a second that help must not wait for

    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    is_rare = expected.min(axis=0) < _LEAST_EXPECTED
    table = counts[:, ~is_rare]
    if is_rare.any():
        table = np.column_stack([table, counts[:, is_rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for testing them all, in their order (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1)
    return corrected.tolist()


def _only(labels: Sequence[str], counts: NDArray[np.int64], others: NDArray[np.int64]) -> tuple[str, ...]:
    codes = np.flatnonzero((counts > 0) & (others == 0))
    return tuple(labels[code] for code in codes[np.argsort(-counts[codes], kind="stable")][:_LISTED].tolist())
