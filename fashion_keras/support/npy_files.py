"""Arrays in NumPy's file format (.npy), opened without trust in their headers; nothing is unpickled."""

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError

# What NumPy raises on a header that is none; it parses them with Python's own tokenizer.
BROKEN_NPY = (ValueError, TypeError, KeyError, EOFError, SyntaxError, OverflowError, RecursionError, MemoryError, TokenError)


def open_npy(path: Path) -> NDArray[Any]:
    """Return the array in a file, memory-mapped to be read: no header makes more memory than the file has bytes.

    Raises:
        InputError: for a file that is missing, cut off, of Python objects, or no array.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, *BROKEN_NPY) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path}: not a whole array of numbers in NumPy's format ({reason})") from None
