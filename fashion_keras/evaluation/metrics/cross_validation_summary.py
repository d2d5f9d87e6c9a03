"""Cross-validation summary: best fold, mean and standard deviation of each score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_RULES = ("cumulative_maximum", "mean_probability")


def fold_row(number: int, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fold's row of the report over all folds, from the fold's own report."""
    per_product = report["per_product"]["all"]
    by_rule = {name: per_product[name] and per_product[name]["accuracy"] for name in _RULES}
    scores = {name: report["test"][name] for name in ("accuracy", "accuracy_ci95", "macro_f1")}
    counts = {"counts": report["counts"], "seconds": report["seconds"]["total"]}
    return {"fold": number, "folder": f"fold{number}", **counts, **scores, **by_rule}


def summarize_folds(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int]]:
    """Return score -> `fold_statistics`, of each score that every row of `fold_row` has."""
    values = {name: [row[name] for row in rows] for name in ("accuracy", "macro_f1", *_RULES)}
    return {name: fold_statistics(scores) for name, scores in values.items() if None not in scores}


def fold_statistics(values: Sequence[float]) -> dict[str, float | int]:
    """Return best_fold (from 1, the first in a tie), best, mean and standard deviation of a score in K >= 2 folds.

    The deviation is that of a sample (K - 1 in the denominator): these are a few of the folds there could be.

    >>> fold_statistics([0.5, 1.0, 0.75])
    {'best_fold': 2, 'best': 1.0, 'mean': 0.75, 'standard_deviation': 0.25}
    """
    return {
        "best_fold": int(np.argmax(values)) + 1,
        "best": float(max(values)),
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
    }
