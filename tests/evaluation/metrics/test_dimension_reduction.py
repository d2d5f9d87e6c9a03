"""Projections to two dimensions, and which thumbnails fit without overlap."""

from itertools import combinations

import numpy as np
import pytest

from fashion_keras.evaluation.metrics.dimension_reduction import non_overlapping, project
from fashion_keras.support.errors import InputError


def clusters(size, d=8):
    """Three groups of vectors of length 1 about three axes."""
    vectors = np.repeat(np.eye(3, d), size, axis=0) + np.random.default_rng(0).normal(0, 0.05, (3 * size, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_principal_components_by_hand():
    # Variances 2/3 * 9, 2/3 * 1 and 0 along three axes: the first two hold all, the order is by size.
    vectors = np.array([[0, 3, 5], [0, -3, 5], [1, 0, 5], [-1, 0, 5]], np.float32)
    projection = project(vectors)
    np.testing.assert_allclose(np.abs(projection.places), [[3, 0], [3, 0], [0, 1], [0, 1]], atol=1e-6)
    assert projection.explained_variance == pytest.approx(1)


def test_kept_is_the_share_of_the_variance():
    vectors = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.5], [0, 0, -0.5]])
    assert project(vectors).explained_variance == pytest.approx((8 + 2) / (8 + 2 + 0.5))


@pytest.mark.parametrize("size", [1, 8])
def test_tsne_keeps_neighbours_and_says_the_same_twice(size):
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
def test_what_cannot_be_mapped(vectors, method, message):
    with pytest.raises(InputError, match=message):
        project(vectors, method)


def test_thumbnails_do_not_overlap_and_none_is_left_out_that_fits():
    places = np.random.default_rng(0).random((500, 2)) * 10
    chosen = non_overlapping(places, 1, 2, 999)

    def overlap(a, b):
        return abs(places[a, 0] - places[b, 0]) < 1 and abs(places[a, 1] - places[b, 1]) < 2

    assert not any(overlap(a, b) for a, b in combinations(chosen, 2))
    assert all(any(overlap(row, other) for other in chosen) for row in range(500))
    assert non_overlapping(places, 1, 2, 7) == chosen[:7]
    assert non_overlapping(places, 1, 2, 0) == []
