"""Networks compiled for OpenVINO: stored with their sha256, checked against Keras, and loaded without TensorFlow.

A folder holds network.xml, network.bin and, written last, network.json with the sha256 of both and of the weights.
"""

import logging
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from fashion_keras.features.networks import BUILDING, KerasNetwork, OpenVINONetwork
from fashion_keras.models.classifier import Classifier
from fashion_keras.models.serialization import WEIGHTS, load_classifier_spec
from fashion_keras.support.atomic_files import atomic_write, cache_dir, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.safe_paths import check_file_name, check_links
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

log = logging.getLogger("fashion_keras")

RUNTIMES = ("auto", "tensorflow", "openvino")
NETWORK, MANIFEST = "network.xml", "network.json"
# Parity: the smallest cosine allowed between a row of the compiled network and the same row of Keras in float32.
PARITY = {"float32": 0.999999, "bfloat16": 0.9995, "float16": 0.9995}

_FORMAT = "fashion_keras.openvino/2"
_FILES = (NETWORK, "network.bin")
# Largest error of the outputs, in proportion to their spread around the mean.
_MAX_ERROR = 0.14


def load_classifier(run: str | Path, runtime: str = "auto") -> Classifier:
    """Load the classifier of a finished run folder; safe to call, and to use, from many threads at once.

    Args:
        run: the run folder.
        runtime: "openvino": its stored network, without TensorFlow; "tensorflow": Keras; "auto": the first if it is
            stored and OpenVINO is installed, else the second.

    Raises:
        InputError: when the folder holds no whole model of this version, or OpenVINO is requested and not available.
    """
    if runtime not in RUNTIMES:
        raise unknown_name_error("runtime", runtime, RUNTIMES)
    folder = Path(run)
    spec, weights = load_classifier_spec(folder)
    stored = (folder / MANIFEST).is_file() and find_spec("openvino") is not None
    if runtime == "openvino" and not stored:
        raise InputError(f"{folder}: no network stored for OpenVINO, or OpenVINO is not installed; use tensorflow")
    if stored and runtime != "tensorflow":
        if fault := compiled_fault(folder, weights):
            raise InputError(f"{fault}; delete {folder / MANIFEST} to use {WEIGHTS}")
        return Classifier(spec, OpenVINONetwork(folder / NETWORK), partial(_load_network, folder))
    network = _load_network(folder)
    return Classifier(spec, KerasNetwork(network), lambda: network)


def _load_network(folder: Path) -> "keras.Model":
    import_tensorflow()
    from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

    with BUILDING:
        return load_network(folder)[1]


def store_network(network: "keras.Model", folder: Path) -> bool:
    """Compile a network into the folder of its weights; False, and the reason in the log, where it differs."""
    if reason := conversion_fault():
        log.info("%s: predictions will start Keras", reason)
        return False
    convert(network, folder)
    pixels = parity_images(network.input.shape[1:])
    if not agrees(OpenVINONetwork(folder / NETWORK)(pixels), network.predict_on_batch(pixels), "float32"):
        log.warning("OpenVINO differs from Keras: predictions will start TensorFlow")
        for name in _FILES:
            (folder / name).unlink()
        return False
    _write_manifest(folder, file_sha256(folder / WEIGHTS))
    return True


def replace_stored(folder: Path, xml: Path) -> None:
    """Replace the network that is stored in the folder of its weights by another that was made of it."""
    (folder / MANIFEST).unlink()
    for name in _FILES:
        xml.with_name(name).replace(folder / name)
    _write_manifest(folder, file_sha256(folder / WEIGHTS))


def conversion_fault() -> str:
    """Return "" where a Keras network can be converted for OpenVINO, else why not."""
    import keras  # noqa: PLC0415 - a compiled network runs without it

    if find_spec("openvino") is None:
        return "OpenVINO is not installed"
    if keras.config.backend() != "tensorflow":
        return f"OpenVINO converts networks of Keras' tensorflow backend alone, not of {keras.config.backend()}"
    return ""


def compiled_folder(identity: str) -> Path:
    """Return the folder of the cache with the network of that identity, compiled for OpenVINO."""
    return cache_dir() / "networks" / check_file_name(identity, "the identity of an encoder")


