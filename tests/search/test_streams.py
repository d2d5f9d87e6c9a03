"""Indexes made of blocks of images: the same as made of all at once, complete or absent, in memory that stays flat."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.search import hnsw, local, segments
from fashion_keras.search.base import Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, brute_force, names, records, with_columns

PRICED = replace(SPEC, columns=("gender", "price"), numbers=("price",))


def priced(start, stop, price=float):
    """Images with a number, of a type of its own in each block."""
    products = records(start, stop)
    columns = {"gender": products.columns["gender"], "price": np.arange(start, stop).astype(price)}
    return with_columns(products, **columns)


def join(parts):
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "skus", "paths")}
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return Records(embeddings=np.concatenate([part.embeddings for part in parts]), columns=columns, **arrays)


def content(index):
    """All that an index returns of its images."""
    stored, stats = index.lookup(index.ids()), index.stats()
    columns = {name: values.tolist() for name, values in stored.columns.items()}
    del stats["bytes"]
    return stored.ids.tolist(), stored.skus.tolist(), stored.paths.tolist(), columns, stored.embeddings.tolist(), stats


@pytest.fixture
def second(kind, request, tmp_path):
    """The place of another index."""
    server = request.getfixturevalue("server") if kind is PostgresIndex else None
    return f"{server.address()}&index={tmp_path.name} second" if server else tmp_path / "second"


def test_create_of_blocks_equals_create_of_all_at_once(kind, location, second):
    parts = [priced(0, 7, int), priced(7, 7), priced(7, 300), priced(300, 400, int)]
    whole = kind.create(location, PRICED, join(parts))
    streamed = kind.create(second, PRICED, iter(parts))
    assert content(streamed) == content(whole)
    queries = records(900, 920).embeddings
    for where in (None, {"gender": "Women"}, {"price": {"gte": 5, "lt": 350}}):
        results = [index.nearest(queries, 7, where) for index in (whole, streamed)]
        for expected, neighbors in zip(*results, strict=True):
            assert neighbors.ids.tolist() == expected.ids.tolist()
            np.testing.assert_array_equal(neighbors.scores, expected.scores)


def test_create_of_no_blocks_is_an_empty_index(kind, location):
    index = kind.create(location, SPEC, iter([records(0, 0)]))
    assert len(index) == 0
    index.add(records(0, 3))
    assert index.find("000010").tolist() == names(10)


def test_create_names_an_id_that_two_blocks_have(kind, location):
    blocks = iter([records(0, 5), records(5, 8), records(2, 3)])
    with pytest.raises(InputError, match="id 000020 occurs") as caught:
        kind.create(location, SPEC, blocks)
    assert len(str(caught.value).splitlines()) == 1
    assert len(kind.create(location, SPEC, [records(0, 3)])) == 3


def test_create_refuses_a_wrong_block(kind, location):
    with pytest.raises(InputError, match="column base_colour is missing"):
        kind.create(location, SPEC, iter([records(0, 5), with_columns(records(5, 8), gender=np.array(["Men"] * 3))]))
    with pytest.raises(InputError, match="no index here"):
        kind(location)


def test_create_leaves_nothing_when_the_blocks_fail(tmp_path):
    def blocks():
        yield records(0, 5)
        raise RuntimeError("the encoder stopped")

    with pytest.raises(RuntimeError, match="the encoder stopped"):
        LocalIndex.create(tmp_path / "index", SPEC, blocks())
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["lock"]


def test_failed_create_leaves_the_index_that_it_would_have_replaced(kind, location):
    kind.create(location, SPEC, records(0, 5))
    with pytest.raises(InputError, match="id 000070 occurs"):
        kind.create(location, SPEC, iter([records(7, 9), records(7, 8)]), overwrite=True)
    assert kind(location).ids().tolist() == names(0, 10, 20, 30, 40)


KILLED = """
import os, signal, sys
from fashion_keras.search.{module} import {name}
from tests.helpers.indexes import SPEC, records
def blocks():
    for start in range(0, 20_000, 5000):
        yield records(start, start + 5000)
    os.kill(os.getpid(), signal.SIGKILL)
{name}.create(sys.argv[1], SPEC, blocks())
"""


def test_killed_create_leaves_no_index(kind, location):
    program = KILLED.format(module=kind.__module__.split(".")[-1], name=kind.__name__)
    done = subprocess.run([sys.executable, "-c", program, str(location)], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    with pytest.raises(InputError, match="no index here"):
        kind(location)
    assert len(kind.create(location, SPEC, iter([records(0, 3)]))) == 3
    if kind is LocalIndex:
        assert not list(location.glob(".*"))


FULL = """
import resource, sys
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, records
for room in (0, 100, 3000, 200_000, 400_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        LocalIndex.create(sys.argv[1], SPEC, (records(start, start + 1000) for start in range(0, 9000, 1000)))
    except InputError as error:
        print(room, error)
"""


def test_create_without_room_leaves_nothing(tmp_path):
    folder = tmp_path / "index"
    done = subprocess.run([sys.executable, "-c", FULL, folder], capture_output=True, text=True)
    message = f"{folder}: File too large; no index was made: make room and try again"
    assert done.stdout.splitlines() == [f"{room} {message}" for room in (0, 100, 3000, 200_000, 400_000)], done.stderr
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_column_of_many_texts_is_searched_like_others(tmp_path, monkeypatch):
    titled = replace(SPEC, columns=("title",))

    def products(start, stop):
        return with_columns(records(start, stop), title=np.array([f"Shirt {number}" for number in range(start, stop)]))

    index = LocalIndex.create(tmp_path / "index", titled, products(0, 5))
    monkeypatch.setattr(segments, "_MAX_DICTIONARY", 20)
    index.add(products(5, 60))
    for _ in range(2):
        assert index.nearest(records(0, 1).embeddings, 9, {"title": ["Shirt 3", "shirt 44"]})[0].ids.size == 2
        assert index.select(["title"])["title"][[3, 44]].tolist() == ["Shirt 3", "Shirt 44"]
        with pytest.raises(InputError, match="unknown value of title 'Shirt 70'"):
            index.nearest(records(0, 1).embeddings, 9, {"title": "Shirt 70"})
        index.compact()
    assert index.lookup(names(590)).columns["title"].tolist() == ["Shirt 59"]


def test_ids_of_the_same_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_hash_ids", lambda ids: bytes(8 * len([*ids])))
    index = LocalIndex.create(tmp_path / "index", SPEC, iter([records(0, 5), records(5, 9)]))
    assert index.lookup(names(70, 20)).paths.tolist() == ["images/000070.jpg", "images/000020.jpg"]
    with pytest.raises(InputError, match="id 000025 is not in the index"):
        index.lookup(names(20, 25))
    with pytest.raises(InputError, match="id 000080 occurs 2 times"):
        LocalIndex.create(tmp_path / "other", SPEC, iter([records(0, 9), records(8, 9)]))


PEAK = """
import re, sys
from dataclasses import replace
import numpy as np
from fashion_keras.search import hnsw
from fashion_keras.search.local import LocalIndex
from tests.helpers.indexes import SPEC, records
hnsw.HNSW_MIN_ROWS = 10**9
wide = np.full((1000, 256), 1 / 16, np.float32)
blocks = (replace(records(start, start + 1000), embeddings=wide) for start in range(0, int(sys.argv[2]), 1000))
LocalIndex.create(sys.argv[1], replace(SPEC, width=256), blocks)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_memory_of_create_stays_flat(tmp_path):
    peaks = []
    for rows in (70_000, 270_000):
        command = [sys.executable, "-c", PEAK, tmp_path / str(rows), str(rows)]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    # In MiB; the embeddings of the images between are 195.
    assert peaks[1] - peaks[0] < 45


@pytest.mark.slow
def test_recall_of_30000_images(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "MAX_EXACT", 1000)
    products = priced(0, 30_000)
    index = LocalIndex.create(tmp_path / "index", PRICED, products)
    assert index.stats()["hnsw_rows"] == 30_000
    queries = records(40_000, 40_100).embeddings
    for where, rows in (
        (None, slice(None)),
        ({"gender": "Women"}, slice(1, None, 4)),
        ({"price": {"gte": 3000, "lt": 12_000}}, slice(3000, 12_000)),
    ):
        nearest = index.nearest(queries, 10, where)
        expected = [brute_force(products.take(rows), query, 10)[0] for query in queries]
        shared = [len({*a.ids} & {*b}) for a, b in zip(nearest, expected, strict=True)]
        assert np.mean(shared) / 10 >= 0.98


def test_filter_that_many_match_is_exact_where_candidates_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "HNSW_MIN_ROWS", 1000)
    monkeypatch.setattr(hnsw, "_MAX_CANDIDATES", 300)
    monkeypatch.setattr(local, "MAX_EXACT", 100)
    products = records(0, 2000)
    # Half of the images, all of them far from the queries.
    query = products.embeddings[0]
    near = products.embeddings @ query > 0
    products = with_columns(
        products, gender=np.where(near, "Women", "Men"), base_colour=products.columns["base_colour"]
    )
    index = LocalIndex.create(tmp_path / "index", SPEC, products)
    (neighbors,) = index.nearest(query, 10, {"gender": "Men"})
    expected = brute_force(products.take(np.flatnonzero(~near)), query, 10)[0]
    assert neighbors.ids.tolist() == expected.tolist()
