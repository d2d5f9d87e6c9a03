"""Test subset: a run's test products are known again after changes of the catalog, and so are its training ones."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fashion_keras.analysis.evaluation_subset import select_rows
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.images.validation import image_hashes
from fashion_keras.support.errors import InputError
from fashion_keras.training.manifests import RunManifest
from tests.helpers.catalogs import write_catalog

TITLES = {number: f"Product {number}" for number in range(1, 121)}


def write_images(folder, titles):
    """A catalog with a different image for each product."""
    write_catalog(folder, titles)
    for number in titles:
        Image.new("RGB", (4, 6), (number % 256, number // 256, 7)).save(folder / "images" / f"{number}.jpg", "PNG")
    return folder


@pytest.fixture
def data(tmp_path):
    return write_images(tmp_path / "data", TITLES)


@pytest.fixture
def manifest(data):
    """Of a run with 72 training, 24 validation and 24 test products."""
    catalog = read_catalog(data)
    rows = {"train": np.arange(72), "validation": np.arange(72, 96), "test": np.arange(96, 120)}
    products, images = product_hashes(catalog), image_hashes(catalog.paths)
    return RunManifest(
        data=str(data),
        fingerprint=catalog.fingerprint,
        weights={"source": "none", "warning": ""},
        train_counts={},
        known={},
        parts={name: catalog.ids[part].tolist() for name, part in rows.items()},
        part_hashes={name: products[part].tolist() for name, part in rows.items()},
        image_hashes={name: images[part].tolist() for name, part in rows.items()},
    )


@pytest.mark.parametrize("change", [{5: "Another title"}, {121: "A new product"}, {}])
def test_select_rows_keeps_the_test_products_when_other_rows_change(manifest, tmp_path, change):
    catalog = read_catalog(write_images(tmp_path / "changed", TITLES | change))
    subset = select_rows(catalog, manifest)
    assert catalog.ids[subset.rows].tolist() == manifest.parts["test"]
    assert (subset.part, subset.test_products_missing, subset.trained_on_left_out) == ("test", 0, 0)


def test_select_rows_counts_missing_test_products(manifest, tmp_path):
    catalog = read_catalog(write_images(tmp_path / "changed", TITLES | {120: "Another title"}))
    subset = select_rows(catalog, manifest)
    assert (subset.part, len(subset.rows), subset.test_products_missing) == ("test", 23, 1)


def test_select_rows_of_all_leaves_out_what_the_run_was_trained_on(data, manifest):
    subset = select_rows(read_catalog(data), manifest, "all")
    assert (subset.part, subset.trained_on_left_out) == ("all", 96)
    assert read_catalog(data).ids[subset.rows].tolist() == manifest.parts["test"]


def test_select_rows_of_another_catalog_knows_products_by_title_and_by_image(data, manifest, tmp_path):
    # Other ids: 500 has the title of a training product, 501 the image of one, 502 is new.
    other = write_images(tmp_path / "other", {500: "product 7!", 501: "New", 502: "Newer"})
    shutil.copy(data / "images" / "8.jpg", other / "images" / "501.jpg")
    catalog = read_catalog(other)
    subset = select_rows(catalog, manifest)
    assert (subset.part, subset.trained_on_left_out) == ("all", 2)
    assert catalog.ids[subset.rows].tolist() == [502]
    with pytest.raises(InputError, match="none of the 24 products of its test part"):
        select_rows(catalog, manifest, "test")


def test_select_rows_does_not_take_an_equal_id_for_the_same_product(manifest, tmp_path):
    # No titles: the product hash is that of the id, which says nothing across catalogs.
    catalog = read_catalog(write_images(tmp_path / "other", {number + 1000: "" for number in range(1, 121)}))
    catalog = type(catalog)(**{**vars(catalog), "ids": catalog.ids - 1000})
    subset = select_rows(catalog, manifest)
    assert (subset.part, len(subset.rows), subset.trained_on_left_out) == ("all", 120, 0)
