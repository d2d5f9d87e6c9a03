"""Feature store: rows by key, a few files however many rows, and no torn rows."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fashion_keras.features.store import LazyArray, append_rows, count_rows, missing_keys, read_rows
from fashion_keras.support.errors import InputError

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)


def keys_of(rows):
    return [f"{row:024x}" for row in rows]


def store_files(folder):
    return [path for path in folder.iterdir() if path.name != ".lock"]


def test_lazy_array_reads_like_an_array():
    array = np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    segments = [array.reshape(12, 2)[:5], array.reshape(12, 2)[5:].astype(np.float16)]
    places = np.array([[(0, row) if row < 5 else (1, row - 5) for row in part] for part in np.arange(12).reshape(2, 6)])
    rows = LazyArray(segments, places)
    assert rows.shape == array.shape
    assert len(rows) == 2
    for index in (0, -1, slice(1, 2), [1, 0, 1], (np.array([0, 1, 1]), np.array([5, 0, 5])), (1, slice(2, 4))):
        np.testing.assert_array_equal(rows[index], array[index])
        assert rows[index].dtype == np.float32
    np.testing.assert_array_equal(np.asarray(rows), array)
    np.testing.assert_array_equal(LazyArray.stack([rows, rows]), np.stack([array, array]))


def test_read_rows_gives_the_row_of_each_key(tmp_path):
    append_rows(tmp_path, keys_of(range(6)), ROWS[:6])
    append_rows(tmp_path, keys_of(range(6, 10)), ROWS[6:].astype(np.float16))
    order = [9, 0, 3, 3, 7]
    np.testing.assert_array_equal(read_rows(tmp_path, keys_of(order)), ROWS[order])
    assert missing_keys(tmp_path, keys_of([0, 9, 10])).tolist() == [False, False, True]
    assert missing_keys(tmp_path / "none", keys_of([0])).tolist() == [True]
    assert count_rows(tmp_path) == 10


def test_append_rows_keeps_the_shape_of_activations(tmp_path):
    activations = np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4)
    append_rows(tmp_path, keys_of(range(2)), activations)
    assert read_rows(tmp_path, keys_of(range(2))).shape == (2, 2, 3, 4)
    np.testing.assert_array_equal(read_rows(tmp_path, keys_of([1])), activations[1:])


@pytest.mark.parametrize("torn", [1, 16, 17, 40])
def test_append_rows_overwrites_what_a_killed_process_left(tmp_path, torn):
    append_rows(tmp_path, keys_of(range(3)), ROWS[:3])
    values, keys = tmp_path / "float32-4.values", tmp_path / "float32-4.keys"
    values.write_bytes(values.read_bytes() + b"x" * torn)
    if torn >= 16:  # the values of a row are whole before its key is begun
        keys.write_bytes(keys.read_bytes() + b"0" * (torn % 24))
    np.testing.assert_array_equal(read_rows(tmp_path, keys_of(range(3))), ROWS[:3])
    append_rows(tmp_path, keys_of(range(3, 10)), ROWS[3:])
    np.testing.assert_array_equal(read_rows(tmp_path, keys_of(range(10))), ROWS)
    assert count_rows(tmp_path) == 10


def test_append_rows_names_values_that_are_shorter_than_their_keys(tmp_path):
    append_rows(tmp_path, keys_of(range(3)), ROWS[:3])
    (tmp_path / "float32-4.values").write_bytes(b"")
    with pytest.raises(InputError, match=r"float32-4\.values: damaged.*features rm"):
        append_rows(tmp_path, keys_of(range(3, 4)), ROWS[3:4])


def test_append_rows_from_many_threads_loses_nothing(tmp_path):
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda start: append_rows(tmp_path, keys_of(range(start, start + 10)), rows[start : start + 10]),
                range(0, 400, 10),
            )
        )
    np.testing.assert_array_equal(read_rows(tmp_path, keys_of(range(400))), rows)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="mappings are listed on Linux alone")
def test_a_million_rows_take_a_few_files_and_mappings(tmp_path):
    """In a process of its own, whose peak memory shows that rows are not loaded."""
    program = f"""
import resource, sys, numpy as np
from pathlib import Path
from fashion_keras.features.store import append_rows, read_rows
folder, part = Path({str(tmp_path)!r}), 50_000
rows = np.arange(part * 64, dtype=np.float32).reshape(part, 64)
for start in range(0, 1_000_000, part):
    append_rows(folder, [f"{{row:024x}}" for row in range(start, start + part)], (rows + start).astype(np.float16))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
keys = [f"{{row:024x}}" for row in range(999_999, -1, -1)]
array = read_rows(folder, keys)
assert array.shape == (1_000_000, 64)
for row in (0, 1, 499_999, 999_999):
    number = 999_999 - row
    expected = (rows[number % part] + number // part * part).astype(np.float16)
    assert np.array_equal(array[row], expected.astype(np.float32)), row
with open("/proc/self/maps") as maps:
    assert sum(str(folder) in line for line in maps) <= 2
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 300, grown
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert len(store_files(tmp_path)) == 2
