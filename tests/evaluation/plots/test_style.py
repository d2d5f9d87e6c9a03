"""Every figure is one whole PNG, whatever it shows, and names its run, task and number of images."""

import errno
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from fashion_keras.evaluation.plots import bars, confusion, curves, embedding_map, style
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.curves import plot_history
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.evaluation.report import plot_gate
from tests.helpers.figures import lines_above, read_pixels

RUN = "runs/gender-vgg19-frozen-1"
DATA = "data/fashion-products"
RAMP = np.linspace(0, 1, 5)


def names(k):
    return [f"Perfume and Body Mist {i}" for i in range(k)]


def draw_confusion(path, k=4):
    confusion.plot_confusion(path, np.eye(k, dtype=int) * 9 + 1, names(k), "gender", RUN, data=DATA)


def draw_co_occurrence(path, k=4):
    confusion.plot_co_occurrence(path, np.eye(k, dtype=int) * 9 + 1, names(k), 44, RUN, data=DATA)


def draw_precision_recall(path, k=4):
    curves.plot_precision_recall(
        path, names(k), np.linspace(0, 1, k), (RAMP, RAMP[::-1], 0.5), "gender", RUN, 44, data=DATA
    )


def draw_class_accuracy(path, k=4):
    interval = np.tile([[0.0], [1.0]], k)
    bars.plot_class_accuracy(path, names(k), np.linspace(0, 1, k), np.arange(k), interval, "gender", RUN, data=DATA)


def draw_class_counts(path, k=4):
    bars.plot_class_counts(path, {"gender": dict(zip(names(k), range(k), strict=True))})


def draw_labels_per_image(path):
    bars.plot_labels_per_image(path, {"true": np.array([0, 30, 14])}, RUN, data=DATA)


def draw_history(path):
    row = {"loss": 1.0, "accuracy": 0.5, "val_loss": 2.0, "val_accuracy": 0.4, "learning_rate": 1e-3}
    plot_history(
        path,
        [row | {"epoch": i, "phase": "frozen" if i < 3 else "full"} for i in range(5)],
        "gender",
        RUN,
        44,
        data=DATA,
    )


def draw_reliability(path):
    curves.plot_reliability(
        path, "gender", np.array([4, 40]), np.array([0.4, 0.9]), np.array([0.5, 0.8]), 0.1, RUN, data=DATA
    )


def draw_coverage_risk(path):
    curves.plot_coverage_risk(path, [("gender", RAMP, RAMP / 2, 0.1)], RUN, 44, data=DATA)


def draw_conditions(path):
    row = {"products": 44, "accuracy": 0.5, "low": 0.4, "high": 0.6}
    rows = [row | {"condition": "reference"}, row | {"condition": "noise"}]
    bars.plot_accuracy_by_condition(path, {(RUN, "gender"): rows})


def draw_embedding_map(path):
    places = np.random.default_rng(0).random((9, 2))
    note = style.context("gender", RUN, 44, data=DATA)
    black = np.zeros((80, 60, 3), np.uint8)
    embedding_map.plot_embedding_map(path, places, ["a"] * 9, lambda _: black, 3, "Embeddings", note)


def draw_gate(path):
    plot_gate(path, [], ("a", RAMP, RAMP / 9, (0.5, 0.05)), ("b", RAMP, RAMP / 99, (0.5, 0.005)), RUN, 44, data=DATA)


def draw_contact_sheet(path, k=4):
    contact_sheet(path, [np.zeros((80, 60, 3), np.uint8)] * k, names(k), title="Mistakes", note="run a")


WITH_CLASSES = [draw_confusion, draw_co_occurrence, draw_class_accuracy, draw_precision_recall]
OF_A_RUN = [
    *WITH_CLASSES, draw_labels_per_image, draw_history, draw_reliability, draw_coverage_risk, draw_embedding_map,
    draw_gate,
]  # fmt: skip
ALL = [*OF_A_RUN, draw_class_counts, draw_conditions, draw_contact_sheet]
SAVERS = [(draw_confusion, "matplotlib.figure.Figure.savefig"), (draw_contact_sheet, "PIL.Image.Image.save")]


