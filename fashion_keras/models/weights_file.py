"""HDF5 weight files of anybody: checked before their values are read. No Keras here."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import h5py
import numpy as np

from fashion_keras.support.atomic_files import file_sha256
from fashion_keras.support.errors import InputError, reraise_shortage

if TYPE_CHECKING:
    import keras

# Values that a file declares, in proportion to its bytes: trained weights shrink little when they are compressed.
_MAX_RATIO, _SPARE_BYTES = 4, 2**20
_MAX_OBJECTS = 100_000  # groups and arrays; the largest networks here have some thousand
_READ_BYTES = 2**24
# Index and length of an object in a heap of texts.
_OBJECT = struct.Struct("<H6xQ")
# What h5py raises on broken files.
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, UnicodeDecodeError)


def check_weights(path: Path, sha256: str = "", advice: str = "copy it again") -> None:
    """Raise InputError, which names the file, unless an HDF5 file holds finite numbers, and all of them itself.

    Refused are links to other places and files, virtual arrays, arrays kept in other files, arrays of other things than
    numbers, declared sizes far above that of the file, and values that are NaN or infinite. At most `_READ_BYTES` of an
    array are in memory.

    Args:
        path: the file.
        sha256: that its content must have; "" for any.
        advice: what to do about another content.
    """
    if sha256 and file_sha256(path) != sha256:
        raise InputError(f"{path}: the content does not match the sha256 in model.json; {advice}")
    with open_weights(path):
        pass


def check_open_weights(file: IO[bytes], size: int, path: Path) -> None:
    """Check an open weight file of `size` bytes, such as a member of the archive at `path`, as `check_weights`."""
    with _explained(path), h5py.File(file) as opened:
        _check(opened, file, size)


@contextmanager
def open_weights(path: Path) -> Iterator[h5py.File]:
    """Yield a weight file, once it is checked as by `check_weights`; errors of HDF5 become an InputError."""
    with _explained(path), path.open("rb") as content, h5py.File(path) as file:
        _check(file, content, path.stat().st_size)
        yield file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of HDF5 into an InputError that names the file."""
    try:
        yield
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from None
    except MemoryError:
        raise InputError(f"{path}: larger than the memory") from None
    except _BROKEN as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not a whole HDF5 file of weights ({_line(error)})") from None


def load_weights(network: "keras.Model", path: Path) -> None:
    """Load a weight file into a network of Keras, once it is checked; InputError where it does not fit."""
    check_weights(path)
    load_checked(network, path)


def load_checked(network: "keras.Model", path: Path) -> None:
    """Load a weight file that was checked into a network of Keras; InputError where it does not fit."""
    try:
        network.load_weights(path)
    except _BROKEN as error:
        reraise_shortage(error)
        raise InputError(f"{path}: of another network ({_line(error)})") from None


def _check(file: h5py.File, content: IO[bytes], size: int) -> None:
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise InputError("has addresses of other than 64 bits")
    _check_text_heaps(content)
    declared = 0
    for count, (name, array) in enumerate(_arrays(file)):
        if count == _MAX_OBJECTS:
            raise InputError(f"more than {_MAX_OBJECTS} arrays")
        _check_storage(name, array)
        declared += array.size * array.dtype.itemsize
        if declared > _MAX_RATIO * size + _SPARE_BYTES:
            raise InputError(f"declares at least {declared} bytes of values in a file of {size}")
        _check_finite(name, array)


def _check_text_heaps(content: IO[bytes]) -> None:
    """Raise InputError for a heap of texts on which HDF5 1.14 turns in a circle: free space of 0 bytes inside it.

    The layout is that of "Global Heap" in the HDF5 file format specification, III.E.
    """
    objects = 0
    for start in _places(content, b"GCOL\1"):
        content.seek(start + 8)
        heap = content.read(8)
        place, end = start + 16, start + int.from_bytes(heap, "little")
        while place + _OBJECT.size <= end:
            content.seek(place)
            header = content.read(_OBJECT.size)
            if len(header) < _OBJECT.size:
                break
            index, length = _OBJECT.unpack(header)
            objects += 1
            if objects > _MAX_OBJECTS or not (index or length):
                raise InputError("its heap of texts is damaged")
            place += _OBJECT.size + -(-length // 8) * 8 if index else length


def _places(content: IO[bytes], mark: bytes) -> Iterator[int]:
    """Yield where a mark begins in a file, of which a part is in memory."""
    start, overlap = 0, b""
    content.seek(0)
    while part := content.read(_READ_BYTES):
        text = overlap + part
        yield from (start - len(overlap) + match.start() for match in re.finditer(re.escape(mark), text))
        start, overlap = start + len(part), text[1 - len(mark) :]
        content.seek(start)


def _arrays(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the path of each array, and the array; InputError for links and other objects."""
    groups, seen = [("", file)], set()
    while groups:
        prefix, group = groups.pop()
        for key in group:
            name = f"{prefix}{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise InputError(f"{name[:100]!r} is a link to another place or file; weights hold their own values")
            item = group[key]
            if isinstance(item, h5py.Dataset):
                yield name, item
                continue
            address = h5py.h5o.get_info(item.id).addr
            if not isinstance(item, h5py.Group) or address in seen or len(seen) > _MAX_OBJECTS:
                raise InputError(f"{name[:100]!r} is no group of weights")
            seen.add(address)
            groups.append((f"{name}/", item))


def _check_storage(name: str, array: h5py.Dataset) -> None:
    if array.is_virtual or array.external:
        raise InputError(f"{name!r} takes its values from other files")
    if array.dtype.kind not in "fiu" or array.shape is None:
        raise InputError(f"{name!r} is of {array.dtype}; weights are numbers")
    stored, expected = array.id.get_storage_size(), array.size * array.dtype.itemsize
    if stored < expected and array.id.get_create_plist().get_nfilters() == 0:
        raise InputError(f"{name!r} has {stored} of its {expected} bytes")


def _check_finite(name: str, array: h5py.Dataset) -> None:
    """Raise InputError for NaN and infinite values, which are read a part at a time."""
    if array.dtype.kind != "f":
        return
    if not all(np.isfinite(part).all() for part in _parts(array)):
        raise InputError(f"{name!r} has values that are NaN or infinite: the training failed, or the file was altered")


def _parts(array: h5py.Dataset) -> Iterator[np.ndarray]:
    """Yield an array's values, some rows at a time."""
    if not array.shape:
        yield array[()]
        return
    row_bytes = array.size // max(array.shape[0], 1) * array.dtype.itemsize
    rows = max(1, _READ_BYTES // max(row_bytes, 1))
    for start in range(0, array.shape[0], rows):
        yield array[start : start + rows]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
