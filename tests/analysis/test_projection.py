"""fashion-keras map: a figure and a table of the same products."""

import csv
import json

import numpy as np
import pytest

from fashion_keras.analysis.projection import draw_map, project
from fashion_keras.analysis.retrieval_comparison import cached_features, load_part
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.features.registry import DEFAULT_ENCODER
from fashion_keras.support.errors import InputError
from tests.helpers.cli import run_cli


@pytest.mark.slow
def test_map_table_holds_the_products_of_the_figure(sample, run, tmp_path):
    figure = tmp_path / "a.png"
    flags = ["--out", figure, "--label", "gender", "--part", run.folder, "--limit", 40, "--thumbnails", 5]
    result = run_cli("map", "--data", sample, *flags, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert figure.read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader(figure.with_suffix(".csv").open()))
    part = load_part(str(sample), str(run.folder), frozenset())
    assert report["products"] == len(rows)
    assert len(rows) == pytest.approx(40, abs=5)
    assert report["products"] + report["beyond_limit"] == len(part.catalog) == run.report.counts["test"]
    assert report["rejected"] == part.rejected
    catalog = read_catalog(sample)
    genders = dict(zip(catalog.image_ids.tolist(), catalog.columns["gender"].tolist(), strict=True))
    assert all(genders[row["id"]] == row["label"] for row in rows)
    # The two axes are the directions of the largest variance, whatever their sign.
    drawn = np.flatnonzero(np.isin(part.catalog.image_ids, [row["id"] for row in rows]))
    embeddings = cached_features(part.catalog.take(drawn), DEFAULT_ENCODER, "auto")
    _, spans, _ = np.linalg.svd(embeddings - embeddings.mean(axis=0), full_matrices=False)
    places = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    np.testing.assert_allclose(np.linalg.norm(places, axis=0), spans[:2], rtol=1e-4)
    assert report["explained_variance"] == pytest.approx((spans[:2] ** 2).sum() / (spans**2).sum(), rel=1e-4)


def test_map_command_prints_the_explained_variance(sample, tmp_path):
    result = run_cli("map", "--data", sample, "--out", tmp_path / "a.png", "--limit", 30)
    printed = dict(line.rsplit(maxsplit=1) for line in result.stdout.splitlines())
    assert 0 < float(printed["explained variance"]) < 1
    products = int(printed["products"]) + int(printed["beyond limit"])
    assert products + int(printed["rejected"]) == read_catalog(sample).inputs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "umap"}, "unknown --method 'umap'"),
        ({"out": "map.csv"}, "map.csv: the figure is a PNG file"),
        ({"limit": 0}, "--limit must be a whole number at least 1"),
        ({"thumbnails": -1}, "--thumbnails must be a whole number at least 0"),
        ({"part": "held"}, "unknown part 'held'; did you mean 'held_out'"),
        ({"part": "RUN"}, "unknown part 'RUN'. Known: held_out, all, or a run's folder"),
        ({"label": "base_colr"}, "unknown label 'base_colr'; did you mean 'base_colour'"),
        ({"encoder": "fashion_smal"}, "did you mean 'fashion_small'"),
        ({"methd": "pca"}, "unknown config key 'methd'; did you mean 'method'"),
    ],
)
def test_map_refuses(sample, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        draw_map({"data": sample, "out": tmp_path / "map.png", **options})
    assert not list(tmp_path.iterdir())


def clusters(size, d=8):
    """Three groups of vectors of length 1 about three axes."""
    vectors = np.repeat(np.eye(3, d), size, axis=0) + np.random.default_rng(0).normal(0, 0.05, (3 * size, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_principal_components_by_hand():
    # Variances 2/3 * 9, 2/3 * 1 and 0 along three axes: the first two hold all, the order is by size.
    vectors = np.array([[0, 3, 5], [0, -3, 5], [1, 0, 5], [-1, 0, 5]], np.float32)
    places, explained = project(vectors)
    np.testing.assert_allclose(np.abs(places), [[3, 0], [3, 0], [0, 1], [0, 1]], atol=1e-6)
    assert explained == pytest.approx(1)


def test_kept_is_the_share_of_the_variance():
    vectors = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.5], [0, 0, -0.5]])
    assert project(vectors)[1] == pytest.approx((8 + 2) / (8 + 2 + 0.5))


@pytest.mark.parametrize("size", [1, 8])
def test_tsne_keeps_neighbours_and_says_the_same_twice(size):
    vectors = clusters(size)
    first, second = (project(vectors, "tsne")[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()
    if size > 1:
        distances = np.linalg.norm(first[:, None] - first, axis=2) + np.diag(np.full(len(first), np.inf))
        assert (distances.argmin(axis=1) // size == np.arange(len(first)) // size).all()


@pytest.mark.parametrize(
    ("vectors", "method", "message"),
    [
        (np.eye(2), "pca", "at least 3 products, not 2"),
        (np.ones((5, 4)), "tsne", "all 5 products are equal"),
    ],
)
def test_what_cannot_be_mapped(vectors, method, message):
    with pytest.raises(InputError, match=message):
        project(vectors, method)
