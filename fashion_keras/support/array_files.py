"""Arrays in NumPy's formats, from files of anybody: numbers only, no more than the file holds, nothing unpickled."""

import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError, reraise_shortage

# NumPy parses a header with Python's own tokenizer.
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TokenError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_float_arrays(path: Path) -> dict[str, NDArray[np.floating]]:
    """Return name -> array of a .npz file that `numpy.savez` wrote, uncompressed.

    InputError, which names the file, for a damaged one, another format, values that are no finite numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                # Not larger than the file: nothing is decompressed.
                if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                    raise ValueError(f"{member.filename[:80]!r} is compressed")
                with archive.open(member) as file:
                    _check_header(file, member.file_size)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except _BROKEN as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not a whole file of arrays ({_line(error)})") from None
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise InputError(f"{path}: {name!r} is of {array.dtype}, or has values that are NaN or infinite")
    return arrays


def map_floats(path: Path, rows: int, width: int) -> NDArray[np.float32]:
    """Map a .npy file of float32 [rows, width] into memory; InputError for another array."""
    array = map_array(path)
    if array.dtype != np.float32 or array.shape != (rows, width):
        raise InputError(f"{path}: {array.dtype} {list(array.shape)}; float32 {[rows, width]} is expected")
    return np.asarray(array)


def read_rows(path: Path, count: int) -> NDArray[np.int64]:
    """Return the row numbers in a .npy file; InputError unless they are in 0..count - 1."""
    array = map_array(path)
    if array.dtype != np.int64 or array.ndim != 1:
        raise InputError(f"{path}: {array.dtype} {list(array.shape)}; a list of int64 is expected")
    rows = np.array(array)
    if len(rows) and not (rows.min() >= 0 and rows.max() < count):
        raise InputError(f"{path}: names row {rows.max()} of {count}")
    return rows


def map_array(path: Path) -> NDArray[Any]:
    """Map a .npy file into memory; InputError for a damaged one, or another format."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except _BROKEN as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not a whole array of numbers in NumPy's format ({_line(error)})") from None


def _check_header(file: Any, size: int) -> None:  # noqa: ANN401 - an open member of an archive
    """Raise ValueError unless a .npy file declares an array of numbers of at most its own size."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize > size:
        raise ValueError(f"an array of {dtype} {list(shape)} in {size} bytes")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
