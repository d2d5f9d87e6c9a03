"""An encoder: a frozen network from pixels to vectors, compiled for this machine and known by its fingerprint."""

import hashlib
import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fashion_keras.encoding.runtime import PARITY, OpenVINONetwork, convert, least_cosine, probe
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.classifier import Forward
from fashion_keras.models.precision import computes_bfloat16
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

    OpenVINO compiles it where it is installed; in bfloat16 where the machine computes in it and the vectors
    agree with Keras', else in float32. Where neither agrees, or on a GPU, Keras itself encodes.

    Args:
        network: the frozen network.
        image: its input.
        runtime: auto, tensorflow or openvino.
        precision: float32 or bfloat16; anything else is auto.

    Raises:
        InputError: when OpenVINO is asked for and is not installed.
    """
    weights = _digest(network, image)
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
    for name in _precisions(precision):
        compiled = OpenVINONetwork(xml, name)
        if _agrees(compiled(pixels), reference, name):
            log.info("%s runs in OpenVINO, %s", network.name, name)
            return Encoder(network.name, image, compiled, "openvino", name, f"{weights}-openvino-{name}")
        log.warning("OpenVINO in %s differs from Keras in %s", name, network.name)
    return plain


def _precisions(precision: str) -> tuple[str, ...]:
    """The precisions to try; which is taken must not hang on a measurement, or runs could not be repeated."""
    if precision in PARITY:
        return (precision,)
    return ("bfloat16", "float32") if computes_bfloat16() else ("float32",)


def _agrees(ours: np.ndarray, reference: np.ndarray, precision: str) -> bool:
    """Compare vectors as they are, and less their mean: where all vectors are nearly one, the rest is what counts."""
    middle = reference.mean(axis=0)
    return bool(
        least_cosine(ours, reference) >= PARITY[precision] and least_cosine(ours - middle, reference - middle) >= 0.99
    )


def _digest(network: keras.Model, image: ImageSpec) -> str:
    digest = hashlib.sha256(str((image, network.get_layer("scaling").mode)).encode())
    for layer in network.layers:
        digest.update(type(layer).__name__.encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:24]
