"""Curves of confidence show the values they are given."""

import numpy as np
import pytest

from fashion_keras.evaluation.plots.curves import (
    best_epochs,
    plot_coverage_risk,
    plot_history,
    plot_precision_recall,
    plot_reliability,
)
from fashion_keras.evaluation.plots.style import CURVES
from tests.helpers.figures import lines_above, texts

MICRO = np.array([0.5, 1.0, 1.0]), np.array([1.0, 0.5, 0.0]), 0.75
FULL = np.array([0.5, 1.0]), np.array([0.0, 0.25])


def test_precision_recall_draws_the_micro_curve_beside_bars_of_each_class(figures, tmp_path):
    plot_precision_recall(tmp_path, ["a", "b", "c"], [0.25, 1.0, 0.5], MICRO)
    curve, bars = figures[0].axes
    assert curve.lines[0].get_xydata().tolist() == [[1, 0.5], [0.5, 1], [0, 1]]
    assert texts(bars.get_yticklabels()) == ["b", "c", "a"]
    assert [bar.get_width() for bar in bars.patches] == [1.0, 0.5, 0.25]
    assert "micro-averaged AP 0.750" in lines_above(curve)[-1]


def test_precision_recall_shows_the_best_and_the_worst_of_many(figures, tmp_path):
    plot_precision_recall(tmp_path, [f"c{i}" for i in range(50)], np.linspace(1, 0, 50), MICRO)
    _, best, worst = figures[0].axes
    assert texts(best.get_yticklabels()) == [f"c{i}" for i in range(20)]
    assert texts(worst.get_yticklabels()) == [f"c{i}" for i in range(30, 50)]
    assert "the 20 best and the 20 worst, 10 more between" in lines_above(best)[-1]


@pytest.mark.parametrize("undefined", [float("nan"), None])
def test_precision_recall_leaves_out_a_class_without_average_precision(figures, tmp_path, undefined):
    plot_precision_recall(tmp_path, ["none", "known"], [undefined, 0.5], MICRO)
    assert texts(figures[0].axes[1].get_yticklabels()) == ["known"]
    plot_precision_recall(tmp_path, ["none"], [undefined], MICRO)
    assert len(figures[1].axes) == 1


def test_precision_recall_thins_millions_of_points_and_keeps_the_curve(figures, tmp_path):
    recall = np.linspace(1, 0, 2_000_001)
    plot_precision_recall(tmp_path, [], [], (1 - recall, recall, 0.5))
    assert figures[0].axes[0].lines[0].get_drawstyle() == "steps-post"  # as the average precision sums it
    drawn = figures[0].axes[0].lines[0].get_xydata()
    assert 1000 < len(drawn) < 4000
    np.testing.assert_allclose(drawn[:, 0] + drawn[:, 1], 1)
    assert np.abs(np.diff(drawn[:, 0])).max() < 0.002


def test_reliability_shows_accuracy_confidence_and_where_the_rows_are(figures, tmp_path):
    values = np.array([0.1, np.nan, 0.7, 0.9]), np.array([0.0, np.nan, 0.5, 1.0])
    plot_reliability(tmp_path, "gender", np.array([5, 0, 10, 25]), *values, 0.0625)
    upper, lower = figures[0].axes
    assert [(bar.get_x(), bar.get_height()) for bar in upper.patches] == [(0, 0), (0.25, 0), (0.5, 0.5), (0.75, 1)]
    assert [bar.get_height() for bar in lower.patches] == [5 / 40, 0, 10 / 40, 25 / 40]
    diagonal, dots = upper.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_array_equal(dots.get_xydata(), [[0.1, 0], [np.nan, np.nan], [0.7, 0.5], [0.9, 1]])
    assert lines_above(upper)[1] == "task gender  ·  40 images"
    assert "expected calibration error 0.062" in lines_above(upper)[2]


def test_coverage_risk_names_the_smallest_area_first(figures, tmp_path):
    good, constant = ("good", *FULL, 0.125), ("constant", np.array([1.0]), np.array([0.25]), 0.25)
    plot_coverage_risk(tmp_path, [constant, good])
    axes = figures[0].axes[0]
    assert texts(axes.get_legend().get_texts()) == ["0.1250  good", "0.2500  constant"]
    assert [line.get_color() for line in axes.lines] == [CURVES[1], CURVES[0]], "a curve keeps its color"
    # A risk holds from the coverage before it on, the first from 0: a curve of one point is a line, too.
    assert [line.get_drawstyle() for line in axes.lines] == ["steps-pre"] * 2
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [0.5, 0], [1, 0.25]]
    assert axes.lines[1].get_xydata().tolist() == [[0, 0.25], [1, 0.25]]


def test_coverage_risk_is_not_flattened_by_an_early_error(figures, tmp_path):
    coverage = np.arange(1, 101) / 100
    plot_coverage_risk(tmp_path, [("a", coverage, 0.01 / coverage, 0.05)])  # risk 1 at 1 %, 0.2 at 5 %
    assert figures[0].axes[0].get_ylim() == pytest.approx((0, 0.22))
    plot_coverage_risk(tmp_path, [("perfect", coverage, 0 * coverage, 0.0)])
    assert figures[1].axes[0].get_ylim() == (0, 1)


ROW = {"loss": 1.0, "accuracy": 0.5, "val_loss": None, "val_accuracy": None, "learning_rate": 1e-3}


def epochs(*losses):
    """One row for each validation loss: the first two of phase frozen, the others of full."""
    return [
        ROW | {"epoch": i, "phase": "frozen" if i < 3 else "full", "val_loss": loss, "val_accuracy": loss and 1 - loss}
        for i, loss in enumerate(losses, 1)
    ]


def test_history_marks_phases_in_every_panel_and_accepts_gaps(figures, tmp_path):
    plot_history(tmp_path, epochs(None, None, None))
    panels = figures[0].axes
    assert [[list(line.get_xdata()) for line in axes.lines].count([2.5, 2.5]) for axes in panels] == [1, 1, 1]
    assert texts(panels[0].texts)[:2] == ["phase frozen", "phase full"]
    assert panels[2].get_yscale() == "log"
    plot_history(tmp_path, epochs(0.5))
    assert [len(axes.lines) for axes in figures[1].axes] == [3, 3, 1], "one epoch has no change of phase"


def test_history_marks_the_best_epoch_of_each_phase(figures, tmp_path):
    plot_history(tmp_path, epochs(0.5, 0.75, 0.375, 0.25, 0.3125))
    loss, accuracy, _ = figures[0].axes
    assert loss.lines[2].get_xydata().tolist() == [[1, 0.5], [4, 0.25]]
    assert accuracy.lines[2].get_xydata().tolist() == [[1, 0.5], [4, 0.75]]
    assert lines_above(loss)[-1] == "the weights are those of epoch 4: validation loss 0.250, accuracy 0.750"


def test_best_epochs_skips_a_phase_without_validation_loss():
    assert best_epochs(epochs(None, None, 0.5, 0.25)) == [3]
    assert best_epochs(epochs(0.5, 0.5)) == [0], "the first of equal ones, as training keeps it"
