"""Model files: HDF5 weights, taggers' arrays, a user's Keras file, PyTorch's tensors, networks of OpenVINO."""

import io
import json
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from fashion_keras.features.networks import OpenVINONetwork
from fashion_keras.features.runtime import compiled_fault
from fashion_keras.models.own_backbone import _read, input_spec
from fashion_keras.models.torch_weights import read_float_tensors
from fashion_keras.support.atomic_files import file_sha256
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.model.manifest import ARRAYS, TaggerManifest
from tests.fuzz.target import Check, Target
from tests.fuzz.targets.documents import JSON_TOKENS


def _network():
    import keras

    layers = keras.layers
    keras.utils.clear_session()
    pixels = keras.Input((8, 6, 3))
    return keras.Model(pixels, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(pixels))))


def _hdf5_seeds() -> list[bytes]:
    """Weights of Keras 3, and in the layout of keras.applications."""
    import h5py

    network, files = _network(), []
    with tempfile.TemporaryDirectory() as folder:
        new, old = Path(folder) / "a.weights.h5", Path(folder) / "b.h5"
        network.save_weights(new)
        with h5py.File(old, "w") as file:
            names = [layer.name for layer in network.layers]
            file.attrs["layer_names"] = [name.encode() for name in names]
            for layer in network.layers:
                group = file.create_group(layer.name)
                group.attrs["weight_names"] = [f"w{n}".encode() for n in range(len(layer.weights))]
                for number, values in enumerate(layer.get_weights()):
                    group.create_dataset(f"w{number}", data=values)
        files += [new.read_bytes(), old.read_bytes()]
    return files


def _prepare_hdf5(folder: Path) -> Check:
    from fashion_keras.models.pretrained_weights import _load_file

    network = _network()

    def check(data: bytes) -> None:
        path = folder / "w.h5"
        path.write_bytes(data)
        _load_file(network, path)

    return check


def _tagger_manifest() -> dict:
    head = {
        "name": "gate",
        "kind": "multi",
        "classes": ["a", "b"],
        "applies_to": [],
        "weight_decay": 0.1,
        "temperature": 1.0,
        "thresholds": [0.5, None],
    }
    return {
        "format": TaggerManifest.FORMAT,
        "sha256": "",
        "encoder": {"name": "e", "weights": "auto", "identity": "i"},
        "target_precision": 0.9,
        "taxonomy": {},
        "gate": head,
        "heads": [{**head, "name": "h", "kind": "single"}],
    }


def _npz_seeds() -> list[bytes]:
    arrays = {
        f"{name}_{n}": np.ones((4, 2) if name == "weights" else 2, np.float32)
        for n in (0, 1)
        for name in ("weights", "bias")
    }
    files = []
    for save in (np.savez, np.savez_compressed):
        sink = io.BytesIO()
        save(sink, **arrays)
        files.append(sink.getvalue())
    return files


def _prepare_npz(folder: Path) -> Check:
    manifest = _tagger_manifest()

    def check(data: bytes) -> None:
        (folder / ARRAYS).write_bytes(data)
        manifest["sha256"] = file_sha256(folder / ARRAYS)
        (folder / TaggerManifest.FILE).write_text(json.dumps(manifest))
        TaggerManifest.read(folder).load_heads(folder)

    return check


