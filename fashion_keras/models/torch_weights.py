"""Float tensors in PyTorch's legacy file format: five pickles, which are read and never executed, and raw values.

The pickles are programs; of their instructions only those are followed that describe tensors, here, by a small
interpreter. Any other instruction, and any other name than those of PyTorch's tensors, is refused.
"""

import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
# Whole numbers count batches, which only training needs: they are skipped.
_TYPES = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
_CONSTANTS = {"NONE": None, "NEWFALSE": False, "NEWTRUE": True}
_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE")
_EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_LIST": list}


@dataclass(frozen=True)
class _Global:
    """Name of a class or function; it is never imported."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """Values [size] that follow the pickles, under a key."""

    key: str
    dtype: np.dtype
    size: int


@dataclass(frozen=True)
class _Tensor:
    """Part of a storage with a shape; offset and strides count values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if math.prod(self.shape) > len(values):
            raise ValueError("a tensor larger than its storage")
        size = values.dtype.itemsize
        # NumPy refuses what lies beyond the buffer.
        return np.ndarray(self.shape, values.dtype, values, self.offset * size, [step * size for step in self.strides])


def read_float_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return name -> float32 tensor of a file, in the file's order; InputError for any other file."""
    try:
        with path.open("rb") as file:
            if _interpret(file) != _MAGIC or _interpret(file) != _PROTOCOL:
                raise ValueError("not PyTorch's legacy format")
            _interpret(file)
            tensors, keys = _interpret(file), _interpret(file)
            storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
            if sorted(storages) != sorted(keys):
                raise ValueError("tensors and values do not belong together")
            values = {key: _read_values(file, storages[key]) for key in keys}
            if file.read(1):
                raise ValueError("bytes after the last values")
        floats = {name: tensor for name, tensor in tensors.items() if tensor.storage.dtype.kind == "f"}
        return {name: tensor.read(values[tensor.storage.key]) for name, tensor in floats.items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, OverflowError) as error:
        raise InputError(f"{path}: not a file of float tensors as PyTorch wrote them before 1.6 ({error})") from None


def _read_values(file: BinaryIO, storage: _Storage) -> NDArray[Any]:
    count = int.from_bytes(file.read(8), "little", signed=True)
    if count != storage.size:
        raise ValueError(f"{count} values instead of {storage.size}")
    data = file.read(count * storage.dtype.itemsize)
    return np.frombuffer(data, storage.dtype, count)


def _interpret(file: BinaryIO) -> Any:  # noqa: ANN401 - of the types above
    """Follow the next pickle of a stream up to its end and return its value."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name == "APPENDS":
            items = since_mark()
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "BUILD":
            # Attributes of the dictionary: versions of layers, of no use here.
            stack.pop()
        elif name == "GLOBAL":
            stack.append(_known(argument))
        elif name == "BINPERSID":
            stack.append(_storage(*stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_call(stack.pop(), arguments))
        elif name not in ("PROTO", "STOP"):
            raise ValueError(f"instruction {name}")
    return stack.pop()


def _known(name: str) -> _Global:
    if name not in (_DICT, _TENSOR, *_TYPES):
        raise ValueError(f"name {name!r}")
    return _Global(name)


def _storage(kind: str, storage_type: _Global, key: str, _: str, size: int, view: None) -> _Storage:
    if kind != "storage" or view is not None or size < 0:
        raise ValueError("a storage of another kind")
    return _Storage(key, _TYPES[storage_type.name], size)


def _call(function: _Global, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
    if function.name == _DICT and not arguments:
        return {}
    if function.name != _TENSOR:
        raise ValueError(f"call of {function.name}")
    return _Tensor(*arguments[:4])
