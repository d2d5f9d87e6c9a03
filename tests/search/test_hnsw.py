"""HNSW beside a large local index: fast, nearly exact, and never needed."""

import subprocess
import sys

import numpy as np
import pytest

from fashion_keras.search import hnsw
from fashion_keras.search.local import LocalIndex
from tests.helpers.indexes import SPEC, brute_force, names, records


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "HNSW_MIN_ROWS", 1000)
    index = LocalIndex.create(tmp_path / "index", SPEC)
    index.add(records(0, 2000))
    return index


def recall(index, products, k=10):
    queries = records(9000, 9050).embeddings
    shared = [
        len(set(neighbors.ids) & set(brute_force(products, query, k)[0]))
        for query, neighbors in zip(queries, index.nearest(queries, k), strict=True)
    ]
    return np.mean(shared) / k


def test_hnsw_is_built_for_a_large_index_with_a_recall_near_1(index):
    assert index.stats()["hnsw_rows"] == 2000
    assert recall(index, records(0, 2000)) > 0.98


def test_hnsw_scores_are_exact(index):
    query = records(9000, 9001).embeddings[0]
    (neighbors,) = index.nearest(query, 5)
    np.testing.assert_allclose(neighbors.scores, index.lookup(neighbors.ids).embeddings @ query, atol=1e-6)


def test_hnsw_search_returns_added_and_not_removed_products(index):
    index.add(records(2000, 2100))
    assert index.stats()["hnsw_rows"] == 2000
    assert index.nearest(records(2000, 2100).embeddings[7], 1)[0].ids.tolist() == names(20070)
    index.delete(names(20070))
    index.delete(names(*range(0, 10_000, 10)))
    assert "020070" not in index.nearest(records(2000, 2100).embeddings[7], 20)[0].ids
    (neighbors,) = index.nearest(records(0, 2000).embeddings[3], 10)
    assert len(neighbors.ids) == 10
    assert min(neighbors.ids) >= "010000"


def test_hnsw_is_extended_when_it_contains_too_little(index):
    index.add(records(2000, 2500))
    assert index.stats()["hnsw_rows"] == 2500
    index.delete(names(0))
    index.compact()
    assert index.stats()["hnsw_rows"] == 2499
    assert index.nearest(records(0, 2000).embeddings[1], 1)[0].ids.tolist() == names(10)


def test_hnsw_is_not_used_with_a_filter(index):
    (neighbors,) = index.nearest(records(9000, 9001).embeddings, 5, {"gender": "Women"})
    assert set(index.lookup(neighbors.ids).columns["gender"]) == {"Women"}


def altered(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def test_hnsw_import_leaves_openvino_usable(tmp_path):
    program = """
import sys
import fashion_keras.search.hnsw
import openvino as ov
from openvino import opset13 as op
image = op.parameter([1, 3], ov.Type.f32)
ov.save_model(ov.Model([op.relu(image)], [image]), sys.argv[1])
ov.Core().read_model(sys.argv[1])
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "network.xml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "hnsw.usearch").unlink(),
        lambda folder: (folder / "hnsw.usearch").write_bytes((folder / "hnsw.usearch").read_bytes()[:-10]),
        lambda folder: altered(folder / "hnsw.usearch"),
        lambda folder: (folder / "hnsw.codes.npy").unlink(),
        lambda folder: altered(folder / "hnsw.codes.npy"),
        lambda folder: (folder / "hnsw.json").write_text("{"),
    ],
)
def test_index_without_hnsw_is_exact(index, harm):
    harm(index.folder)
    reopened = LocalIndex(index.folder)
    assert reopened.stats()["hnsw_rows"] == 0
    assert recall(reopened, records(0, 2000)) == 1


def test_hnsw_that_cannot_be_written_is_built_by_a_later_change(index, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(hnsw.UsearchIndex, "save", full)
        index.add(records(2000, 2500))
    assert "no HNSW index, search will be slow: [Errno 28] No space left on device" in caplog.text
    assert len(index) == 2500
    assert index.nearest(records(2000, 2500).embeddings[7], 1)[0].ids.tolist() == names(20070)
    index.delete(names(20070))
    assert index.stats()["hnsw_rows"] == 2500


def test_hnsw_is_extended_without_adding_rows_twice(index, monkeypatch):
    added, add = [], hnsw.UsearchIndex.add
    monkeypatch.setattr(
        hnsw.UsearchIndex, "add", lambda self, rows, values: (added.extend(rows), add(self, rows, values))
    )
    index.add(records(2000, 2500))
    assert added == [*range(2000, 2500)]
    (neighbors,) = index.nearest(records(2000, 2500).embeddings[7], 1)
    assert neighbors.ids.tolist() == names(20070)
