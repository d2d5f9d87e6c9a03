"""Cross-validation summary, by hand."""

import pytest

from fashion_keras.evaluation.metrics.cross_validation_summary import fold_row, fold_statistics, summarize_folds


def test_fold_statistics_use_the_sample_deviation():
    """Deviations -3, -1, 4 percent points: variance 26 / 2."""
    assert fold_statistics([0.67, 0.69, 0.74]) == {
        "best_fold": 3, "best": 0.74, "mean": pytest.approx(0.70), "standard_deviation": pytest.approx(13**0.5 / 100),
    }  # fmt: skip


def test_fold_statistics_take_the_first_of_equal_folds():
    assert fold_statistics([0.5, 0.75, 0.75])["best_fold"] == 2


def report(accuracy, by_maximum):
    product = {"cumulative_maximum": {"accuracy": by_maximum}, "mean_probability": None}
    return {
        "test": {"accuracy": accuracy, "accuracy_ci95": [0, 1], "macro_f1": accuracy / 2},
        "per_product": {"all": product},
        "counts": {"test": 4},
        "seconds": {"total": 1.5},
    }


def test_summarize_folds_leaves_out_scores_that_a_fold_lacks():
    rows = [fold_row(1, report(0.5, 0.75)), fold_row(2, report(1.0, 0.25))]
    assert rows[1] == {
        "fold": 2, "folder": "fold2", "counts": {"test": 4}, "seconds": 1.5, "accuracy": 1.0, "accuracy_ci95": [0, 1],
        "macro_f1": 0.5, "cumulative_maximum": 0.25, "mean_probability": None,
    }  # fmt: skip
    over = summarize_folds(rows)
    assert over.keys() == {"accuracy", "macro_f1", "cumulative_maximum"}
    assert [over[name]["best_fold"] for name in over] == [2, 2, 1]