def ensure_compiled(network: "keras.Model", identity: str) -> Path:
    """Return the folder of the cache with a network, compiled if it is not there; processes and threads wait."""
    folder = compiled_folder(identity)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if compiled_fault(folder, identity):
            convert(network, folder)
            _write_manifest(folder, identity)
    return folder


def compiled_fault(folder: Path, source: str) -> str:
    """Return "" when a folder holds the whole compiled network made of `source`, else what is wrong, and where."""
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
    except InputError as error:
        return str(error)
    if manifest.get("format") != _FORMAT:
        return f"{path}: format {manifest.get('format')!r}; this version reads {_FORMAT}"
    if manifest.get("source") != source:
        return f"{path}: made of other weights"
    if not isinstance(files := manifest.get("files"), dict):
        return f"{path}: damaged (no files)"
    try:
        check_links(folder, _FILES)
    except InputError as error:
        return str(error)
    for name in _FILES:
        if not (folder / name).is_file() or file_sha256(folder / name) != files.get(name):
            return f"{folder / name}: missing or altered"
    return ""


def convert(network: "keras.Model", folder: Path) -> None:
    """Write network.xml and network.bin, each complete or absent.

    As `keras.Model.export` of Keras 3.13 and later; older ones have no such format, or need an older OpenVINO.
    """
    import openvino  # noqa: PLC0415 - a machine with a GPU runs Keras
    import tensorflow as tf  # noqa: PLC0415 - a compiled network runs without it

    if sys.version_info >= (3, 13):
        # OpenVINO finds this version in a way that Python 3.13 ended: github.com/openvinotoolkit/openvino/pull/32482.
        conversion = import_module("openvino.frontend.tensorflow.utils")
        conversion.get_environment_setup = lambda _: {"tensorflow": tf.__version__}
    pixels = tf.TensorSpec((None, *network.input_shape[1:]), network.input.dtype)
    forward = tf.function(lambda batch: network(batch, training=False)).get_concrete_function(pixels)
    xml = folder / NETWORK
    with atomic_write(xml) as temporary:
        openvino.serialize(openvino.convert_model(forward), str(temporary))
        temporary.with_suffix(".bin").replace(xml.with_suffix(".bin"))


def _write_manifest(folder: Path, source: str) -> None:
    files = {name: file_sha256(folder / name) for name in _FILES}
    write_json(folder / MANIFEST, {"format": _FORMAT, "source": source, "files": files})


def agrees(outputs: NDArray[np.float32], reference: NDArray[np.float32], precision: str) -> bool:
    """Parity check: return whether outputs [n, ...] equal `reference`, Keras in float32, up to `precision`.

    The error must be small in proportion to the rows' spread, too: where all are nearly the same, so are their cosines.
    NaN and infinite values never agree.
    """
    if not (np.isfinite(outputs).all() and np.isfinite(reference).all()):
        return False
    error, spread = np.linalg.norm(outputs - reference), np.linalg.norm(reference - reference.mean(axis=0))
    return bool(min_row_cosine(outputs, reference) >= PARITY[precision] and error <= _MAX_ERROR * spread)


def min_row_cosine(outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the least cosine between rows of `outputs` and `reference`, both [n, ...].

    >>> min_row_cosine(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])).round(3).item()
    0.707
    """
    outputs, reference = (values.reshape(len(values), -1).astype(np.float64) for values in (outputs, reference))
    lengths = np.linalg.norm(outputs, axis=1) * np.linalg.norm(reference, axis=1)
    return ((outputs * reference).sum(axis=1) / lengths).min()


def parity_images(shape: tuple[int, int, int], count: int = 8) -> NDArray[np.float32]:
    """Return `count` images [count, h, w, 3] float32 in 0..255 that resemble products: one shaded blob on white."""
    height, width, _ = shape
    random = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    radii, centers = random.uniform(0.3, 0.9, (2, count, 1, 1)), random.uniform(-0.2, 0.2, (2, count, 1, 1))
    inside = ((y - centers[0]) / radii[0]) ** 2 + ((x - centers[1]) / radii[1]) ** 2 < 1
    colors = random.uniform(0, 255, (count, 1, 1, 3)) * (0.75 + 0.25 * np.sin(9 * x + 5 * y))[None, :, :, None]
    return np.where(inside[..., None], colors, 255.0).astype(np.float32)
