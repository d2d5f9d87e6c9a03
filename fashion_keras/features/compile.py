"""Encoder compilation: a frozen network, or its lower part, in the fastest runtime that agrees with Keras."""

import hashlib
import json
import logging
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fashion_keras.features.encoder import Encoder
from fashion_keras.features.networks import KerasNetwork, OpenVINONetwork
from fashion_keras.features.runtime import NETWORK, agrees, conversion_fault, ensure_compiled, parity_images
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.builder import cast_copy
from fashion_keras.models.classifier import Forward
from fashion_keras.models.dtype_policy import computes_bfloat16, dtype_policy
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

# Settings of a layer that do not change its outputs in inference; `module` is the file that a class is in.
_IRRELEVANT = ("name", "module", "trainable", "seed", "build_config", "shared_object_id")
_IRRELEVANT_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def compile_encoder(
    network: keras.Model,
    image_spec: ImageSpec,
    runtime: str = "auto",
    precision: str = "auto",
    storage: str = "float32",
) -> Encoder:
    """Compile a network in float32 for this machine: the fastest way that agrees with the network itself.

    On a CPU that is OpenVINO, where it is installed; on a GPU, or without OpenVINO, Keras in mixed precision. bfloat16
    where the machine computes in it and the outputs agree, else float32; the network as it is if nothing else agrees.

    Args:
        network, image_spec: the frozen network, or its part up to any layer, and its input.
        runtime: auto, tensorflow or openvino.
        precision: auto, float32, bfloat16 or float16.
        storage: type of its outputs on disk: float32 or float16.

    Raises:
        InputError: when OpenVINO is asked for and is not installed, or the network's outputs are not finite.
    """
    identity = network_identity(network, image_spec)
    pixels = parity_images(network.input.shape[1:], 16)
    reference = network.predict_on_batch(pixels)
    if not np.isfinite(reference).all():
        raise InputError(f"{network.name}: outputs are NaN or infinite; its weights are damaged")
    *candidates, plain = _candidates(runtime, precision)
    for candidate in candidates:
        forward = _compile(network, identity, *candidate)
        if agrees(forward(pixels), reference, candidate[1]):
            break
        log.warning("%s in %s, %s differs from Keras in float32", network.name, *candidate)
    else:
        candidate, forward = plain, KerasNetwork(network)
    log.info("%s runs in %s, %s", network.name, *candidate)
    last = network.layers[-1].name
    name = network.name if last in ("pool", "embedding") else f"{network.name}:{last}"
    unit_norm = isinstance(network.layers[-1], keras.layers.UnitNormalization)
    return Encoder(name, image_spec, forward, *candidate, identity, storage, unit_norm)


def network_identity(network: keras.Model, image_spec: ImageSpec) -> str:
    """Return 24 hexadecimal digits of the SHA-256 over input, layers, their settings, connections and weights."""
    config = network.get_config()
    indices = {operation["name"]: index for index, operation in enumerate(config["layers"])}
    text = json.dumps(_relevant(config, indices), sort_keys=True, default=str)
    digest = hashlib.sha256(f"{image_spec}{text}".encode())
    for layer in network.layers:
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:24]


def _relevant(config: Any, indices: dict[str, int]) -> Any:  # noqa: ANN401 - any part of a Keras configuration
    """Return the settings that change outputs; connections, lists that begin with a name, become those of `indices`.

    Names do not count: Keras numbers those that it gives on through a process.
    """
    if isinstance(config, dict):
        return {
            key: _relevant(value, indices)
            for key, value in config.items()
            if key not in _IRRELEVANT and not str(key).endswith(_IRRELEVANT_ENDINGS)
        }
    if isinstance(config, list | tuple):
        return [indices.get(value, value) if isinstance(value, str) else _relevant(value, indices) for value in config]
    return config


def _candidates(runtime: str, precision: str) -> list[tuple[str, str]]:
    """Return (runtime, precision) to try, in a fixed order; the last is Keras in float32, which needs no check."""
    fault = conversion_fault()
    if runtime == "openvino" and fault:
        raise InputError(f"runtime openvino: {fault}; use tensorflow")
    if runtime == "auto":
        runtime = "tensorflow" if fault or tf.config.list_physical_devices("GPU") else "openvino"
    precisions = [precision]
    if precision == "auto":
        precisions = ["bfloat16", "float32"] if computes_bfloat16() else ["float32"]
    elif runtime == "openvino" and precision == "float16":
        # Its CPU plugin has no float16 of its own.
        precisions = ["float32"]
    return [*dict.fromkeys([*((runtime, name) for name in precisions), ("tensorflow", "float32")])]


def _compile(network: keras.Model, identity: str, runtime: str, precision: str) -> Forward:
    if runtime == "tensorflow":
        return KerasNetwork(cast_copy(network, dtype_policy(precision)))
    return OpenVINONetwork(ensure_compiled(network, identity) / NETWORK, precision)
