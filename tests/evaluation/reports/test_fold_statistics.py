"""The spread of a score over folds, by hand."""

import pytest

from fashion_keras.evaluation.reports.compute import fold_statistics, summarize_folds


def test_spread_of_a_sample():
    """Deviations -3, -1, 4 percent points: variance 26 / 2."""
    assert fold_statistics([0.67, 0.69, 0.74]) == {
        "best_fold": 3, "best": 0.74, "mean": pytest.approx(0.70), "standard_deviation": pytest.approx(13**0.5 / 100),
    }  # fmt: skip


def test_the_first_of_equal_folds_is_the_best():
    assert fold_statistics([0.5, 0.75, 0.75])["best_fold"] == 2


def test_summarize_folds_leaves_out_scores_that_a_fold_lacks():
    rows = [
        {"accuracy": 0.5, "macro_f1": 0.25, "mean_probability": None},
        {"accuracy": 1.0, "macro_f1": 0.5, "mean_probability": 0.5},
    ]
    summary = summarize_folds(rows, ("accuracy", "macro_f1", "mean_probability", "gender.accuracy"))
    assert summary.keys() == {"accuracy", "macro_f1"}
    assert [summary[name]["best_fold"] for name in summary] == [2, 2]
