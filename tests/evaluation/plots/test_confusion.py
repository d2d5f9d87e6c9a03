"""Heat maps show shares of the row, and of many classes those that matter."""

import numpy as np
import pytest

from fashion_keras.evaluation.plots.confusion import plot_co_occurrence, plot_confusion
from tests.helpers.figures import assert_labels_do_not_overlap, lines_above, read_pixels, texts

TOGETHER = np.array([[8, 6, 0], [6, 12, 0], [0, 0, 0]])


def cells(axes):
    """(column, row) -> the number printed in that cell."""
    middles = (text for text in axes.texts if text.get_ha() == "center")
    return {tuple(int(place) for place in text.get_position()): text.get_text() for text in middles}


def test_confusion_colors_a_cell_by_its_share_of_the_row(tmp_path):
    plot_confusion(tmp_path / "a.png", np.array([[7, 0, 0], [0, 2000, 0], [0, 0, 0]]), ["few", "many", "none"])
    # Cells of 1.2 inches at 120 dpi: two are 100 % of their row and darkest, three have no row and are gray.
    image = read_pixels(tmp_path / "a.png")
    dark, gray = ((image == color).all(axis=2).sum() for color in [(5, 0x2F, 0x38), (0xEC, 0xEF, 0xF2)])
    assert dark == pytest.approx(2 * 144**2, rel=0.05)
    assert gray == pytest.approx(3 * 144**2, rel=0.05)


def test_confusion_prints_shares_from_one_percent_on_in_readable_ink(figures, tmp_path):
    plot_confusion(tmp_path, np.array([[1980, 11, 9], [0, 0, 0], [0, 1, 3]]), ["a", "b", "c"])
    axes = figures[0].axes[0]
    # 1980/2000 = 99 %; 11/2000 = 0.55 % and 9/2000 are left out; 1/4 and 3/4
    assert cells(axes) == {(0, 0): "99", (1, 2): "25", (2, 2): "75"}
    assert [text.get_color() for text in axes.texts[:3]] == ["white", "black", "white"]
    assert texts(axes.get_yticklabels()) == ["a  2,000", "b  0", "c  4"]
    assert "2,004 images" in lines_above(axes)[1]
    assert axes.get_ylim() == (3, 0), "the first class is on top"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class and its images")


def test_confusion_draws_the_25_classes_with_most_errors_and_sums_the_others(figures, tmp_path):
    counts = np.eye(30, dtype=int) * 10
    counts[0, 1:6] = 2  # class 0 is taken for 1 to 5: six classes with errors
    counts[29, 0] = 90  # and 29 for 0
    counts[10, 28] = 0
    plot_confusion(tmp_path, counts, [f"c{i}" for i in range(30)])
    axes = figures[0].axes[0]
    rows = [label.split()[0] for label in texts(axes.get_yticklabels())]
    # 0 to 5 and 29 have errors; of the others, the first 18 fill up.
    assert rows == [f"c{i}" for i in [*range(24), 29]]
    assert texts(axes.get_xticklabels()) == [*rows, "any other"]
    assert cells(axes)[0, 24] == "90"
    assert "the 25 of 30 classes with the most errors" in lines_above(axes)
    assert_labels_do_not_overlap(figures[0], axes)


def test_confusion_sums_predictions_of_classes_that_are_not_drawn(figures, tmp_path):
    counts = np.zeros((27, 27), int)
    own = np.arange(25)
    counts[own, own] = 10
    counts[own, (own + 1) % 25] = 5  # 12 errors for each of these classes: 7 of its images, 5 of its neighbor's
    counts[:25, 25:] = 1  # and 25 for the last two, which are drawn; so 23 and 24 are not
    plot_confusion(tmp_path, counts, [f"c{i}" for i in range(27)])
    axes = figures[0].axes[0]
    assert [label.split()[0] for label in texts(axes.get_yticklabels())] == [
        *(f"c{i}" for i in range(23)),
        "c25",
        "c26",
    ]
    last = {row: number for (column, row), number in cells(axes).items() if column == 25}
    assert last == {22: "29"}, "5 of the 17 images of c22 are predicted to be c23"


def test_co_occurrence_shows_shares_of_the_row_label(figures, tmp_path):
    plot_co_occurrence(tmp_path, TOGETHER, ["striped", "checked", "printed"])
    axes = figures[0].axes[0]
    # 6 of 8 striped are checked, 6 of 12 checked are striped; no number on the diagonal or without images.
    assert cells(axes) == {(1, 0): "75", (0, 1): "50"}
    assert texts(axes.get_yticklabels()) == ["striped  8", "checked  12", "printed  0"]
    gray = np.ma.getmaskarray(axes.collections[0].get_array()).reshape(3, 3)
    assert gray.tolist() == [[True, False, False], [False, True, False], [True, True, True]]


def test_co_occurrence_draws_the_25_most_frequent_in_the_order_given(figures, tmp_path):
    sizes = np.arange(1, 46)
    sizes[0] = 100
    plot_co_occurrence(tmp_path, np.diag(sizes), [f"label {i}" for i in range(45)])
    axes = figures[0].axes[0]
    assert texts(axes.get_xticklabels()) == ["label 0", *(f"label {i}" for i in range(21, 45))]
    assert "the 25 most frequent of 45 labels" in lines_above(axes)
    assert_labels_do_not_overlap(figures[0], axes)
