"""Bars show the values they are given, sorted, and of many classes the first and the last."""

import numpy as np
import pytest

from fashion_keras.evaluation.plots import bars
from fashion_keras.evaluation.plots.bars import (
    plot_accuracy_by_condition,
    plot_class_accuracy,
    plot_class_counts,
    plot_labels_per_image,
)
from tests.helpers.figures import assert_labels_do_not_overlap, lines_above, texts


def draw_accuracy(path, recall):
    recall = np.array(recall, float)
    support = np.where(np.isnan(recall), 0, 8)
    interval = np.stack([np.nan_to_num(recall) / 2, np.ones(len(recall))])
    plot_class_accuracy(path, [f"c{i}" for i in range(len(recall))], recall, support, interval)


def test_class_accuracy_sorts_the_best_to_the_top(figures, tmp_path):
    draw_accuracy(tmp_path, [0.25, 1.0, np.nan])
    axes = figures[0].axes[0]
    assert texts(axes.get_yticklabels()) == ["c1", "c0", "c2"]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 0.25, 0]
    low, high = axes.get_ylim()
    assert low > high, "the first is on top"
    assert texts(text for text in axes.texts if text.get_position()[0] == 1.03) == [
        "100.0%   n = 8", "25.0%   n = 8", "no images"
    ]  # fmt: skip


def test_class_accuracy_draws_each_interval_over_its_bar(figures, tmp_path):
    recall, interval = np.array([0.25, np.nan, 0.75]), np.array([[0.125, 0.0, 0.5], [0.5, 1.0, 0.875]])
    plot_class_accuracy(tmp_path, ["a", "none", "b"], recall, np.array([4, 0, 8]), interval)
    (whiskers,) = figures[0].axes[0].collections
    spans = [[tuple(point) for point in line] for line in whiskers.get_segments()]
    assert spans == [[(0.5, 0), (0.875, 0)], [(0.125, 1), (0.5, 1)], [(0, 2), (0, 2)]]


def test_class_accuracy_puts_many_classes_in_two_columns(figures, tmp_path):
    draw_accuracy(tmp_path, np.linspace(1, 0, 31))
    first, second = figures[0].axes
    assert texts(first.get_yticklabels()) == [f"c{i}" for i in range(16)]
    assert texts(second.get_yticklabels()) == [f"c{i}" for i in range(16, 31)]
    assert first.get_ylim() == second.get_ylim(), "bars are as thick on both sides"
    assert_labels_do_not_overlap(figures[0], first)


def test_class_accuracy_leaves_out_the_middle_of_more_than_forty(figures, tmp_path):
    draw_accuracy(tmp_path, np.linspace(1, 0, 50))
    first, second = figures[0].axes
    assert texts(first.get_yticklabels()) == [f"c{i}" for i in range(20)]
    assert texts(second.get_yticklabels()) == [f"c{i}" for i in range(30, 50)]
    assert "the 20 best and the 20 worst; 10 classes between them are left out" in lines_above(first)
    assert "400 images" in lines_above(first)[1], "all classes count"


def test_class_counts_sums_what_follows_the_thirtieth_class(figures, tmp_path):
    sizes = {f"c{i}": i for i in range(33)}
    plot_class_counts(tmp_path / "a.png", {"all": dict(list(sizes.items())[:30]), "cut": sizes})
    everything, cut = figures[0].axes
    assert texts(everything.get_yticklabels()) == [f"c{i}" for i in range(29, -1, -1)]
    assert texts(cut.get_yticklabels()) == [*(f"c{i}" for i in range(32, 2, -1)), "3 more"]
    assert cut.patches[-1].get_width() == 0 + 1 + 2
    assert cut.patches[-1].get_facecolor() != cut.patches[0].get_facecolor()
    assert lines_above(cut) == ["cut", f"33 classes  ·  {sum(range(33))} labels"]
    assert_labels_do_not_overlap(figures[0], cut)


def test_labels_per_image_shows_shares_and_means_of_each_part(figures, tmp_path):
    plot_labels_per_image(tmp_path, {"train": np.array([0, 30, 10]), "test": np.array([5, 0, 0, 15])})
    axes = figures[0].axes[0]
    train, test = ([bar.get_height() for bar in part] for part in axes.containers)
    assert (train, test) == ([0, 30 / 40, 10 / 40], [5 / 20, 0, 0, 15 / 20])
    # (30 x 1 + 10 x 2) / 40 = 1.25 and 15 x 3 / 20 = 2.25
    assert texts(axes.get_legend().get_texts()) == ["train: n = 40, mean 1.2", "test: n = 20, mean 2.2"]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in (axes.containers[0][2], axes.containers[1][2])]
    assert sum(middles) / 2 == pytest.approx(2), "the bars of 2 labels stand around 2"


@pytest.mark.parametrize(
    ("count", "columns", "between"),
    [(0, [0], 0), (20, [20], 0), (21, [11, 10], 0), (40, [20, 20], 0), (41, [20, 20], 1)],
)
def test_two_columns_hold_forty_at_most(count, columns, between):
    parts, left_out = bars.two_columns(np.arange(count))
    assert ([len(part) for part in parts], left_out) == (columns, between)
    assert sum(columns) + between == count


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
