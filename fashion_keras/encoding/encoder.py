"""An encoder: a frozen network from pixels to vectors, compiled for this machine and known by its fingerprint."""

import hashlib
import logging
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fashion_keras.encoding.runtime import PARITY, OpenVINONetwork, convert, least_cosine, probe
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.classifier import Forward
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import cache_folder

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True)
class Encoder:
    """pixels [b, h, w, 3] float32 in 0..255 -> vectors [b, d] float32.

    Attributes:
        name: of the network.
        image: how a picture becomes pixels.
        forward: the compiled network.
        runtime, precision: what it runs in.
        fingerprint: of network, weights, input, runtime and precision: equal encoders give equal vectors.
    """

    name: str
    image: ImageSpec
    forward: Forward
    runtime: str
    precision: str
    fingerprint: str

    @property
    def about(self) -> dict[str, Any]:
        """What people want to know of it."""
        return {"network": self.name, "image": vars(self.image), "runtime": self.runtime, "precision": self.precision}


def compile_encoder(network: keras.Model, image: ImageSpec, runtime: str = "auto", precision: str = "auto") -> Encoder:
    """Compile a network, in float32 and with outputs [b, d], for this machine.

    OpenVINO compiles it where it is installed; of the precisions allowed, the fastest that agrees with Keras is taken.

    Args:
        network: the frozen network.
        image: its input.
        runtime: auto, tensorflow or openvino.
        precision: float32 or bfloat16; anything else is auto.

    Raises:
        InputError: when OpenVINO is asked for and is not installed, or none of the precisions agrees with Keras.
    """
    weights = _weights_digest(network)
    plain = Encoder(network.name, image, network.predict_on_batch, "tensorflow", "float32", f"{weights}-tensorflow")
    missing = find_spec("openvino") is None
    if runtime == "tensorflow" or (runtime == "auto" and (missing or tf.config.list_physical_devices("GPU"))):
        return plain
    if missing:
        raise InputError("runtime openvino: OpenVINO is not installed; pip install openvino, or use tensorflow")
    xml = cache_folder() / "networks" / weights / "network.xml"
    if not xml.is_file():
        convert(network, xml)
    pixels = probe(network.input.shape[1:], 16)
    reference = network.predict_on_batch(pixels)
    speeds = {}
    for name in (precision,) if precision in PARITY else PARITY:
        compiled = OpenVINONetwork(xml, name)
        if _agrees(compiled(pixels), reference, name):
            speeds[name] = (_seconds(compiled, pixels), compiled)
    if not speeds:
        log.warning("OpenVINO differs from Keras in %s: TensorFlow encodes", network.name)
        return plain
    best = min(speeds, key=lambda name: speeds[name][0])
    log.info("%s runs in OpenVINO, %s", network.name, best)
    return Encoder(network.name, image, speeds[best][1], "openvino", best, f"{weights}-openvino-{best}")


def _agrees(ours: np.ndarray, reference: np.ndarray, precision: str) -> bool:
    """Compare vectors as they are, and less their mean: where all vectors are nearly one, the rest is what counts."""
    middle = reference.mean(axis=0)
    return bool(
        least_cosine(ours, reference) >= PARITY[precision] and least_cosine(ours - middle, reference - middle) >= 0.99
    )


def _seconds(forward: Forward, pixels: np.ndarray) -> float:
    def once() -> float:
        began = time.perf_counter()
        forward(pixels)
        return time.perf_counter() - began

    return min(once() for _ in range(3))


def _weights_digest(network: keras.Model) -> str:
    digest = hashlib.sha256(str((network.input.shape, network.get_layer("scaling").mode)).encode())
    for layer in network.layers:
        digest.update(type(layer).__name__.encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:24]
