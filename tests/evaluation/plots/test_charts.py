"""Figures are whole PNGs that grow with their content, and a contact sheet shows the given pixels."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from fashion_keras.evaluation.plots import charts

MARGIN, CELL = 12, 160  # the layout of a contact sheet, as a reader of the picture would measure it


def names(k):
    return [f"Perfume and Body Mist {i}" for i in range(k)]


def curve(ap, *points):
    recall, precision = np.array(points or [(1.0, 0.5), (0.5, 1.0), (0.0, 1.0)]).T
    return precision, recall, ap


def draw_confusion(path, k=4):
    charts.confusion(path, np.eye(k, dtype=int) * 9 + 1, names(k))


def draw_precision_recall(path, k=4):
    charts.precision_recall(path, [(name, *curve(0.75)) for name in names(k)], curve(0.8))


def draw_class_accuracy(path, k=4):
    charts.class_accuracy(path, names(k), np.linspace(0, 1, k), np.arange(k), np.tile([[0.0], [1.0]], k))


def draw_class_counts(path, k=4):
    charts.class_counts(path, {"gender": dict(zip(names(k), range(k), strict=True))})


def draw_contact_sheet(path, k=4):
    charts.contact_sheet(path, [np.zeros((80, 60, 3), np.uint8)] * k, names(k))


def draw_history(path, k=4):
    row = {"loss": 1.0, "accuracy": 0.5, "val_loss": 2.0, "val_accuracy": 0.4, "learning_rate": 1e-3}
    charts.history(path, [row | {"epoch": i, "phase": "frozen" if i < 3 else "full"} for i in range(k)])


GROWING = [draw_confusion, draw_class_accuracy, draw_class_counts, draw_contact_sheet]
SAVERS = [(draw_confusion, "Figure.savefig"), (draw_contact_sheet, "Image.Image.save")]
ALL = [*GROWING, draw_precision_recall, draw_history]


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def figures(monkeypatch):
    """The matplotlib figures that would have been written, to look at what they hold."""
    kept = []
    monkeypatch.setattr(charts.style, "save", lambda figure, _: kept.append(figure))
    return kept


def texts(labels):
    return [label.get_text() for label in labels]


@pytest.mark.parametrize("draw", ALL)
def test_a_figure_is_one_whole_file_and_nothing_else(draw, tmp_path):
    draw(tmp_path / "made" / "figure.png")
    image = pixels(tmp_path / "made" / "figure.png")
    assert min(image.shape[:2]) > 80
    assert (image[:8] == 255).all(), "the border is white: nothing is cut off at the top"
    assert np.unique(image.reshape(-1, 3), axis=0).shape[0] > 2
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["figure.png"]


@pytest.mark.parametrize("draw", GROWING)
def test_forty_classes_take_more_room_than_four(draw, tmp_path):
    draw(tmp_path / "4.png", 4)
    draw(tmp_path / "40.png", 40)
    assert pixels(tmp_path / "40.png").shape[0] > 2 * pixels(tmp_path / "4.png").shape[0]


@pytest.mark.parametrize(("draw", "method"), SAVERS)
def test_a_figure_that_fails_half_way_leaves_the_old_file(draw, method, tmp_path, monkeypatch):
    def fail_half_way(_, temporary, **__):
        temporary.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(f"fashion_keras.evaluation.plots.charts.{method}", fail_half_way)
    (tmp_path / "figure.png").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        draw(tmp_path / "figure.png")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_figures_do_not_import_pyplot_and_may_be_drawn_in_threads(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(draw_class_accuracy, [tmp_path / f"{i}.png" for i in range(4)]))
    draw_class_accuracy(tmp_path / "alone.png")
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {(tmp_path / "alone.png").read_bytes()}
    assert "matplotlib.pyplot" not in sys.modules


def test_confusion_colours_a_cell_by_its_share_of_the_row(tmp_path):
    charts.confusion(tmp_path / "a.png", np.array([[7, 0, 0], [0, 2000, 0], [0, 0, 0]]), ["few", "many", "none"])
    # Cells of 1.2 inches at 120 dpi: two are 100 % of their row and darkest, three have no row and are grey.
    dark, grey = ((pixels(tmp_path / "a.png") == c).all(axis=2).sum() for c in [(5, 0x2F, 0x38), (0xEC, 0xEF, 0xF2)])
    assert dark == pytest.approx(2 * 144**2, rel=0.05)
    assert grey == pytest.approx(3 * 144**2, rel=0.05)


def test_confusion_prints_shares_from_one_percent_on_in_readable_ink(figures, tmp_path):
    charts.confusion(tmp_path / "a.png", np.array([[1980, 11, 9], [0, 0, 0], [0, 1, 3]]), ["a", "b", "c"])
    axes = figures[0].axes[0]
    shown = {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts}
    # 1980/2000 = 99 %; 11/2000 = 0.55 % and 9/2000 are left out; 1/4 and 3/4
    assert shown == {(0.5, 0.5): ("99", "white"), (1.5, 2.5): ("25", "black"), (2.5, 2.5): ("75", "white")}
    assert texts(axes.get_yticklabels()) == ["a  2,000", "b  0", "c  4"]
    assert "n = 2,004" in axes.get_title(loc="left")
    assert axes.get_ylim() == (3, 0), "the first class is on top"


@pytest.mark.parametrize("draw", [draw_confusion, draw_class_accuracy, draw_class_counts])
def test_labels_of_forty_classes_do_not_overlap(draw, figures, tmp_path):
    draw(tmp_path / "a.png", 40)
    figures[0].draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in figures[0].axes[0].get_yticklabels()), key=lambda b: b.y0)
    assert len(boxes) == 40
    assert all(lower.y1 < upper.y0 for lower, upper in pairwise(boxes))


def test_precision_recall_names_every_class_up_to_twelve(figures, tmp_path):
    charts.precision_recall(tmp_path / "a.png", [(f"class {i}", *curve(i / 20)) for i in range(12)], curve(0.9))
    axes = figures[0].axes[0]
    assert texts(axes.get_legend().get_texts())[:2] == ["0.900  micro average", "0.000  class 0"]
    assert [line.get_color() for line in axes.lines] == [charts.INK, *charts.CURVES]
    assert axes.lines[0].get_linewidth() > 2 * axes.lines[1].get_linewidth()


def test_precision_recall_greys_all_but_the_ten_lowest_of_more_classes(figures, tmp_path):
    curves = [(f"class {i}", *curve(i / 20, (1, i / 20), (0, i / 20))) for i in range(19, 0, -1)]
    charts.precision_recall(tmp_path / "a.png", curves, curve(0.9))
    axes = figures[0].axes[0]
    expected = ["0.900  micro average", *(f"{i / 20:.3f}  class {i}" for i in range(1, 11))]
    assert texts(axes.get_legend().get_texts()) == expected
    assert "lowest 10 of 19 classes" in axes.get_legend().get_title().get_text()
    grey = [line.get_ydata()[0] for line in axes.lines if line.get_color() == charts.FAINT]
    assert sorted(grey) == [i / 20 for i in range(11, 20)]


@pytest.mark.parametrize("undefined", [float("nan"), None])
def test_precision_recall_leaves_out_a_class_without_average_precision(figures, tmp_path, undefined):
    nothing = np.full(3, np.nan)
    charts.precision_recall(tmp_path, [("none", nothing, nothing, undefined), ("known", *curve(0.5))], curve(0.9))
    assert texts(figures[0].axes[0].get_legend().get_texts()) == ["0.900  micro average", "0.500  known"]


def test_precision_recall_thins_millions_of_points_and_keeps_the_curve(figures, tmp_path):
    recall = np.linspace(1, 0, 2_000_001)
    charts.precision_recall(tmp_path, [], (1 - recall, recall, 0.5))
    assert figures[0].axes[0].lines[0].get_drawstyle() == "steps-post"  # as the average precision sums it
    drawn = figures[0].axes[0].lines[0].get_xydata()
    assert 1000 < len(drawn) < 4000
    np.testing.assert_allclose(drawn[:, 0] + drawn[:, 1], 1)
    assert np.abs(np.diff(drawn[:, 0])).max() < 0.002


def test_class_accuracy_sorts_the_best_to_the_top(tmp_path):
    recall, interval = np.array([0.25, 1.0, np.nan]), np.array([[0.25, 1.0, 0.0], [0.25, 1.0, 1.0]])
    charts.class_accuracy(tmp_path / "a.png", ["a", "b", "c"], recall, np.array([4, 8, 0]), interval)
    accent = (pixels(tmp_path / "a.png") == (0x0B, 0x72, 0x85)).all(axis=2).sum(axis=1).tolist()
    # But for the whisker's end, a bar is as long in all of its rows.
    lengths = [width for i, width in enumerate(accent) if width and abs(width - accent[i - 1]) > 3]
    # The first bar is the class at 100 % (5 inches at 120 dpi), the next a quarter of it; NaN has none.
    assert lengths == [pytest.approx(600, abs=3), pytest.approx(150, abs=3)]


def test_class_accuracy_draws_each_interval_over_its_bar(figures, tmp_path):
    recall, interval = np.array([0.25, np.nan, 0.75]), np.array([[0.125, 0.0, 0.5], [0.5, 1.0, 0.875]])
    charts.class_accuracy(tmp_path, ["a", "none", "b"], recall, np.array([4, 0, 8]), interval)
    (whiskers,) = figures[0].axes[0].collections
    spans = [[tuple(point) for point in line] for line in whiskers.get_segments()]
    assert spans == [[(0.5, 0), (0.875, 0)], [(0.125, 1), (0.5, 1)], [(0, 2), (0, 2)]]


def test_history_marks_phases_in_every_panel_and_accepts_gaps(figures, tmp_path):
    row = {"loss": 1.0, "accuracy": 0.5, "val_loss": None, "val_accuracy": None, "learning_rate": 1e-3}
    charts.history(tmp_path, [row | {"epoch": i, "phase": "frozen" if i < 3 else "full"} for i in (1, 2, 3)])
    panels = figures[0].axes
    assert [[list(line.get_xdata()) for line in axes.lines].count([2.5, 2.5]) for axes in panels] == [1, 1, 1]
    assert texts(panels[0].texts) == ["frozen", "full"]
    assert panels[2].get_yscale() == "log"
    draw_history(tmp_path, 1)
    assert [len(axes.lines) for axes in figures[1].axes] == [2, 2, 1], "one epoch has no change of phase"


def test_class_counts_sums_what_follows_the_fortieth_class(figures, tmp_path):
    sizes = {f"c{i}": i for i in range(43)}
    charts.class_counts(tmp_path / "a.png", {"all": dict(list(sizes.items())[:40]), "cut": sizes})
    everything, cut = figures[0].axes
    assert texts(everything.get_yticklabels()) == [f"c{i}" for i in range(39, -1, -1)]
    assert texts(cut.get_yticklabels()) == [*(f"c{i}" for i in range(42, 2, -1)), "3 more"]
    assert cut.patches[-1].get_width() == 0 + 1 + 2
    assert cut.patches[-1].get_facecolor() != cut.patches[0].get_facecolor()
    assert "43 classes" in cut.get_title(loc="left")


def test_dollars_in_names_are_not_read_as_mathematics(tmp_path):
    for number, name in enumerate((r"$\frac$ and more", r"\frac and more")):  # the first raises when it is
        charts.class_counts(tmp_path / f"{number}.png", {"price": {name: 3}})
    assert pixels(tmp_path / "0.png").shape[1] > pixels(tmp_path / "1.png").shape[1]


def test_contact_sheet_shows_the_given_pixels(tmp_path):
    images = [np.random.default_rng(i).integers(0, 256, (80, 60, 3), dtype=np.uint8) for i in range(5)]
    charts.contact_sheet(tmp_path / "sheet.png", images, ["caption"] * 5, columns=3)
    sheet = pixels(tmp_path / "sheet.png")
    assert sheet.shape[1] == MARGIN + 3 * (CELL + MARGIN)
    row_height = (sheet.shape[0] - MARGIN) // 2
    for place, image in enumerate(images):
        x, y = MARGIN + place % 3 * (CELL + MARGIN), MARGIN + place // 3 * row_height
        np.testing.assert_array_equal(sheet[y : y + 160 : 2, x : x + 120 : 2], image)
        np.testing.assert_array_equal(sheet[y + 1 : y + 160 : 2, x + 1 : x + 120 : 2], image)


def test_contact_sheet_does_not_enlarge_what_is_large(tmp_path):
    charts.contact_sheet(tmp_path / "sheet.png", [np.full((224, 200, 3), (250, 0, 120), np.uint8)], ["caption"])
    assert (pixels(tmp_path / "sheet.png") == (250, 0, 120)).all(axis=2).sum() == 224 * 200


def test_captions_stay_in_their_own_cell_and_on_three_lines(tmp_path):
    black = [np.zeros((80, 60, 3), np.uint8)] * 2
    long = "W" * 200
    charts.contact_sheet(tmp_path / "long.png", black, ["\n".join([long] * 9), ""], columns=2)
    charts.contact_sheet(tmp_path / "three.png", black, ["\n".join([long] * 3), ""], columns=2)
    sheet = pixels(tmp_path / "long.png")
    below = sheet[MARGIN + 160 :]
    assert (below[:, MARGIN : MARGIN + CELL] < 128).any(), "the caption is there"
    assert (below[:, MARGIN + CELL :] == 255).all(), "and leaves the neighbour's cell alone"
    assert (tmp_path / "long.png").read_bytes() == (tmp_path / "three.png").read_bytes()


@pytest.mark.parametrize("count", [1, 200])
def test_contact_sheet_of_one_and_of_two_hundred(tmp_path, count):
    images = [np.full((80, 60, 3), (10, 200, 30), np.uint8)] * count
    charts.contact_sheet(tmp_path / "sheet.png", images, ["id"] * count, title="Most confident mistakes")
    assert (pixels(tmp_path / "sheet.png") == (10, 200, 30)).all(axis=2).sum() == count * 160 * 120


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: charts.contact_sheet(path, [], []), "no images to draw"),
        (lambda path: charts.contact_sheet(path, [np.zeros((8, 6, 3), np.uint8)], []), "1 images, but 0 captions"),
        (lambda path: charts.contact_sheet(path, [np.zeros((8, 6, 3))], ["a"]), "image 0 must be uint8"),
        (lambda path: charts.contact_sheet(path, [np.zeros((8, 6), np.uint8)], ["a"]), r"got uint8 \[8, 6\]"),
        (lambda path: charts.history(path, []), "no epochs to draw"),
        (lambda path: charts.class_counts(path, {}), "no tasks to draw"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_no_file_is_made(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []
