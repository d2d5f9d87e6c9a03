"""Float tensors in PyTorch's legacy file format: five pickles, which are read and never executed, and raw values.

A pickle is a program. Here a small stack machine follows only the instructions that describe tensors; any other
instruction, and any name but those of PyTorch's tensors, is refused, and nothing is imported or called.
"""

import math
import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError, reraise_shortage

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_TYPES = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
# Far above what names and shapes of a network take (14,000), far below what fills the memory.
_MAX_INSTRUCTIONS = 200_000
_MAX_DIMENSIONS = 4
_MAX_REASON = 120


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

    def read(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the tensor as a view of the storage's values."""
        if math.prod(self.shape) > len(values):
            raise ValueError("a tensor larger than its storage")
        size = values.dtype.itemsize
        # NumPy refuses what lies beyond the values.
        return np.ndarray(self.shape, values.dtype, values, self.offset * size, [step * size for step in self.strides])


def read_float_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return name -> float32 tensor of a file, in the file's order.

    Single whole numbers (PyTorch counts batches in them) are left out.

    Raises:
        InputError: for any other file, a damaged one, or one with instructions beyond those of tensors.
    """
    try:
        # Mapped, so that no length in the file, however large, makes Python allocate more than the file holds.
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as stream:
            return _read(stream)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError) as error:
        reraise_shortage(error)
        reason = str(error)[:_MAX_REASON]
        raise InputError(f"{path}: not a file of float tensors as PyTorch wrote them before 1.6 ({reason})") from None


def _read(stream: mmap) -> dict[str, NDArray[np.float32]]:
    if stream[:2] == b"PK":
        raise ValueError("a zip file, as it writes them since")
    magic, protocol, _, tensors, keys = (_Machine().run(stream) for _ in range(5))
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise ValueError("not PyTorch's legacy format")
    if not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise ValueError("a value that is no tensor")
    storages = {tensor.storage for tensor in tensors.values()}
    if not all(isinstance(key, str) for key in keys) or sorted(storage.key for storage in storages) != sorted(keys):
        raise ValueError("tensors and values do not belong together")
    by_key = {storage.key: storage for storage in storages}
    values = {key: _read_values(stream, by_key[key]) for key in keys}
    if stream.read(1):
        raise ValueError("bytes after the last values")
    arrays = {name: tensor.read(values[tensor.storage.key]) for name, tensor in tensors.items()}
    if any(array.dtype.kind == "i" and array.shape for array in arrays.values()):
        raise ValueError("weights that are whole numbers")
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


def _read_values(stream: mmap, storage: _Storage) -> NDArray[Any]:
    count = int.from_bytes(stream.read(8), "little", signed=True)
    if count != storage.size:
        raise ValueError(f"{count} values instead of {storage.size}")
    return np.frombuffer(stream.read(count * storage.dtype.itemsize), storage.dtype, count)


@dataclass
class _Machine:
    """Stack machine for one pickle; `pickletools` describes the instructions."""

    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, stream: mmap) -> Any:  # noqa: ANN401 - the pickle's value
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if number == _MAX_INSTRUCTIONS:
                raise ValueError(f"more than {_MAX_INSTRUCTIONS} instructions")
            if opcode.name not in _INSTRUCTIONS:
                raise ValueError(f"instruction {opcode.name}")
            _INSTRUCTIONS[opcode.name](self, argument)
        return self.stack.pop()

    def push(self, value: Any) -> None:  # noqa: ANN401
        self.stack.append(value)

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        self.stack.append(self.memo[key])

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def last(self, count: int) -> list[Any]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def append_items(self, items: list[Any]) -> None:
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        names = items[::2]
        # Names alone: a deeply nested tuple as a key would overflow the stack of C.
        if not all(isinstance(name, str) for name in names):
            raise ValueError("a name that is no text")
        self.stack[-1].update(zip(names, items[1::2], strict=True))


_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), _Machine.push),
    "NONE": lambda machine, _: machine.push(None),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "MARK": lambda machine, _: machine.mark(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "APPEND": lambda machine, _: machine.append_items(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append_items(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    # Attributes of a dictionary: the versions of layers, of no use here.
    "BUILD": lambda machine, _: machine.stack.pop(),
    "GLOBAL": lambda machine, name: machine.push(_global(name)),
    "BINPERSID": lambda machine, _: machine.push(_storage(*machine.stack.pop())),
    "REDUCE": lambda machine, _: machine.push(_call(*machine.last(2))),
}


def _global(name: str) -> _Global:
    if name not in (_DICT, _TENSOR, *_TYPES):
        raise ValueError(f"name {name!r}")
    return _Global(name)


def _storage(kind: str, storage_type: _Global, key: str, _: str, size: int, view: None) -> _Storage:
    if kind != "storage" or view is not None or not isinstance(key, str) or not _are_counts((size,)):
        raise ValueError("a storage of another kind")
    return _Storage(key, _TYPES[storage_type.name], size)


def _call(function: _Global, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
    if function.name == _DICT and not arguments:
        return {}
    if function.name != _TENSOR:
        raise ValueError(f"call of {function.name}")
    storage, offset, shape, strides, *_ = arguments
    if not (isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(strides, tuple)):
        raise ValueError("a tensor of another kind")
    if len(shape) > _MAX_DIMENSIONS or not _are_counts((offset, *shape, *strides)):
        raise ValueError("a tensor of an impossible shape")
    return _Tensor(storage, offset, shape, strides)


def _are_counts(numbers: Iterable[Any]) -> bool:
    """Return whether all are whole numbers of 0 or more, of at most 32 bits."""
    return all(isinstance(number, int) and 0 <= number < 2**32 for number in numbers)
