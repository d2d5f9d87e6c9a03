"""Files of PyTorch's legacy format: small ones made here byte by byte, and files that try to do harm."""

import pickle
import struct
import time
import tracemalloc
import zipfile
from io import BytesIO

import numpy as np
import pytest

from fashion_keras.models.torch_weights import read_float_tensors
from fashion_keras.support.errors import InputError

MAGIC, PROTOCOL = pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)
SYSTEM = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 4}}, 2)
HEAD = MAGIC + PROTOCOL + SYSTEM
START, STOP = b"\x80\x02", b"."
ORDERED_DICT, REBUILD = b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def plain(value):
    """The instructions that put a value of Python's own types on the stack."""
    return pickle.dumps(value, 2)[len(START) : -len(STOP)]


def storage(key="0", size=6, kind=b"ctorch\nFloatStorage\n", word="storage"):
    return b"(" + text(word) + kind + text(key) + text("cpu") + plain(size) + b"Nt" + b"Q"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, stored=None):
    arguments = (stored or storage()) + plain(offset) + plain(shape) + plain(strides)
    return REBUILD + b"(" + arguments + b"\x89" + ORDERED_DICT + b")R" + b"tR"


def state(**tensors):
    rows = b"".join(text(name) + value for name, value in tensors.items())
    return START + ORDERED_DICT + b")R(" + rows + b"u" + STOP


def values(*numbers, count=None, kind="f"):
    return struct.pack("<q", len(numbers) if count is None else count) + struct.pack(f"<{len(numbers)}{kind}", *numbers)


def small_file(entry=None, keys=("0",), data=None):
    """A file with one tensor [2, 3], or with another entry, keys or values."""
    data = values(1, 2, 3, 4, 5, 6) if data is None else data
    return HEAD + state(weight=entry or tensor()) + pickle.dumps(list(keys), 2) + data


