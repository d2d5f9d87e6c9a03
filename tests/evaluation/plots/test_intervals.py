"""The figure of robustness shows the values it is given, a panel for each run and head."""

import pytest

from fashion_keras import InputError
from fashion_keras.evaluation.plots import intervals


def rows(*values):
    return [
        {"condition": f"condition {place}", "products": 40, "accuracy": one, "low": one - 0.1, "high": one + 0.05}
        for place, one in enumerate(values)
    ]


def test_each_run_and_head_has_its_panel(monkeypatch, tmp_path):
    kept = []
    monkeypatch.setattr(intervals.style, "save", lambda figure, _: kept.append(figure))
    series = {("runs/a", "gender"): rows(0.8, 0.7, 0.2), ("runs/b", "season"): rows(0.5, 0.5, 0.4)}
    intervals.accuracies(tmp_path / "figure.png", series)
    for axes, ((run, head), own) in zip(kept[0].axes, series.items(), strict=True):
        assert axes.get_title(loc="left") == f"{run[-1]}: {head}\nn = 40"
        reference, dots = axes.lines[:2]
        assert set(reference.get_xdata()) == {own[0]["accuracy"]}
        assert list(dots.get_xdata()) == [row["accuracy"] for row in own]
        bars = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
        assert bars == [pytest.approx([row["low"], row["high"]]) for row in own]
        low, high = axes.get_ylim()
        assert low > high  # the first on top


def test_nothing_to_draw_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no conditions to draw"):
        intervals.accuracies(tmp_path / "figure.png", {})
