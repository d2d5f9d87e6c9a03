"""Embeddings computed elsewhere, in .npy and Parquet files: matched by image id, scaled, refused in one line."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fashion_keras import load_encoder
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.features.embedding_file import file_identity, read_embeddings
from fashion_keras.features.embeddings import embedding_source
from fashion_keras.images.validation import load_catalog
from fashion_keras.support.errors import InputError
from tests.helpers.embedding_files import FIXED, IDS, LISTS, UNIT, VALUES, write_npy, write_parquet, write_products


@pytest.fixture
def data(tmp_path):
    return write_products(tmp_path / "catalog")


@pytest.fixture
def catalog(data):
    return read_catalog(data)


def test_rows_are_matched_by_image_id_and_scaled(catalog, tmp_path):
    order = [5, 2, 9]
    part = catalog.take(np.array(order))
    shuffled = np.random.default_rng(1).permutation(12)
    ids, values = [IDS[row] for row in shuffled], VALUES[shuffled]
    lists = pa.array(values.tolist(), pa.list_(pa.float64()))
    large, categories = lists.cast(pa.large_list(pa.float32())), pa.array(ids).dictionary_encode()
    files = [
        write_npy(tmp_path / "a.npy", values, ids),
        write_npy(tmp_path / "b.npy", np.asfortranarray(values.astype(np.float64)), ids),
        write_parquet(tmp_path / "c.parquet", lists, ids),
        write_parquet(tmp_path / "d.parquet", FIXED.take(pa.array(shuffled)), [int(name) for name in ids], "sku"),
        write_parquet(tmp_path / "e.PARQUET", large, categories),
    ]
    for path in files:
        embeddings = read_embeddings(path, part)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, UNIT[order], atol=1e-6)
    half = write_npy(tmp_path / "f.npy", values.astype(np.float16), ids)
    np.testing.assert_allclose(read_embeddings(half, part), UNIT[order], atol=2e-3)


def test_parquet_of_many_row_groups_is_read(catalog, tmp_path):
    table = pa.table({"image_id": IDS, "embedding": LISTS})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=5)
    np.testing.assert_allclose(read_embeddings(tmp_path / "a.parquet", catalog), UNIT, atol=1e-6)


def test_npy_without_ids_has_the_rows_of_the_catalog_as_it_was_read(data, tmp_path, caplog):
    path = write_npy(tmp_path / "a.npy", ids=None)
    (data / "images" / "103.jpg").write_bytes(b"not an image")
    caplog.set_level("INFO")
    catalog = load_catalog(data)
    assert catalog.image_ids.tolist() == IDS[:2] + IDS[3:]
    expected = np.delete(UNIT, 2, axis=0)
    np.testing.assert_allclose(read_embeddings(path, catalog), expected, atol=1e-6)
    np.testing.assert_allclose(read_embeddings(path, catalog.take(np.array([3]))), expected[3:4], atol=1e-6)
    assert f"no a.ids.txt, so the rows are taken to be in the order of {data}" in caplog.text
    with pytest.raises(InputError, match=r"a.npy: 11 rows, but 12 images .* to .*a.ids.txt, one a line"):
        read_embeddings(write_npy(path, VALUES[:11], None), catalog)


def test_ids_with_special_characters_are_matched(tmp_path, catalog):
    ids = ["Größe 1/XL:front", "\u2028a", "007"]
    part = replace(catalog.take(np.arange(3)), image_ids=np.array(ids))
    for path in (write_npy(tmp_path / "a.npy", VALUES[:3], ids), write_parquet(tmp_path / "a.parquet", LISTS[:3], ids)):
        np.testing.assert_allclose(read_embeddings(path, part), UNIT[:3], atol=1e-6)


def changed(row, value, dtype=np.float32):
    values = VALUES.astype(dtype)
    values[row] = value
    return values


def npy(values=VALUES, ids=IDS):
    return lambda folder: write_npy(folder / "a.npy", values, ids)


def parquet(embeddings=LISTS, ids=IDS, column="image_id"):
    return lambda folder: write_parquet(folder / "a.parquet", embeddings, ids, column)


def truncated(write):
    """Write a file without its last bytes."""

    def call(folder):
        path = write(folder)
        path.write_bytes(path.read_bytes()[:-40])
        return path

    return call


def archive(folder):
    np.savez(folder / "a.npz", VALUES)
    return (folder / "a.npz").rename(folder / "a.npy")


def binary_ids(folder):
    path = write_npy(folder / "a.npy")
    path.with_suffix(".ids.txt").write_bytes(b"\xff")
    return path


RAGGED = pa.array([[1.0, 2.0]] * 11 + [[1.0]])
NULL_LIST = pa.array([*VALUES.tolist()[:6], None, *VALUES.tolist()[7:]], pa.list_(pa.float32()))
NULL_NUMBER = pa.array([[1.0, None]] + [[1.0, 2.0]] * 11)
CASES = {
    "missing id": (npy(VALUES[1:], IDS[1:]), "no row for 1 of 12 images of the catalog, the first '101'"),
    "id twice": (npy(ids=[*IDS[:11], "101"]), r"row 11 \(from 0\): image '101' again, as in row 0"),
    "NaN": (npy(changed(3, np.nan)), r"a.npy: row 3 \(from 0\), image '104': NaN or infinite"),
    "infinite": (npy(changed((3, 1), np.inf)), "row 3 .*'104': NaN or infinite"),
    "beyond float32": (npy(changed(3, 1e60, np.float64)), "row 3 .*'104': NaN or infinite"),
    "zero": (npy(changed(3, 0)), "row 3 .*'104': all zero"),
    "whole numbers": (npy(VALUES.astype(np.int64)), r"int64 \[12, 4\]; embeddings are float32 \[n, d\]"),
    "objects": (npy(VALUES.astype(object)), "not a whole array of numbers"),
    "one dimension": (npy(VALUES[:, 0]), r"float32 \[12\]; embeddings are float32 \[n, d\]"),
    "archive": (archive, "not a whole array of numbers"),
    "truncated": (truncated(npy()), "not a whole array of numbers"),
    "too few ids": (npy(ids=IDS[:5]), "a.ids.txt: 5 lines, but a.npy has 12 rows"),
    "binary ids": (binary_ids, "a.ids.txt: not UTF-8"),
    "truncated Parquet": (truncated(parquet()), "not a whole Parquet file"),
    "no id column": (parquet(column="id"), "columns id, embedding, other; image_id or sku"),
    "float ids": (parquet(ids=pa.array(np.arange(12.0))), "ids are texts or whole numbers, not double"),
    "null id": (parquet(ids=[*IDS[:4], None, *IDS[5:]]), r"row 4 \(from 0\): no id"),
    "no lists": (parquet(pa.array(VALUES[:, 0])), "column embedding has float; lists of float32"),
    "lists of texts": (parquet(pa.array([["a"]] * 12)), "list<.*string>; lists of float32"),
    "another length": (parquet(RAGGED), r"row 11 \(from 0\): 1 numbers, where the first row has 2"),
    "null list": (parquet(NULL_LIST), r"row 6 \(from 0\): no embedding"),
    "null number": (parquet(NULL_NUMBER), "row 0 .*'101': NaN or infinite"),
    "no rows": (parquet(LISTS[:0], pa.array([], pa.string())), "a.parquet: no rows"),
}


@pytest.mark.parametrize("case", CASES)
def test_read_embeddings_refuses(case, catalog, tmp_path):
    write, reason = CASES[case]
    with pytest.raises(InputError, match=reason) as raised:
        read_embeddings(write(tmp_path), catalog)
    assert "\n" not in str(raised.value)


def test_identity_is_that_of_content_and_ids(tmp_path):
    first = file_identity(write_npy(tmp_path / "a.npy"))
    assert file_identity(write_npy(tmp_path / "b.npy")) == first
    assert file_identity(write_npy(tmp_path / "b.npy", ids=IDS[::-1])) != first
    assert file_identity(write_npy(tmp_path / "b.npy", 2 * VALUES)) != first


def test_embedding_source_refuses_options_of_encoders(tmp_path):
    with pytest.raises(InputError, match=r"a.npy: no such file of embeddings"):
        embedding_source(tmp_path / "a.npy")
    with pytest.raises(InputError, match="has no weights and no image size"):
        embedding_source(write_npy(tmp_path / "a.npy"), "none")
    with pytest.raises(InputError, match=r"a.npy: a file of embeddings, but an encoder is needed here"):
        load_encoder(tmp_path / "a.npy")