def repair_zip(data: bytes) -> bytes:
    """Make the checksums of stored members right, where their sizes still are."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            buffer = bytearray(data)
            for member in archive.infolist():
                start = member.header_offset
                name, extra = struct.unpack_from("<HH", buffer, start + 26)
                body = buffer[start + 30 + name + extra : start + 30 + name + extra + member.compress_size]
                if member.compress_type == 0:
                    crc = struct.pack("<I", zipfile.crc32(bytes(body)))
                    place = data.find(struct.pack("<I", member.CRC))
                    while place >= 0:
                        buffer[place : place + 4] = crc
                        place = data.find(struct.pack("<I", member.CRC), place + 4)
            return bytes(buffer)
    except Exception:  # noqa: BLE001 - a damaged archive stays as it is
        return data


def _keras_seeds() -> list[bytes]:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 32, 24, 3]}},
        {"class_name": "Conv2D", "config": {"name": "conv", "filters": 4}},
    ]
    config = json.dumps({"class_name": "Functional", "config": {"name": "m", "layers": layers}})
    files = []
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", kind) as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("config.json", config)
            archive.writestr("model.weights.h5", b"\x89HDF")
        files.append(sink.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 2**27)
    return [*files, config.encode(), bomb.getvalue()]


def _prepare_keras(folder: Path) -> Check:
    """A Keras file, or the JSON text of its config alone."""
    path = folder / "m.keras"

    def check(data: bytes) -> None:
        if data[:1] == b"{":
            sink = io.BytesIO()
            with zipfile.ZipFile(sink, "w") as archive:
                archive.writestr("config.json", data)
            data = sink.getvalue()
        path.write_bytes(data)
        _read.cache_clear()
        text = _read(str(path), 0)
        input_spec(text, str(path))

    return check


def _torch_seeds() -> list[bytes]:
    """PyTorch's legacy format, written by hand: five pickles and the values."""
    import pickle

    tensor = b"".join(
        [
            b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\1(X\1\0\0\0wq\2ctorch._utils\n_rebuild_tensor_v2\nq\3((X\7\0\0\0storageq\4"
            b"ctorch\nFloatStorage\nq\5X\1\0\0\x000q\6X\3\0\0\0cpuq\7K\4Ntq\x08QK\0K\2K\2\x86q\tK\2K\1\x86q\n\x89h\0)Rq\x0btq\x0cRq\ru.",
        ]
    )
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    keys = pickle.dumps(["0"], 2)
    return [b"".join([*head, tensor, keys, struct.pack("<q", 4), np.arange(4, dtype="<f4").tobytes()])]


def _prepare_torch(folder: Path) -> Check:
    path = folder / "w.pth"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        read_float_tensors(path)

    return check


def _openvino_files() -> tuple[bytes, bytes]:
    import openvino
    from openvino import opset13 as ops

    pixels = ops.parameter([1, 8, 6, 3], np.float32, name="pixels")
    values = ops.reshape(ops.relu(pixels), ops.constant(np.array([1, 144])), False)
    output = ops.matmul(values, ops.constant(np.ones((144, 2), np.float32)), False, False)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "network.xml")
        openvino.serialize(openvino.Model([output], [pixels], "m"), path)
        return Path(path).read_bytes(), Path(path).with_suffix(".bin").read_bytes()


def _prepare_openvino(folder: Path) -> Check:
    """Our own check first: an altered network is refused; then OpenVINO itself, where the hashes are right too."""
    xml, binary = _openvino_files()
    (folder / "network.bin").write_bytes(binary)
    path, pixels = folder / "network.xml", np.zeros((1, 8, 6, 3), np.float32)

    def write(data: bytes) -> None:
        files = {name: file_sha256(folder / name) for name in ("network.xml", "network.bin")}
        path.write_bytes(data)
        (folder / "network.json").write_text(
            json.dumps({"format": "fashion_keras.openvino/2", "source": "s", "files": files})
        )

    path.write_bytes(xml)

    def check(data: bytes) -> None:
        path.write_bytes(xml)
        write(data)
        fault = compiled_fault(folder, "s")
        assert bool(fault) == (data != xml), "an altered network was accepted"
        write(data)
        if fault := compiled_fault(folder, "s"):
            raise InputError(fault)
        OpenVINONetwork(path)(pixels)

    return check


_XML_TOKENS = (
    b"<layer",
    b"</layer>",
    b'type="Const"',
    b'id="0"',
    b'size="99999999999"',
    b'offset="-1"',
    b'shape="1,8,6,3"',
    b"<edge",
    b"from-layer",
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/passwd">]>',
    b"&b;",
    b"f32",
    b"i64",
    b"-1",
    b"TensorIterator",
)
TARGETS = (
    Target(
        "PyTorch tensors",
        _torch_seeds,
        _prepare_torch,
        (b"\x80\x02", b"c", b"R", b"t", b"u", b".", b"q\0", b"h\0", b"Q", b"\x8a\xff", b"cos\nsystem\n", b"K\xff"),
        weight=2,
    ),
    Target(
        "Keras file",
        _keras_seeds,
        _prepare_keras,
        (*JSON_TOKENS, b"PK\x03\x04", b"PK\x01\x02", b"config.json"),
        repair_zip,
        weight=1,
    ),
    Target(
        "tagger arrays",
        _npz_seeds,
        _prepare_npz,
        (b"PK\x03\x04", b"PK\x01\x02", b"weights_0.npy", b"'|O'", b"'<f4'", b"(4, 2)", b"(99999999, 9)"),
        repair_zip,
        weight=1,
    ),
    Target(
        "weights HDF5",
        _hdf5_seeds,
        _prepare_hdf5,
        (b"OHDR", b"TREE", b"HEAP", b"SNOD", b"layer_names", b"weight_names", b"FRHP"),
        weight=0.3,
        in_child=True,
    ),
    Target(
        "OpenVINO network", lambda: [_openvino_files()[0]], _prepare_openvino, _XML_TOKENS, weight=0.05, in_child=True
    ),
)
