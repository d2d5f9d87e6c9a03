"""A frozen network, or its trunk, compiled for this machine: the fastest way that agrees with Keras."""

import hashlib
import logging
from functools import partial
from importlib.util import find_spec

import keras
import numpy as np
import tensorflow as tf

from fashion_keras.features.encoder import Encoder, compiled_network_path
from fashion_keras.features.runtime import PARITY, OpenVINONetwork, convert, min_row_cosine, parity_images
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.builder import cast_copy
from fashion_keras.models.classifier import Forward
from fashion_keras.models.dtype_policy import computes_bfloat16, dtype_policy
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")


def compile_encoder(
    network: keras.Model,
    image: ImageSpec,
    runtime: str = "auto",
    precision: str = "auto",
    storage: str = "float32",
) -> Encoder:
    """Compile a network in float32 for this machine: the fastest way that agrees with the network itself.

    On a CPU that is OpenVINO, where it is installed; on a GPU, or without OpenVINO, Keras in mixed precision. bfloat16
    where the machine computes in it and the outputs agree, else float32; the network as it is if nothing else agrees.

    Args:
        network: the frozen network, or a cut of it at any layer.
        image: its input.
        runtime: auto, tensorflow or openvino.
        precision: auto, float32, bfloat16 or float16.
        storage: how its outputs are kept on disk: float32 or float16.

    Raises:
        InputError: when OpenVINO is asked for and is not installed.
    """
    weights = _digest(network, image)
    pixels = parity_images(network.input.shape[1:], 16)
    reference = network.predict_on_batch(pixels)
    *tries, plain = _ways(runtime, precision)
    for way in tries:
        forward = _compile(network, weights, *way)
        if _agrees(forward(pixels), reference, way[1]):
            break
        log.warning("%s in %s, %s differs from Keras in float32", network.name, *way)
    else:
        way, forward = plain, network.predict_on_batch
    log.info("%s runs in %s, %s", network.name, *way)
    last = network.layers[-1].name
    name = network.name if last in ("pool", "embedding") else f"{network.name}:{last}"
    unit_norm = isinstance(network.layers[-1], keras.layers.UnitNormalization)
    return Encoder(name, image, forward, *way, weights, storage, unit_norm)


def _ways(runtime: str, precision: str) -> list[tuple[str, str]]:
    """(runtime, precision) to try in this order; which is taken must not hang on a timing, or no run could be repeated.

    The last is Keras in float32, which needs no check.
    """
    missing = find_spec("openvino") is None
    if runtime == "openvino" and missing:
        raise InputError("runtime openvino: OpenVINO is not installed; pip install openvino, or use tensorflow")
    if runtime == "auto":
        runtime = "tensorflow" if missing or tf.config.list_physical_devices("GPU") else "openvino"
    precisions = [precision]
    if precision == "auto":
        precisions = ["bfloat16", "float32"] if computes_bfloat16() else ["float32"]
    if runtime == "openvino":
        # Its CPU plugin has no float16 of its own.
        precisions = ["float32" if name == "float16" else name for name in precisions]
    tries = [(runtime, name) for name in precisions]
    plain = ("tensorflow", "float32")
    return [*(way for way in tries if way != plain), plain]


def _compile(network: keras.Model, weights: str, runtime: str, precision: str) -> Forward:
    if runtime == "tensorflow":
        return partial(_in_float32, cast_copy(network, dtype_policy(precision)))
    xml = compiled_network_path(weights)
    if not xml.is_file():
        convert(network, xml)
    return OpenVINONetwork(xml, precision)


def _in_float32(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(network.predict_on_batch(pixels)).astype(np.float32)


def _agrees(ours: np.ndarray, reference: np.ndarray, precision: str) -> bool:
    """Compare vectors as they are, and less their mean: where all vectors are nearly one, the rest is what counts."""
    middle = reference.mean(axis=0)
    return bool(
        min_row_cosine(ours, reference) >= PARITY[precision]
        and min_row_cosine(ours - middle, reference - middle) >= 0.99
    )


def _digest(network: keras.Model, image: ImageSpec) -> str:
    digest = hashlib.sha256(str((image, network.get_layer("scaling").mode)).encode())
    for layer in network.layers:
        digest.update(type(layer).__name__.encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:24]
