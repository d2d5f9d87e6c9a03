"""The graph beside a large local index: fast, nearly exact, and never needed."""

import subprocess
import sys

import numpy as np
import pytest

from fashion_keras.search import hnsw
from fashion_keras.search.local import LocalIndex
from tests.search.test_index import SPEC, brute_force, records


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "HNSW_MIN_ROWS", 1000)
    index = LocalIndex.create(tmp_path / "index", SPEC)
    index.add(records(0, 2000))
    return index


def recall(index, kept, k=10):
    queries = records(9000, 9050).vectors
    found = index.nearest(queries, k)
    shared = [
        len(set(one.ids) & set(brute_force(kept, query, k)[0])) for query, one in zip(queries, found, strict=True)
    ]
    return np.mean(shared) / k


def test_it_is_built_when_the_index_is_large_and_finds_nearly_all(index):
    assert index.stats()["graph"] == 2000
    assert recall(index, records(0, 2000)) > 0.98


def test_scores_are_those_of_the_vectors(index):
    query = records(9000, 9001).vectors[0]
    (found,) = index.nearest(query, 5)
    np.testing.assert_allclose(found.scores, index.lookup(found.ids).vectors @ query, atol=1e-6)


def test_what_it_does_not_know_is_found_and_what_was_removed_is_not(index):
    index.add(records(2000, 2100))
    assert index.stats()["graph"] == 2000
    assert index.nearest(records(2000, 2100).vectors[7], 1)[0].ids.tolist() == [20070]
    index.delete(np.array([20070]))
    index.delete(np.arange(0, 10_000, 10))
    assert 20070 not in index.nearest(records(2000, 2100).vectors[7], 20)[0].ids
    (found,) = index.nearest(records(0, 2000).vectors[3], 10)
    assert len(found.ids) == 10
    assert found.ids.min() >= 10_000


def test_it_is_built_again_when_it_knows_too_little(index):
    index.add(records(2000, 2500))
    assert index.stats()["graph"] == 2500
    index.delete(np.array([0]))
    index.compact()
    assert index.stats()["graph"] == 2499
    assert index.nearest(records(0, 2000).vectors[1], 1)[0].ids.tolist() == [10]


def test_a_filter_does_not_need_it(index):
    (found,) = index.nearest(records(9000, 9001).vectors, 5, {"gender": "Women"})
    assert set(index.lookup(found.ids).columns["gender"]) == {"Women"}


def altered(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def test_networks_can_still_be_read_beside_it(tmp_path):
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
        lambda folder: (folder / "graph.usearch").unlink(),
        lambda folder: (folder / "graph.usearch").write_bytes((folder / "graph.usearch").read_bytes()[:-10]),
        lambda folder: altered(folder / "graph.usearch"),
        lambda folder: (folder / "graph.json").write_text("{"),
    ],
)
def test_without_it_the_index_answers_exactly(index, harm):
    harm(index.folder)
    again = LocalIndex(index.folder)
    assert again.stats()["graph"] == 0
    assert recall(again, records(0, 2000)) == 1


def test_one_that_cannot_be_written_is_made_by_a_later_change(index, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(hnsw.Graph, "save", full)
        index.add(records(2000, 2500))
    assert "no graph, search will be slow: [Errno 28] No space left on device" in caplog.text
    assert len(index) == 2500
    assert index.nearest(records(2000, 2500).vectors[7], 1)[0].ids.tolist() == [20070]
    index.delete(np.array([20070]))
    assert index.stats()["graph"] == 2500


def test_what_it_learned_first_is_not_learned_again(index, monkeypatch):
    learned, add = [], hnsw.Graph.add
    monkeypatch.setattr(hnsw.Graph, "add", lambda self, rows, vectors: (learned.extend(rows), add(self, rows, vectors)))
    index.add(records(2000, 2500))
    assert learned == [*range(2000, 2500)]
    (found,) = index.nearest(records(2000, 2500).vectors[7], 1)
    assert found.ids.tolist() == [20070]
