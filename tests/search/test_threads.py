"""One index, 16 threads: the results are those of a serial search."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.features.encoder import Encoder
from fashion_keras.images.spec import ImageSpec
from fashion_keras.search import hnsw
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.search.similar import search_similar
from tests.helpers.indexes import SPEC, records

THREADS, SEARCHES = 16, 200
IDS = records(0, 50).ids.tolist()


def far_records(start, stop):
    """Products that are no near neighbors of any others here: all others have a positive first number."""
    products = records(start, stop)
    embeddings = np.zeros_like(products.embeddings)
    embeddings[:, 0] = -1
    return replace(products, embeddings=embeddings)


def near_records(start, stop):
    products = records(start, stop)
    embeddings = products.embeddings.copy()
    embeddings[:, 0] = 1
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return replace(products, embeddings=embeddings)


def search(location, number):
    query = IDS[number % len(IDS)]
    where = {"gender": "Women"} if number % 3 == 0 else None
    return [(match.image_id, round(match.score, 4)) for match in search_similar(query, 5, index=location, where=where)]


def assert_threads_equal_serial(location, capsys, searches=SEARCHES):
    began = time.perf_counter()
    serial = [search(location, number) for number in range(searches)]
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda _: [search(location, number) for number in range(searches)], range(THREADS)))
    all_seconds = time.perf_counter() - began
    assert all(result == serial for result in results)
    with capsys.disabled():
        rates = f"{searches / seconds:.0f}/s in one thread, {THREADS * searches / all_seconds:.0f}/s in {THREADS}"
        print(f"\nsearches {rates}")


@pytest.mark.slow
def test_search_similar_in_threads_while_another_adds(tmp_path, capsys):
    location = str(tmp_path / "index")
    index = LocalIndex.create(location, SPEC, near_records(0, 1000))
    stop, added = threading.Event(), []

    def add():
        while not stop.is_set():
            start = 5000 + 10 * len(added)
            index.add(far_records(start, start + 10))
            added.append(start)
            if len(added) % 20 == 0:
                index.compact()

    writer = threading.Thread(target=add)
    writer.start()
    try:
        assert_threads_equal_serial(location, capsys)
    finally:
        stop.set()
        writer.join()
    assert len(LocalIndex(location)) == 1000 + 10 * len(added) > 1000


@pytest.mark.slow
def test_search_similar_in_threads_with_hnsw(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hnsw, "HNSW_MIN_ROWS", 500)
    index = LocalIndex.create(tmp_path / "index", SPEC, near_records(0, 1000))
    assert index.stats()["hnsw_rows"] == 1000
    assert_threads_equal_serial(str(tmp_path / "index"), capsys)


@pytest.mark.parametrize("searches", [30, pytest.param(SEARCHES, marks=pytest.mark.slow)])
def test_search_similar_in_threads_with_postgres(database, capsys, searches):
    PostgresIndex.create(database, SPEC, near_records(0, 200))
    assert_threads_equal_serial(database, capsys, searches)


@pytest.fixture
def encoder(monkeypatch):
    """An encoder of 4 x 4 gray pixels, loaded slowly; how often it was."""
    loaded = []

    def forward(pixels):
        flat = pixels.mean(axis=3).reshape(len(pixels), -1) + 1
        return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)

    def load(*_):
        time.sleep(0.05)
        loaded.append(Encoder("gray", ImageSpec(4, 4), forward, "tensorflow", "float32", "abc", unit_norm=True))
        return loaded[-1]

    monkeypatch.setattr("fashion_keras.search.indexing.load_encoder", load)
    return loaded


def test_search_similar_by_images_in_threads(tmp_path, encoder):
    location = str(tmp_path / "index")
    LocalIndex.create(location, replace(SPEC, width=16), records(0, 300))
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    with ThreadPoolExecutor(THREADS) as pool:
        parallel = list(pool.map(lambda image: search_similar(image, 3, index=location), [*images] * 5))
    assert len(encoder) == 1
    assert parallel == search_similar(images, 3, index=location) * 5