@pytest.mark.parametrize("draw", ALL)
def test_figure_is_one_whole_file_with_a_white_border(draw, tmp_path):
    draw(tmp_path / "made" / "figure.png")
    image = read_pixels(tmp_path / "made" / "figure.png")
    assert min(image.shape[:2]) > 80
    edges = image[:8], image[:, :8]
    assert all((edge == 255).all() for edge in edges), "nothing is cut off at the top or on the left"
    assert np.unique(image.reshape(-1, 3), axis=0).shape[0] > 2
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["figure.png"]


@pytest.mark.parametrize("draw", OF_A_RUN)
def test_title_names_run_data_and_number_of_images(draw, figures, tmp_path):
    draw(tmp_path)
    title, context, *captions = lines_above(figures[0].axes[0])
    assert title
    assert "run gender-vgg19-frozen-1" in context
    assert "data fashion-products" in context
    expected = {draw_confusion: 52, draw_class_accuracy: 0 + 1 + 2 + 3}.get(draw, 44)
    assert f"{expected} images" in context
    assert captions, "a caption says what to look for"


@pytest.mark.parametrize("draw", WITH_CLASSES)
def test_figure_of_a_hundred_classes_fits_a_page(draw, tmp_path):
    draw(tmp_path / "100.png", 100)
    height, width = read_pixels(tmp_path / "100.png").shape[:2]
    assert height < 1500
    assert width < 2000
    assert 0.5 < width / height < 3.1


@pytest.mark.parametrize(("draw", "method"), SAVERS)
def test_save_that_fails_half_way_leaves_the_old_file(draw, method, tmp_path, monkeypatch):
    def fail_half_way(_, temporary, **__):
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(method, fail_half_way)
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


def test_short_name_escapes_dollars_that_would_be_read_as_mathematics(tmp_path):
    for number, name in enumerate((r"$\frac$ and more", r"\frac and more")):  # the first raises when it is
        bars.plot_class_counts(tmp_path / f"{number}.png", {"price": {name: 3}})
    assert style.short_name("$5 off") == r"\$5 off"


def test_curve_styles_of_neighbors_differ_in_color_and_dashes():
    lines = style.curve_styles(12)
    assert len({line["color"] for line in lines}) == 12
    for here, there in pairwise(lines):
        assert here["linestyle"] != there["linestyle"]
    with pytest.raises(InputError, match="13 curves, but there are colors for 12"):
        style.curve_styles(13)


def test_context_leaves_out_what_is_not_given():
    assert style.context() == ""
    assert style.context("gender", images=0) == "task gender  ·  0 images"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plot_history(path, []), "no epochs to draw"),
        (lambda path: bars.plot_class_counts(path, {}), "no tasks to draw"),
        (lambda path: bars.plot_labels_per_image(path, {}), "no parts to draw"),
        (lambda path: bars.plot_labels_per_image(path, {name: [1] for name in "abcd"}), "4 parts, but .* for 3"),
        (lambda path: confusion.plot_co_occurrence(path, np.zeros((0, 0)), []), "no labels to draw"),
        (lambda path: curves.plot_reliability(path, "gender", [], [], [], 0.0), "no bins to draw"),
        (lambda path: curves.plot_coverage_risk(path, []), "no curves to draw"),
        (lambda path: curves.plot_coverage_risk(path, [("a", RAMP, RAMP, 0.1)] * 13), "13 curves, but .* for 12"),
        (lambda path: bars.plot_accuracy_by_condition(path, {}), "no conditions to draw"),
        (lambda path: contact_sheet(path, [], []), "no images to draw"),
        (lambda path: contact_sheet(path, [np.zeros((8, 6, 3), np.uint8)], []), "1 images, but 0 captions"),
        (lambda path: contact_sheet(path, [np.zeros((8, 6, 3))], ["a"]), "image 0 must be uint8"),
        (lambda path: contact_sheet(path, [np.zeros((8, 6), np.uint8)], ["a"]), r"got uint8 \[8, 6\]"),
    ],
)
def test_values_that_cannot_be_drawn_are_refused_and_no_file_is_made(tmp_path, call, message):
    with pytest.raises(InputError, match=message):
        call(tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []
