"""Robustness scores: predictions under each condition compared with those of the reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_keras.catalog.readers import Catalog
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.images.corruptions import CORRUPTIONS
from fashion_keras.models.predictions import Predictions

COLUMNS = (
    "run", "head", "condition", "products", "accuracy", "low", "high", "accuracy_change", "agreement",
    "confidence_change", "pixel_change",
)  # fmt: skip


@dataclass(frozen=True)
class Flip:
    """A product whose predicted class changes under a condition: (class, probability) in reference and corrupted."""

    id: int
    path: str
    truth: str
    condition: int
    reference: tuple[str, float]
    corrupted: tuple[str, float]


def rows_by_head(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return (run, head) -> its rows, the reference first."""
    series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        series.setdefault((row["run"], row["head"]), []).append(row)
    return series


def report_rows(
    run: str, heads: list[list[Predictions]], pixel_changes: list[float], product_of: Mapping[int, int]
) -> list[dict[str, Any]]:
    """Return one row for each condition and head, with the fields of COLUMNS.

    Args:
        run: its folder.
        heads: for each condition, the predictions of each head; the reference first.
        pixel_changes: for each condition, the mean absolute change of a pixel.
        product_of: row id -> product, which intervals resample.
    """
    return [
        {
            "run": run,
            "head": reference.groups[0].name,
            "condition": corruption.name,
            **_compare(corrupted, reference, [product_of[row] for row in reference.ids.tolist()]),
            "pixel_change": change,
        }
        for corruption, predictions, change in zip(CORRUPTIONS, heads, pixel_changes, strict=True)
        for corrupted, reference in zip(predictions, heads[0], strict=True)
    ]


def _compare(corrupted: Predictions, reference: Predictions, product_groups: Sequence[int]) -> dict[str, float]:
    """Return the scores of n products under a condition, and how they differ from the reference."""
    codes, reference_codes = (predictions.probabilities.argmax(axis=1) for predictions in (corrupted, reference))
    confidence, reference_confidence = (values.probabilities.max(axis=1) for values in (corrupted, reference))
    correct = codes == corrupted.true_codes
    low, high = accuracy_interval(correct, product_groups)
    return {
        "products": len(codes),
        "accuracy": float(correct.mean()),
        "low": low,
        "high": high,
        "accuracy_change": float(correct.mean() - (reference_codes == reference.true_codes).mean()),
        "agreement": float((codes == reference_codes).mean()),
        "confidence_change": float(np.mean(confidence - reference_confidence)),
    }


def most_confident_flips(heads: list[list[Predictions]], products: Catalog) -> list[Flip]:
    """Return the most confident flip under each condition that has any."""
    paths = dict(zip(products.ids.tolist(), products.paths.tolist(), strict=True))
    flips = [
        flip
        for condition, predictions in enumerate(heads)
        for corrupted, reference in zip(predictions, heads[0], strict=True)
        for flip in _flips(condition, corrupted, reference, paths)
    ]
    best = {flip.condition: flip for flip in sorted(flips, key=lambda flip: flip.corrupted[1])}
    return [best[condition] for condition in sorted(best)]


def _flips(condition: int, corrupted: Predictions, reference: Predictions, paths: Mapping[int, str]) -> Iterator[Flip]:
    rows = np.flatnonzero(corrupted.probabilities.argmax(axis=1) != reference.probabilities.argmax(axis=1))
    after, before = corrupted.take(rows), reference.take(rows)
    tops = zip(before.top(1), after.top(1), strict=True)
    for product, code, ((best_before,), (best_after,)) in zip(after.ids.tolist(), after.true_codes, tops, strict=True):
        yield Flip(product, paths[product], corrupted.classes[code], condition, best_before, best_after)