def read(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return read_float_tensors(path)


def test_read_float_tensors_reads_values_shapes_and_order(tmp_path):
    counter = tensor((), (), stored=storage("9", 1, b"ctorch\nLongStorage\n"))
    content = HEAD + state(b=tensor(), counter=counter, a=tensor((2,), (2,), 1, storage("1", 4)))
    content += pickle.dumps(["0", "1", "9"], 2) + values(1, 2, 3, 4, 5, 6) + values(7, 8, 9, 10) + values(3, kind="q")
    tensors = read(tmp_path, content)
    assert list(tensors) == ["b", "a"]
    assert {array.dtype for array in tensors.values()} == {np.dtype("<f4")}
    assert tensors["b"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert tensors["a"].tolist() == [8, 10]


def test_read_float_tensors_follows_strides_and_shared_storages(tmp_path):
    """TensorFlow's kernels, transposed, are stored in columns."""
    content = HEAD + state(columns=tensor(strides=(1, 2)), rows=tensor()) + pickle.dumps(["0"], 2)
    tensors = read(tmp_path, content + values(1, 2, 3, 4, 5, 6))
    assert tensors["columns"].tolist() == [[1, 3, 5], [2, 4, 6]]
    assert tensors["rows"].tolist() == [[1, 2, 3], [4, 5, 6]]


def zip_file():
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", state(weight=tensor()))
    return file.getvalue()


# Tuples in tuples: hash, comparison and text of them would recurse.
DEEP = b")" + 5_000 * b"\x85"
# Name -> (content, the reason given).
HOSTILE = {
    "global of os": (small_file(b"cos\nsystem\n" + text("touch canary") + b"\x85R"), "name 'os system'"),
    "global of builtins": (
        small_file(b"cbuiltins\neval\n" + text("open('canary', 'w')") + b"\x85R"),
        "name 'builtins eval'",
    ),
    "first pickle calls": (START + b"cos\nsystem\n" + text("touch canary") + b"\x85R" + STOP, "name 'os system'"),
    "reduce of an ordered dictionary with arguments": (
        small_file(ORDERED_DICT + text("canary") + b"\x85R"),
        "call of collections OrderedDict",
    ),
    "reduce of a storage type": (small_file(b"ctorch\nFloatStorage\n)R"), "call of torch FloatStorage"),
    "reduce of a text": (small_file(text("os.system") + b")R"), "no attribute 'name'"),
    "instance": (small_file(b"(" + text("touch canary") + b"ios\nsystem\n"), "instruction INST"),
    "object": (small_file(b"(cos\nsystem\n" + text("touch canary") + b"o"), "name 'os system'"),
    "stack global": (
        small_file(text("os") + text("system") + b"\x93" + text("touch canary") + b"\x85R"),
        "instruction STACK_GLOBAL",
    ),
    "new object": (small_file(ORDERED_DICT + b")\x81"), "instruction NEWOBJ"),
    "new object with keywords": (small_file(ORDERED_DICT + b")}\x92"), "instruction NEWOBJ_EX"),
    "persistent id as text": (small_file(b"Pstorage\n"), "instruction PERSID"),
    "extension": (small_file(b"\x82\x01"), "instruction EXT1"),
    "reduce of a memo that is not there": (small_file(b"h\x09)R"), "(9)"),
    "storage of another kind": (small_file(tensor(stored=storage(word="module"))), "a storage of another kind"),
    "storage of another type": (
        small_file(tensor(stored=storage(kind=b"ctorch\nDoubleStorage\n"))),
        "name 'torch DoubleStorage'",
    ),
    "storage type that is a dictionary": (
        small_file(tensor(stored=storage(kind=ORDERED_DICT))),
        "'collections OrderedDict'",
    ),
    "storage of negative size": (
        small_file(tensor(stored=storage(size=-1)), data=values(count=-1)),
        "a storage of another kind",
    ),
    "negative count of values": (small_file(data=values(count=-6)), "-6 values instead of 6"),
    "another count of values": (small_file(data=values(1, 2, 3)), "3 values instead of 6"),
    "huge count of values": (
        small_file(tensor(stored=storage(size=2**31)), data=values(1, count=2**31)),
        "smaller than requested",
    ),
    "count beyond 32 bits": (
        small_file(tensor(stored=storage(size=2**62)), data=values(1, count=2**62)),
        "a storage of another kind",
    ),
    "tensor beyond its storage": (small_file(tensor((3, 3), (3, 1))), "larger than its storage"),
    "offset beyond its storage": (small_file(tensor(offset=1)), "incompatible with shape"),
    "negative offset": (small_file(tensor(offset=-1)), "impossible shape"),
    "strides beyond its storage": (small_file(tensor(strides=(9, 1))), "incompatible with shape"),
    "negative strides": (small_file(tensor(strides=(-3, 1))), "impossible shape"),
    "strides of 0 that blow up": (small_file(tensor((2**20, 2**20), (0, 0))), "larger than its storage"),
    "shape of huge numbers": (small_file(tensor((2**2000,) * 4, (0,) * 4)), "impossible shape"),
    "negative shape": (small_file(tensor((-2, -3))), "impossible shape"),
    "fewer strides than dimensions": (small_file(tensor(strides=(1,))), "must be the same length"),
    "shape of texts": (small_file(tensor(("ab", 2**31), (0, 0))), "impossible shape"),
    "shape of tuples": (small_file(tensor((("ab",), 2**31), (0, 0))), "impossible shape"),
    "shape that is a text": (small_file(tensor("23", "31")), "a tensor of another kind"),
    "shape that can be changed later": (
        small_file(REBUILD + b"(" + storage() + plain(0) + b"]]tR"),
        "a tensor of another kind",
    ),
    "many dimensions": (small_file(tensor((1,) * 5000, (1,) * 5000)), "impossible shape"),
    "whole numbers as weights": (
        small_file(tensor(stored=storage(kind=b"ctorch\nLongStorage\n")), data=values(1, 2, 3, 4, 5, 6, kind="q")),
        "whole numbers",
    ),
    "a value that is no tensor": (small_file(plain(5)), "no tensor"),
    "a tuple as a name": (
        HEAD + START + b"}(" + b")" + 20 * DEEP[1:] + plain(5) + b"u" + STOP + pickle.dumps([], 2),
        "a name that is no text",
    ),
    "nested deeply": (small_file(DEEP), "no tensor"),
    "nested deeply, as a storage": (small_file(DEEP + b"Q"), "missing"),
    "nested deeply, as a function": (small_file(DEEP + b")R"), "no attribute 'name'"),
    "nested deeply, as a key": (
        HEAD + state(weight=tensor()) + START + b"](" + 2 * DEEP + b"e" + STOP,
        "do not belong together",
    ),
    "nested lists": (small_file(5_000 * b"](" + 5_000 * b"e"), "no tensor"),
    "other keys": (small_file(keys=("1",)), "do not belong together"),
    "a key twice": (small_file(keys=("0", "0")), "do not belong together"),
    "two storages of one key": (
        HEAD
        + state(a=tensor(), b=tensor((2,), (1,), stored=storage(size=2)))
        + pickle.dumps(["0"], 2)
        + values(1, 2, 3, 4, 5, 6),
        "do not belong together",
    ),
    "tensors that are a list": (HEAD + pickle.dumps([1], 2) + pickle.dumps(["0"], 2), "no attribute"),
    "long text": (HEAD + START + b"X" + struct.pack("<I", 2**32 - 1) + b"abc", "only 3 remain"),
    "long bytes": (HEAD + START + b"\x8e" + struct.pack("<Q", 2**62) + b"abc", "only 3 remain"),
    "long number": (HEAD + START + b"\x8b" + struct.pack("<i", 2**31 - 1) + b"abc", "not enough data"),
    "number of negative length": (HEAD + START + b"\x8b" + struct.pack("<i", -5) + b"abc", "< 0"),
    "number in text": (HEAD + START + b"I" + 2_000_000 * b"9" + b"\n.", "digits"),
    "long name": (HEAD + START + b"c" + 2_000_000 * b"a" + b"\nb\n.", "name 'aaa"),
    "name that is no text": (HEAD + START + b"X\x02\x00\x00\x00\xff\xfe.", "decode"),
    "millions of instructions": (HEAD + START + 5_000_000 * b"(", "more than 200000"),
    "values but no end": (HEAD + START + 1000 * b"N", "exhausted"),
    "nothing on the stack": (HEAD + START + STOP, "empty"),
    "no mark": (HEAD + START + b"t" + STOP, "empty"),
    "wrong magic": (pickle.dumps(1, 2) + PROTOCOL + SYSTEM + state() + pickle.dumps([], 2), "legacy format"),
    "wrong protocol": (MAGIC + pickle.dumps(1002, 2) + SYSTEM + state() + pickle.dumps([], 2), "legacy format"),
    "zip": (zip_file(), "a zip file"),
    "bytes after the values": (small_file() + b"\x00", "bytes after"),
    "empty": (b"", "empty file"),
    "text": (b"no weights\n", "unknown"),
}


@pytest.mark.parametrize(("content", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_read_float_tensors_refuses_in_one_line_and_executes_nothing(tmp_path, monkeypatch, content, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(content)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(InputError, match=r"weights\.pth: not a file of float tensors") as caught:
        read_float_tensors(tmp_path / "weights.pth")
    seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < len(str(tmp_path)) + 300
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]
    assert peak < 60e6
    assert seconds < 5


def test_read_float_tensors_refuses_a_folder_and_a_missing_file(tmp_path):
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(InputError, match=f"{path.name}: not a file of float tensors"):
            read_float_tensors(path)


def test_read_float_tensors_refuses_every_part_of_a_file(tmp_path):
    content = small_file()
    for length in range(len(content)):
        with pytest.raises(InputError):
            read(tmp_path, content[:length])


@pytest.mark.parametrize("change", [0x01, 0x20, 0xFF])
def test_read_float_tensors_reads_or_refuses_a_file_with_a_changed_byte(tmp_path, change):
    content = small_file()
    refused = 0
    for place in range(len(content)):
        try:
            tensors = read(tmp_path, content[:place] + bytes([content[place] ^ change]) + content[place + 1 :])
        except InputError:
            refused += 1
        else:
            assert all(isinstance(values, np.ndarray) for values in tensors.values())
    assert refused > len(content) / 2
