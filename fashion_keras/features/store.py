"""Feature store: append-only files of rows with keys, in constant memory, safe to kill at any moment.

A folder holds two files for each type and shape of row, however many rows there are: TYPE-SHAPE.values, the rows end to
end, and TYPE-SHAPE.keys, their keys, 24 bytes each. A row counts once its key is written, which is after its values.
"""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError

KEY_LENGTH = 24
_NAME = re.compile(r"(?P<dtype>float16|float32|float64)-(?P<sides>[0-9]{1,9}(x[0-9]{1,9}){0,3})")
Keys = NDArray[np.bytes_]


class LazyArray:
    """Values on disk that read like an array [..., d] float32; of the disk, only the rows of an index are read.

    `places` [..., 2] holds for each row the number of a memory-mapped segment, and its row in there.
    """

    def __init__(self, segments: Sequence[NDArray[np.floating]], places: NDArray[np.int64]) -> None:
        self.segments, self.places = segments, places

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, as of an array."""
        return (*self.places.shape[:-1], *self.segments[0].shape[1:])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:  # noqa: ANN401 - whatever indexes an array
        places = self.places[index]
        flat = places.reshape(-1, 2)
        values = np.empty((len(flat), *self.segments[0].shape[1:]), np.float32)
        for number in np.unique(flat[:, 0]):
            inside = flat[:, 0] == number
            values[inside] = self.segments[number][flat[inside, 1]]
        return values.reshape(*places.shape[:-1], *values.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:  # noqa: ANN401
        return self[:].astype(dtype or np.float32, copy=False)

    @classmethod
    def stack(cls, arrays: Sequence["LazyArray"]) -> "LazyArray":
        """Return v arrays [n, d] as one [v, n, d]."""
        starts = np.cumsum([0, *(len(array.segments) for array in arrays)])
        places = np.stack([array.places + [start, 0] for array, start in zip(arrays, starts, strict=False)])
        return cls([segment for array in arrays for segment in array.segments], places)


def append_rows(folder: Path, keys: Sequence[str], values: NDArray[np.floating]) -> None:
    """Add rows [n, ...] under n keys; several processes may add to one folder. InputError for damaged files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{values.dtype}-{'x'.join(map(str, values.shape[1:]))}.keys"
    with FileLock(folder / ".lock"):
        path.touch()
        count = len(_read_keys(path))
        # Bytes beyond `count` were written by a process that was killed, and are overwritten.
        _write_at(path.with_suffix(".values"), count * values[0].nbytes, values.tobytes())
        _write_at(path, count * KEY_LENGTH, "".join(keys).encode())


def missing_keys(folder: Path, keys: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each of n keys whether a folder lacks its row, [n] bool."""
    return _find([_read_keys(path) for path in _key_files(folder)], keys)[:, 0] < 0


def read_rows(folder: Path, keys: Sequence[str]) -> LazyArray:
    """Return the rows of n keys, to be read from disk as they are indexed. InputError for damaged files."""
    paths = _key_files(folder)
    tables = [_read_keys(path) for path in paths]
    places = _find(tables, keys)
    if (places < 0).any():
        raise AssertionError(f"{folder}: {int((places[:, 0] < 0).sum())} of {len(keys)} rows are missing")
    return LazyArray([_map(path, len(table)) for path, table in zip(paths, tables, strict=True)], places)


def count_rows(folder: Path) -> int:
    """Return how many rows a folder holds."""
    return sum(path.stat().st_size // KEY_LENGTH for path in _key_files(folder))


def _key_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.keys") if path.stat().st_size >= KEY_LENGTH)


def _read_keys(path: Path) -> Keys:
    data = path.read_bytes()
    return np.frombuffer(data, f"S{KEY_LENGTH}", count=len(data) // KEY_LENGTH)


def _find(tables: Sequence[Keys], keys: Sequence[str]) -> NDArray[np.int64]:
    """Return (table, row) [n, 2] of each key, -1 where none holds it."""
    wanted = np.array(keys, f"S{KEY_LENGTH}")
    places = np.full((len(wanted), 2), -1, np.int64)
    for number, table in enumerate(tables):
        order = np.argsort(table, kind="stable")
        rows = order[np.minimum(np.searchsorted(table, wanted, sorter=order), len(table) - 1)]
        held = table[rows] == wanted
        places[held] = np.stack([np.full(held.sum(), number), rows[held]], axis=1)
    return places


def _map(path: Path, count: int) -> NDArray[np.floating]:
    values = path.with_suffix(".values")
    name = _NAME.fullmatch(path.stem)
    if name is None:
        raise InputError(f"{path}: not a file of the feature cache; delete it")
    dtype, shape = name["dtype"], (count, *map(int, name["sides"].split("x")))
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    size = values.stat().st_size if values.is_file() else 0
    if size < expected:
        raise InputError(f"{values}: damaged ({size} bytes, expected {expected}); run `fashion-keras features rm`")
    return np.memmap(values, dtype, "r", shape=shape)


def _write_at(path: Path, offset: int, data: bytes) -> None:
    path.touch()
    with path.open("r+b") as file:
        if file.seek(0, os.SEEK_END) < offset:
            raise InputError(f"{path}: damaged (shorter than its rows); run `fashion-keras features rm`")
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
