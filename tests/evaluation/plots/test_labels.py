"""Figures of labels and of confidence are whole PNGs that show the values they are given."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from fashion_keras.evaluation.plots import labels

COUNTS = np.array([[8, 6, 0], [6, 12, 0], [0, 0, 0]])
FULL = (np.array([0.5, 1.0]), np.array([0.0, 0.25]))


def draw_reliability(path):
    values = np.array([0.1, np.nan, 0.7, 0.9]), np.array([0.0, np.nan, 0.5, 1.0])
    labels.reliability(path, "gender", np.array([5, 0, 10, 25]), *values, 0.0625)


def draw_coverage_risk(path):
    labels.coverage_risk(path, [("softmax", *FULL, 0.125)])


def draw_co_occurrence(path):
    labels.co_occurrence(path, COUNTS, ["striped", "checked", "printed"])


def draw_labels_per_image(path):
    labels.labels_per_image(path, {"train": np.array([0, 30, 10]), "test": np.array([5, 0, 0, 15])})


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures that would have been written, to look at what they hold."""
    kept = []
    monkeypatch.setattr(labels.style, "save", lambda figure, _: kept.append(figure))
    return kept


def texts(labels):
    return [label.get_text() for label in labels]


@pytest.mark.parametrize("draw", [draw_reliability, draw_coverage_risk, draw_co_occurrence, draw_labels_per_image])
def test_a_figure_is_one_whole_file_and_nothing_else(draw, tmp_path):
    draw(tmp_path / "made" / "figure.png")
    with Image.open(tmp_path / "made" / "figure.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    edges = pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]
    assert all((edge == 255).all() for edge in edges), "the border is white: nothing is cut off"
    assert np.unique(pixels.reshape(-1, 3), axis=0).shape[0] > 2
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["figure.png"]


def test_reliability_shows_accuracy_confidence_and_where_the_rows_are(drawn, tmp_path):
    draw_reliability(tmp_path)
    upper, lower = drawn[0].axes
    assert [(bar.get_x(), bar.get_height()) for bar in upper.patches] == [(0, 0), (0.25, 0), (0.5, 0.5), (0.75, 1)]
    assert [bar.get_height() for bar in lower.patches] == [5 / 40, 0, 10 / 40, 25 / 40]
    diagonal, dots = upper.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_array_equal(dots.get_xydata(), [[0.1, 0], [np.nan, np.nan], [0.7, 0.5], [0.9, 1]])
    assert upper.get_title(loc="left") == "Reliability of gender; n = 40, calibration error 0.062"


def test_coverage_risk_names_the_best_first_and_keeps_each_curve_s_colour(drawn, tmp_path):
    good, constant = ("good", *FULL, 0.125), ("constant", np.array([1.0]), np.array([0.25]), 0.25)
    labels.coverage_risk(tmp_path, [constant, good])
    axes = drawn[0].axes[0]
    assert texts(axes.get_legend().get_texts()) == ["0.1250  good", "0.2500  constant"]
    assert [line.get_color() for line in axes.lines] == [labels.CURVES[1], labels.CURVES[0]]
    # A risk holds from the coverage before it on, the first from 0: a curve of one point is a line, too.
    assert [line.get_drawstyle() for line in axes.lines] == ["steps-pre"] * 2
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [0.5, 0], [1, 0.25]]
    assert axes.lines[1].get_xydata().tolist() == [[0, 0.25], [1, 0.25]]


def test_coverage_risk_is_not_flattened_by_an_early_error(drawn, tmp_path):
    coverage = np.arange(1, 101) / 100
    labels.coverage_risk(tmp_path, [("a", coverage, 0.01 / coverage, 0.05)])  # risk 1 at 1 %, 0.2 at 5 %
    assert drawn[0].axes[0].get_ylim() == pytest.approx((0, 0.22))
    labels.coverage_risk(tmp_path, [("perfect", coverage, 0 * coverage, 0.0)])
    assert drawn[1].axes[0].get_ylim() == (0, 1)


def test_co_occurrence_shows_shares_of_the_row_label(drawn, tmp_path):
    draw_co_occurrence(tmp_path)
    axes = drawn[0].axes[0]
    # 6 of 8 striped are checked, 6 of 12 checked are striped; no number on the diagonal or without images.
    assert {text.get_position(): text.get_text() for text in axes.texts} == {(1.5, 0.5): "75", (0.5, 1.5): "50"}
    assert texts(axes.get_yticklabels()) == ["striped  8", "checked  12", "printed  0"]
    grey = np.ma.getmaskarray(axes.collections[0].get_array()).reshape(3, 3)
    assert grey.tolist() == [[True, False, False], [False, True, False], [True, True, True]]


def test_co_occurrence_keeps_the_forty_most_frequent_in_the_order_given(drawn, tmp_path):
    sizes = np.arange(1, 46)
    sizes[0] = 100
    labels.co_occurrence(tmp_path, np.diag(sizes), [f"label {i}" for i in range(45)])
    axes = drawn[0].axes[0]
    assert texts(axes.get_xticklabels()) == ["label 0", *(f"label {i}" for i in range(6, 45))]
    assert "40 most frequent of 45 labels" in axes.get_title(loc="left")
    drawn[0].draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in axes.get_yticklabels()), key=lambda box: box.y0)
    assert all(lower.y1 < upper.y0 for lower, upper in pairwise(boxes))


def test_labels_per_image_shows_shares_and_means_of_each_part(drawn, tmp_path):
    draw_labels_per_image(tmp_path)
    axes = drawn[0].axes[0]
    train, test = ([bar.get_height() for bar in part] for part in axes.containers)
    assert (train, test) == ([0, 30 / 40, 10 / 40], [5 / 20, 0, 0, 15 / 20])
    # (30 x 1 + 10 x 2) / 40 = 1.25 and 15 x 3 / 20 = 2.25
    assert texts(axes.get_legend().get_texts()) == ["train: n = 40, mean 1.2", "test: n = 20, mean 2.2"]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in (axes.containers[0][2], axes.containers[1][2])]
    assert sum(middles) / 2 == pytest.approx(2), "the bars of 2 labels stand around 2"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: labels.reliability(path, "gender", [], [], [], 0.0), "no bins to draw"),
        (lambda path: labels.coverage_risk(path, []), "no curves to draw"),
        (lambda path: labels.coverage_risk(path, [("a", *FULL, 0.1)] * 13), "13 curves, but .* colours for 12"),
        (lambda path: labels.co_occurrence(path, np.zeros((0, 0)), []), "no labels to draw"),
        (lambda path: labels.labels_per_image(path, {}), "no parts to draw"),
        (
            lambda path: labels.labels_per_image(path, {name: [1] for name in "abcd"}),
            "4 parts, but .* colours for 3",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_no_file_is_made(tmp_path, call, message):
    with pytest.raises(labels.InputError, match=message):
        call(tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []
