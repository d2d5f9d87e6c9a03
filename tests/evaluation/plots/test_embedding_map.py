"""A map of embeddings names labels by color, and puts thumbnails at their places."""

from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.offsetbox import AnnotationBbox

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.evaluation.plots.embedding_map import LABEL_COLORS, non_overlapping, plot_embedding_map
from fashion_keras.evaluation.plots.style import CURVES, FAINT
from tests.helpers.figures import lines_above, texts


def test_embedding_map_names_twelve_labels_and_the_rest_as_other(figures, tmp_path):
    names = [f"label {i:02}" for i in range(14)]
    labels = [name for i, name in enumerate(names) for _ in range(20 - i)] + ["", ""]
    places = np.random.default_rng(0).random((len(labels), 2))
    black = np.zeros((80, 60, 3), np.uint8)
    plot_embedding_map(tmp_path, places, labels, lambda _: black, 10, "a map", "189 images")
    axes = figures[0].axes[0]
    expected = [*(f"label {i:02}  {20 - i}" for i in range(12)), f"other  {8 + 7 + 2}"]
    assert texts(axes.get_legend().get_texts()) == expected
    assert [len(points.get_offsets()) for points in axes.collections] == [*range(20, 8, -1), 17]
    assert len([artist for artist in axes.artists if isinstance(artist, AnnotationBbox)]) == 10
    assert lines_above(axes)[:2] == ["a map", "189 images"]


def test_embedding_map_frames_a_thumbnail_in_its_labels_color_at_its_place(figures, tmp_path):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    shown = {row: np.full((80, 60, 3), row, np.uint8) for row in range(3)}
    plot_embedding_map(tmp_path, places, ["a", "a", ""], shown.get, 3, "a map")
    boxes = {int(box.offsetbox.get_data()[0, 0, 0]): box for box in figures[0].axes[0].artists}
    frames = {row: box.patch.get_edgecolor() for row, box in boxes.items()}
    assert frames[0] == frames[1] == to_rgba(CURVES[0])
    assert frames[2] == to_rgba(FAINT)
    assert {row: tuple(box.xy) for row, box in boxes.items()} == {0: (0, 0), 1: (10, 0), 2: (0, 10)}


def test_embedding_map_draws_names_of_colors_in_their_color(figures, tmp_path):
    labels = ["Navy Blue", "White", "White", "Octarine", ""]
    places = np.random.default_rng(0).random((5, 2))
    plot_embedding_map(tmp_path, places, labels, lambda _: None, 0, "a map", label_colors=True)
    axes = figures[0].axes[0]
    assert texts(axes.get_legend().get_texts()) == ["White  2", "Navy Blue  1", "other  2"]
    white, navy, other = (points.get_facecolor()[0][:3] for points in axes.collections)
    assert white.tolist() == [1, 1, 1]
    assert navy[2] > 2 * max(navy[:2])
    assert tuple(other) == to_rgba(FAINT)[:3]
    assert max(axes.collections[0].get_edgecolor()[0][:3]) < 0.7, "white has an edge"


def test_label_colors_has_a_color_for_every_name_in_the_sets(real):
    named = set(read_catalog(real).columns["base_colour"].tolist()) - {"", "NA"}
    assert named <= set(LABEL_COLORS)
    assert len({to_rgba(color) for color in LABEL_COLORS.values()}) == len(LABEL_COLORS)
    assert FAINT not in LABEL_COLORS.values()


def test_thumbnails_do_not_overlap_and_none_is_left_out_that_fits():
    places = np.random.default_rng(0).random((500, 2)) * 10
    chosen = non_overlapping(places, 1, 2, 999)

    def overlap(a, b):
        return abs(places[a, 0] - places[b, 0]) < 1 and abs(places[a, 1] - places[b, 1]) < 2

    assert not any(overlap(a, b) for a, b in combinations(chosen, 2))
    assert all(any(overlap(row, other) for other in chosen) for row in range(500))
    assert non_overlapping(places, 1, 2, 7) == chosen[:7]
    assert non_overlapping(places, 1, 2, 0) == []
