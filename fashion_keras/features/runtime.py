"""A forward pass compiled for this machine: OpenVINO on CPUs, checked against Keras, with Keras itself to fall back on.

A compiled network is stored as files and runs without TensorFlow.
"""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.models.classifier import Classifier
from fashion_keras.models.serialization import WEIGHTS, load_classifier_spec
from fashion_keras.support.atomic_files import atomic_write, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

log = logging.getLogger("fashion_keras")

RUNTIMES = ("auto", "tensorflow", "openvino")
# The least cosine between a row of the compiled network and Keras in float32.
PARITY = {"float32": 0.999999, "bfloat16": 0.9995, "float16": 0.9995}

_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_BATCH = 16


class OpenVINONetwork:
    """A stored network as a function: pixels [b, h, w, 3] float32 in 0..255 -> outputs [b, ...] float32.

    Batches of a fixed size, the last one filled up, run on an asynchronous queue that keeps all cores busy; a single
    image has a network of its own.
    """

    def __init__(self, xml: Path, precision: str = "float32") -> None:
        # Imported here: a machine without OpenVINO works, too.
        import openvino  # noqa: PLC0415

        self._openvino = openvino
        self._xml, self._precision = xml, precision
        self._queues: dict[int, Any] = {}

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network."""
        size = 1 if len(pixels) == 1 else _BATCH
        queue = self._queue(size, pixels.shape[1:])
        results: dict[int, NDArray[np.float32]] = {}
        # The first output is the network's; a converted network may show inner ones, too (EfficientNet's swish).
        queue.set_callback(lambda request, start: results.update({start: request.get_output_tensor(0).data.copy()}))
        for start in range(0, len(pixels), size):
            queue.start_async({0: _filled(pixels[start : start + size], size)}, start)
        queue.wait_all()
        return np.concatenate([results[start] for start in sorted(results)])[: len(pixels)]

    def _queue(self, size: int, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - an openvino.AsyncInferQueue
        if size not in self._queues:
            core = self._openvino.Core()
            model = core.read_model(self._xml)
            model.reshape([size, *shape])
            hint = "THROUGHPUT" if size > 1 else "LATENCY"
            settings = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": _HINTS[self._precision]}
            self._queues[size] = self._openvino.AsyncInferQueue(core.compile_model(model, "CPU", settings))
        return self._queues[size]


def store_network(network: "keras.Model", folder: Path) -> bool:
    """Convert a run's network for OpenVINO and store it in the run folder, if OpenVINO is there and agrees with Keras.

    Writes network.xml and network.bin, and last network.json, which names what they were made of.

    Returns:
        whether it was stored; if not, the log says why.
    """
    if find_spec("openvino") is None:
        log.info("OpenVINO is not installed: predictions will start TensorFlow")
        return False
    xml = folder / "network.xml"
    convert(network, xml)
    pixels = parity_images(network.input.shape[1:])
    agreement = min_row_cosine(OpenVINONetwork(xml)(pixels), network.predict_on_batch(pixels))
    if agreement < PARITY["float32"]:
        log.warning("OpenVINO differs from Keras (cosine %.7f): predictions will start TensorFlow", agreement)
        xml.unlink()
        xml.with_suffix(".bin").unlink()
        return False
    made = {
        "weights": file_sha256(folder / WEIGHTS),
        "files": {path.name: file_sha256(path) for path in _files(folder)},
    }
    write_json(folder / "network.json", made)
    return True


def convert(network: "keras.Model", xml: Path) -> None:
    """Write a network in OpenVINO's format: `xml`, and its weights beside it as .bin, each whole or not there."""
    with atomic_write(xml) as temporary:
        network.export(str(temporary), format="openvino", verbose=False)
        temporary.with_suffix(".bin").replace(xml.with_suffix(".bin"))


def load_classifier(run: str | Path, runtime: str = "auto") -> Classifier:
    """Load the classifier of a finished run folder.

    Args:
        run: the run folder.
        runtime: "openvino": its stored network, without TensorFlow; "tensorflow": Keras; "auto": the first if it is
            stored and OpenVINO is installed, else the second.

    Raises:
        InputError: when the folder holds no model, its files are of another version or were altered, or OpenVINO is
            asked for and not to be had.
    """
    if runtime not in RUNTIMES:
        raise unknown_name_error("runtime", runtime, RUNTIMES)
    folder = Path(run)
    spec, weights = load_classifier_spec(folder)
    stored = (folder / "network.json").is_file() and find_spec("openvino") is not None
    if runtime == "openvino" and not stored:
        raise InputError(f"{folder}: no network stored for OpenVINO, or OpenVINO is not installed; use tensorflow")
    if stored and runtime != "tensorflow":
        _check_stored(folder, weights)
        return Classifier(spec, OpenVINONetwork(folder / "network.xml"))
    import_tensorflow()
    from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

    return Classifier(spec, load_network(folder)[1].predict_on_batch)


def min_row_cosine(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the least cosine between rows of `ours` and `reference`, both [n, ...].

    >>> least_cosine(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])).round(3).item()
    0.707
    """
    ours, reference = (values.reshape(len(values), -1).astype(np.float64) for values in (ours, reference))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    return ((ours * reference).sum(axis=1) / lengths).min()


def parity_images(shape: tuple[int, int, int], count: int = 8) -> NDArray[np.float32]:
    """Return `count` pictures [count, h, w, 3] float32 in 0..255 as products are: one shaded blob on white."""
    height, width, _ = shape
    random = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    radii, centres = random.uniform(0.3, 0.9, (2, count, 1, 1)), random.uniform(-0.2, 0.2, (2, count, 1, 1))
    inside = ((y - centres[0]) / radii[0]) ** 2 + ((x - centres[1]) / radii[1]) ** 2 < 1
    colours = random.uniform(0, 255, (count, 1, 1, 3)) * (0.75 + 0.25 * np.sin(9 * x + 5 * y))[None, :, :, None]
    return np.where(inside[..., None], colours, 255.0).astype(np.float32)


def _filled(pixels: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    return pixels if len(pixels) == size else np.resize(pixels, (size, *pixels.shape[1:]))


def _files(folder: Path) -> list[Path]:
    return [folder / "network.xml", folder / "network.bin"]


def _check_stored(folder: Path, weights: str) -> None:
    made = read_json(folder / "network.json")
    if made["weights"] != weights:
        raise InputError(f"{folder}: network.json was made of other weights; delete it to use model.weights.h5")
    for path in _files(folder):
        if not path.is_file() or file_sha256(path) != made["files"].get(path.name):
            raise InputError(f"{path}: missing or altered; delete {folder / 'network.json'} to use model.weights.h5")
