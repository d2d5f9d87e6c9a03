"""Splits that years, a file or the catalog name."""

import csv

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_keras.catalog.fixed_splits import check_recipe, fixed_parts, write_split
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import split_fixed
from fashion_keras.support.errors import InputError


@pytest.fixture
def catalog(tmp_path):
    """Ten products, two of a year, 2010 to 2014; SKU "0" has two images; the last has no year."""
    for number in range(10):
        Image.new("RGB", (4, 6)).save(tmp_path / f"{number}.jpg")
    skus = ["0", "0", *map(str, range(2, 10))]
    years = [2010, 2010, 2011, 2011, 2012, 2012, 2013, 2013, 2014, None]
    parts = ["train"] * 6 + ["test"] * 3 + ["Val"]
    frame = pd.DataFrame({"sku": skus, "image": [f"{n}.jpg" for n in range(10)], "year": years, "split": parts})
    return read_catalog(frame, images=tmp_path)


def test_fixed_parts_of_even_years_are_trained_on(catalog):
    assert fixed_parts(catalog, "year").tolist() == ["train"] * 2 + ["test"] * 2 + ["train"] * 2 + ["test"] * 2 + [
        "train", "train"
    ]  # fmt: skip


def test_fixed_parts_from_a_year_on_are_tested(catalog):
    assert np.flatnonzero(fixed_parts(catalog, "year:2013") == "test").tolist() == [6, 7, 8]


def test_fixed_parts_given_by_the_catalog(catalog):
    assert fixed_parts(catalog, "given").tolist() == ["train"] * 6 + ["test"] * 3 + ["validation"]


def test_fixed_parts_of_a_file_leave_others_without_a_part(catalog, tmp_path):
    path = tmp_path / "parts.csv"
    path.write_text("SKU;Part\n0;train\n2;TEST\n3;val\n")
    assert fixed_parts(catalog, str(path)).tolist() == ["train", "train", "test", "validation"] + [""] * 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sku,part\n0,train\n0,test\n", "a product stands in two parts"),
        ("sku,part\n0,trian\n", "unknown part .*'trian'; did you mean 'train'"),
        ("sku,fold\n0,1\n", "expected the columns sku"),
    ],
)
def test_fixed_parts_refuses_a_file_that_is_no_split(catalog, tmp_path, text, message):
    (tmp_path / "parts.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        fixed_parts(catalog, str(tmp_path / "parts.csv"))


@pytest.mark.parametrize(("recipe", "message"), [("yaer", "did you mean 'year'"), ("none.csv", "no such file")])
def test_check_recipe_refuses_an_unknown_split(recipe, message):
    with pytest.raises(InputError, match=message):
        check_recipe(recipe)


def test_split_fixed_takes_validation_from_the_training_products():
    parts = np.array(["train"] * 80 + ["test"] * 20)
    hashes = np.array([f"{row // 2:016x}" for row in range(100)])
    result = split_fixed(parts, np.arange(100) % 2, hashes, ("a", "b"), "year", 0)
    assert result.test.tolist() == list(range(80, 100))
    assert sorted([*result.train, *result.validation]) == list(range(80))
    assert 8 <= len(result.validation) <= 24
    assert not set(hashes[result.train]) & set(hashes[result.validation])


def test_split_fixed_leaves_out_rows_without_a_part():
    parts = np.array(["train", "", "validation", "test", "train"])
    result = split_fixed(parts, np.zeros(5, int), np.array(list("abcde")), ("a",), "parts.csv", 3)
    assert [rows.tolist() for rows in result.rows.values()] == [[0, 4], [2], [3]]
    assert (result.recipe, result.seed) == ("parts.csv", 3)


def test_split_fixed_draws_validation_by_the_seed():
    parts = np.array(["train"] * 80 + ["test"] * 20)
    hashes = np.array([f"{row:016x}" for row in range(100)])
    first, again, other = (
        split_fixed(parts, np.zeros(100, int), hashes, ("a",), "year", seed).validation.tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("missing", ["train", "test"])
def test_split_fixed_refuses_an_empty_part(missing):
    parts = np.array([part for part in ("train", "test") if part != missing] * 4)
    with pytest.raises(InputError, match=f"no image is in the {missing} part"):
        split_fixed(parts, np.zeros(4, int), np.array(list("abcd")), ("a",), "given", 0)


def test_write_split_is_read_back_as_the_same_split(catalog, tmp_path):
    parts = fixed_parts(catalog, "given")
    groups = catalog.product_groups
    result = split_fixed(parts, np.zeros(10, int), groups, ("a",), "given", 0)
    write_split(tmp_path, catalog, result.rows)
    with (tmp_path / "split.csv").open(newline="") as file:
        assert next(csv.DictReader(file)) == {"sku": "0", "image_id": "0:0", "part": "train"}
    assert fixed_parts(catalog, str(tmp_path / "split.csv")).tolist() == parts.tolist()
