"""The figure of robustness shows the values it is given, a panel for each run and head."""

import pytest

from fashion_keras.evaluation.plots.bars import plot_accuracy_by_condition
from tests.helpers.figures import lines_above


def rows(*accuracies):
    return [
        {"condition": f"{place}", "products": 40, "accuracy": share, "low": share - 0.1, "high": share + 0.05}
        for place, share in enumerate(accuracies)
    ]


def test_accuracy_by_condition_has_a_panel_for_each_run_and_head(figures, tmp_path):
    series = {("runs/a", "gender"): rows(0.8, 0.7, 0.2), ("runs/b", "season"): rows(0.5, 0.5, 0.4)}
    plot_accuracy_by_condition(tmp_path, series)
    for axes, ((run, head), own) in zip(figures[0].axes, series.items(), strict=True):
        assert lines_above(axes) == [f"{run[-1]}: {head}", "40 images"]
        reference, dots = axes.lines[:2]
        assert set(reference.get_xdata()) == {own[0]["accuracy"]}
        assert list(dots.get_xdata()) == [row["accuracy"] for row in own]
        intervals = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
        assert intervals == [pytest.approx([row["low"], row["high"]]) for row in own]
        low, high = axes.get_ylim()
        assert low > high, "the first is on top"


def test_accuracy_by_condition_wraps_after_three_panels(figures, tmp_path):
    plot_accuracy_by_condition(tmp_path, {("runs/a", f"head {i}"): rows(0.8, 0.7) for i in range(7)})
    boxes = [axes.get_position() for axes in figures[0].axes]
    assert len(boxes) == 7
    assert len({round(box.y0, 3) for box in boxes}) == len({round(box.x0, 3) for box in boxes}) == 3
