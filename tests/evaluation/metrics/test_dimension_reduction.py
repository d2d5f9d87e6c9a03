"""Vectors on paper: where they lie, which thumbnails are shown, and what the figure says."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.offsetbox import AnnotationBbox

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.evaluation.metrics.dimension_reduction import non_overlapping, project
from fashion_keras.evaluation.plots import projection
from fashion_keras.evaluation.plots.style import CURVES, FAINT
from fashion_keras.support.errors import InputError


@pytest.fixture
def figures(monkeypatch):
    saved = []
    monkeypatch.setattr(projection.style, "save", lambda figure, _: saved.append(figure))
    return saved


def clusters(size, d=8):
    """Three groups of vectors of length 1 about three axes."""
    vectors = np.repeat(np.eye(3, d), size, axis=0) + np.random.default_rng(0).normal(0, 0.05, (3 * size, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_project_principal_components_by_hand():
    # Variances 2/3 * 9, 2/3 * 1 and 0 along three axes: the first two hold all, the order is by size.
    vectors = np.array([[0, 3, 5], [0, -3, 5], [1, 0, 5], [-1, 0, 5]], np.float32)
    projection = project(vectors)
    np.testing.assert_allclose(np.abs(projection.places), [[3, 0], [3, 0], [0, 1], [0, 1]], atol=1e-6)
    assert projection.explained_variance == pytest.approx(1)


def test_project_explained_variance_is_a_share():
    vectors = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.5], [0, 0, -0.5]])
    assert project(vectors).explained_variance == pytest.approx((8 + 2) / (8 + 2 + 0.5))


@pytest.mark.parametrize("size", [1, 8])
def test_project_tsne_preserves_neighbors_and_is_deterministic(size):
    vectors = clusters(size)
    first, second = (project(vectors, "tsne").places for _ in range(2))
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()
    if size > 1:
        distances = np.linalg.norm(first[:, None] - first, axis=2) + np.diag(np.full(len(first), np.inf))
        assert (distances.argmin(axis=1) // size == np.arange(len(first)) // size).all()


@pytest.mark.parametrize(
    ("vectors", "method", "message"),
    [
        (np.eye(4), "umap", "unknown method 'umap'. Known: pca, tsne"),
        (np.eye(2), "pca", "at least 3 products, not 2"),
        (np.ones((5, 4)), "tsne", "all 5 products are equal"),
    ],
)
def test_project_refuses_features_that_cannot_be_mapped(vectors, method, message):
    with pytest.raises(InputError, match=message):
        project(vectors, method)


def test_non_overlapping_boxes_fill_the_plane():
    places = np.random.default_rng(0).random((500, 2)) * 10
    chosen = non_overlapping(places, 1, 2, 999)

    def overlap(a, b):
        return abs(places[a, 0] - places[b, 0]) < 1 and abs(places[a, 1] - places[b, 1]) < 2

    assert not any(overlap(a, b) for a, b in combinations(chosen, 2))
    assert all(any(overlap(row, other) for other in chosen) for row in range(500))
    assert non_overlapping(places, 1, 2, 7) == chosen[:7]
    assert non_overlapping(places, 1, 2, 0) == []


def test_embedding_map_names_twelve_labels_and_the_rest_as_other(figures, tmp_path):
    names = [f"label {i:02}" for i in range(14)]
    labels = [name for i, name in enumerate(names) for _ in range(20 - i)] + ["", ""]
    places = np.random.default_rng(0).random((len(labels), 2))
    projection.embedding_map(tmp_path, places, labels, lambda _: np.zeros((80, 60, 3), np.uint8), 10, "a map")
    axes = figures[0].axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == [*(f"label {i:02}  {20 - i}" for i in range(12)), f"other  {8 + 7 + 2}"]
    assert [len(points.get_offsets()) for points in axes.collections] == [*range(20, 8, -1), 17]
    assert len([artist for artist in axes.artists if isinstance(artist, AnnotationBbox)]) == 10


def test_embedding_map_frames_a_thumbnail_in_its_labels_color(figures, tmp_path):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    shown = {row: np.full((80, 60, 3), row, np.uint8) for row in range(3)}
    projection.embedding_map(tmp_path, places, ["a", "a", ""], shown.get, 3, "a map")
    boxes = {int(box.offsetbox.get_data()[0, 0, 0]): box for box in figures[0].axes[0].artists}
    frames = {row: box.patch.get_edgecolor() for row, box in boxes.items()}
    assert frames[0] == frames[1] == to_rgba(CURVES[0])
    assert frames[2] == to_rgba(FAINT)
    assert {row: tuple(box.xy) for row, box in boxes.items()} == {0: (0, 0), 1: (10, 0), 2: (0, 10)}


def test_embedding_map_draws_color_labels_in_their_color(figures, tmp_path):
    labels = ["Navy Blue", "White", "White", "Octarine", ""]
    places = np.random.default_rng(0).random((5, 2))
    projection.embedding_map(tmp_path, places, labels, lambda _: None, 0, "a map", colours=True)
    axes = figures[0].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["White  2", "Navy Blue  1", "other  2"]
    white, navy, other = (points.get_facecolor()[0][:3] for points in axes.collections)
    assert white.tolist() == [1, 1, 1]
    assert navy[2] > 2 * max(navy[:2])
    assert tuple(other) == to_rgba(FAINT)[:3]
    assert max(axes.collections[0].get_edgecolor()[0][:3]) < 0.7, "white has an edge"


def test_embedding_map_has_a_color_for_every_color_of_the_catalogues(real):
    named = set(read_catalog(real).columns["base_colour"].tolist()) - {"", "NA"}
    assert named <= set(projection.LABEL_COLORS)
    assert len({to_rgba(colour) for colour in projection.LABEL_COLORS.values()}) == len(projection.LABEL_COLORS)
    assert FAINT not in projection.LABEL_COLORS.values()
