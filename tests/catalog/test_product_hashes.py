"""Product hashes: the same product has the same hash in every catalog."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import fashion_keras
from fashion_keras.catalog.product_hashes import (
    TRAINING_PRODUCTS,
    connect_groups,
    group_products,
    is_training_product,
    read_training_products,
    uniform_numbers,
    write_training_products,
)
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.support.errors import InputError
from tests.helpers.catalogs import write_catalog

HASH = "0123456789abcdef"


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_group_products_hashes_the_normalized_title_or_the_sku(tmp_path):
    titles = {7: "Puma Men  Shoe", 8: "puma MEN_shoe!", 9: "", 10: "!?"}
    catalog = read_catalog(write_catalog(tmp_path, titles))
    expected = [sha("puma men shoe"), sha("puma men shoe"), sha("id:9"), sha("id:10")]
    assert catalog.product_groups.tolist() == expected


def test_group_products_joins_equal_skus_and_equal_titles():
    groups = group_products(["1", "1", "2", "3", "4"], ["b", "a", "b", "", "c"]).tolist()
    assert groups == [sha("a")] * 3 + [sha("id:3"), sha("c")]


def test_group_products_of_a_folder_per_class_are_those_of_its_paths(tmp_path):
    (tmp_path / "Tops").mkdir()
    (tmp_path / "Tops" / "a.jpg").write_bytes(b"x")
    assert read_catalog(tmp_path).product_groups.tolist() == [sha("id:Tops/a.jpg")]


def test_connect_groups_joins_the_products_of_pairs(tmp_path):
    catalog = read_catalog(write_catalog(tmp_path, {1: "a", 2: "b", 3: "c", 4: "d"}))
    joined = connect_groups(catalog, np.array([[0, 1], [1, 3]])).product_groups.tolist()
    assert joined == [min(sha("a"), sha("b"), sha("d"))] * 2 + [sha("c"), joined[0]]


def test_uniform_numbers_are_uniform_and_independent():
    hashes = [sha(str(number)) for number in range(20_000)]
    first, second = uniform_numbers(hashes, 0, "split"), uniform_numbers(hashes, 0, "sample")
    assert first.min() >= 0 and first.max() < 1
    assert np.histogram(first, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    for other in (second, uniform_numbers(hashes, 1, "split")):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.03
    assert uniform_numbers(hashes[5:7], 0, "split").tolist() == first[5:7].tolist()


def test_is_training_product_marks_rows_in_any_order(tmp_path):
    catalog = read_catalog(write_catalog(tmp_path, {1: "a", 2: "b", 3: "A!", 4: ""}))
    assert is_training_product(catalog, {sha("a"), sha("z")}).tolist() == [True, False, True, False]
    assert is_training_product(catalog, ()).tolist() == [False] * 4


def test_training_products_are_written_sorted_and_read_back(tmp_path):
    write_training_products(tmp_path, np.array(["f" * 16, HASH, HASH]))
    assert (tmp_path / TRAINING_PRODUCTS).read_text() == f"{HASH}\n{'f' * 16}\n"
    assert read_training_products(tmp_path) == {HASH, "f" * 16}


@pytest.mark.parametrize(
    "content", [f"{HASH}\n{HASH[:-1]}\n", f"{HASH}\n\n", f"{HASH}\n\udcff".encode("utf-8", "surrogateescape")]
)
def test_read_training_products_names_the_bad_line(tmp_path, content):
    (tmp_path / TRAINING_PRODUCTS).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"{TRAINING_PRODUCTS}:2: .* is not a product hash"):
        read_training_products(tmp_path)


def test_read_training_products_refuses_a_folder_without(tmp_path):
    with pytest.raises(InputError, match="not known which products the model was trained on"):
        read_training_products(tmp_path)


def test_training_products_of_fashion_small_are_in_the_real_catalog(real):
    folder = Path(fashion_keras.__file__).parent / "models" / "bundled" / "fashion_small"
    catalog = read_catalog(real)
    hashes = read_training_products(folder)
    overlap = is_training_product(catalog, hashes)
    assert (len(hashes), int(overlap.sum())) == (5_355, 6_873)
