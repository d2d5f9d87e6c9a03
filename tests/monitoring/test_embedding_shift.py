"""Outliers and near-duplicates: nearest reference images against brute force, shares by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fashion_keras.monitoring import embedding_shift
from fashion_keras.monitoring.embedding_shift import draw_sample, outlier_share, search_reference
from fashion_keras.monitoring.measurement import NotMeasuredError
from fashion_keras.monitoring.side import load_side, pair_products
from tests.helpers.drift_sides import directions, make_index, records


@pytest.fixture
def sides(tmp_path):
    """Two sides; the first three new products are reference products, with the same images."""
    embeddings = directions(90, 2)
    embeddings[:3] = directions(120, 1)[:3]
    places = [
        make_index(tmp_path / "reference", records(directions(120, 1), ("Men",), first=0)),
        make_index(tmp_path / "new", records(embeddings, ("Men",), first=0)),
    ]
    return pair_products(*map(load_side, places))


def test_nearest_images_are_those_of_brute_force(sides, monkeypatch):
    monkeypatch.setattr(embedding_shift, "_QUERIES", 7)
    samples = [draw_sample(side, 1000, 0) for side in sides]
    of_reference, of_new = search_reference(sides[0], samples)
    reference, new = samples[0].embeddings, samples[1].embeddings
    for queries, result in ((reference, of_reference), (new, of_new)):
        cosines = queries @ reference.T
        duplicate = cosines.max(axis=1) >= 0.99
        cosines[np.arange(len(queries)), np.arange(len(queries))] = -1  # the same product
        np.testing.assert_allclose(result.nearest, cosines.max(axis=1), atol=1e-6)
        np.testing.assert_array_equal(result.is_duplicate, duplicate)
    assert of_new.is_duplicate[:3].all()


def test_a_sample_holds_whole_products_and_its_own_embeddings(sides):
    sample = draw_sample(sides[0], 40, 0)
    assert 40 <= len(sample.products) <= 42
    rows = np.searchsorted(sides[0].products[np.argsort(sides[0].products)], sample.products)
    every = sides[0].gather(np.arange(120)).embeddings[np.argsort(sides[0].products)]
    np.testing.assert_array_equal(sample.embeddings, every[rows])


def test_outlier_share_by_hand():
    share = outlier_share(np.arange(101.0), np.array([94.0, 95.0] * 20 + [95.5, 200.0] * 5), "outlier_score")
    interval = binomtest(10, 50).proportion_ci(0.95, method="exact")
    assert (share.threshold, share.share) == (95, 0.2)
    assert share.share_ci95 == pytest.approx((interval.low, interval.high))


def test_outliers_need_products_of_either_side():
    with pytest.raises(NotMeasuredError, match="29 reference and 100 new products; 30 of each are needed"):
        outlier_share(np.arange(29.0), np.arange(100.0), "outlier_score")
