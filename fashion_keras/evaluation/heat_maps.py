"""Grad-CAM of a network: which pixels raise the logit of a class (Selvaraju et al. 2016, arXiv:1610.02391)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    from keras import KerasTensor, Model

# Places on the shorter side of feature maps that still localize; what most networks end with on 224x224 pixels.
_FINE = 7


def class_heat_maps(
    network: "Model", maps: "KerasTensor", pixels: NDArray[np.float32], codes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return `grad_cam` of the classes `codes` [n] at the size of pixels [n, h, w, 3]: heat [n, h, w] in 0..1."""
    return upsample_heat(grad_cam(network, maps, pixels, codes), pixels.shape[1:3])


def grad_cam(
    network: "Model", maps: "KerasTensor", pixels: NDArray[np.float32], codes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return heat maps [n, a, b] float32 >= 0 of the classes `codes` [n] in pixels [n, h, w, 3] in 0..255.

    Selvaraju et al. 2016, eq. 1 and 2, of a network pixels -> logits [n, k] and the output `maps` of one of its layers:
    the maps, each weighted by the mean gradient of the class's logit, are added up; negative sums become 0.
    """
    import keras  # noqa: PLC0415 - a wrong call must not wait for TensorFlow
    import tensorflow as tf  # noqa: PLC0415

    both = keras.Model(network.input, [maps, network.output])
    # Keras leaves gradients to its backend.
    with tf.GradientTape() as tape:
        inputs = tf.convert_to_tensor(pixels)
        tape.watch(inputs)
        values, logits = both(inputs, training=False)
        explained = tf.gather(logits, codes, axis=1, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(explained, values), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * values, axis=-1)).numpy()


def upsample_heat(heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return heat [n, a, b] as [n, h, w] of `size` (h, w), bilinear, each divided by its largest value unless 0."""
    from keras import ops  # noqa: PLC0415

    large = ops.convert_to_numpy(ops.image.resize(heat[..., None], size, "bilinear"))[..., 0]
    largest = large.max(axis=(1, 2), keepdims=True)
    return large / np.where(largest > 0, largest, 1)


def select_stages(spec: ClassifierSpec, name: str) -> dict[str, str]:
    """Return stage -> its last layer, "" for the backbone's, of the stages that may be used: all, or the one named.

    InputError for an unknown name.
    """
    stages = {"output": ""} if spec.architecture else dict(get_backbone(spec.backbone).stages)
    names = list(stages)
    usable = names[: names.index(spec.cut) + 1] if spec.cut else names
    if name and name not in usable:
        raise unknown_name_error(f"stage of this run's {spec.backbone}", name, usable)
    return {stage: stages[stage] for stage in ([name] if name else usable)}


def select_maps(network: "Model", stages: dict[str, str]) -> tuple[str, "KerasTensor"]:
    """Return the last stage whose maps have 7 places on the shorter side, else the one with the finest, and its maps.

    InputError where they are a single place.
    """
    from fashion_keras.models.builder import last_feature_map  # noqa: PLC0415 - imports TensorFlow

    maps = {
        stage: network.get_layer(layer).output if layer else last_feature_map(network)
        for stage, layer in stages.items()
    }
    sides = {stage: min(features.shape[1:3]) for stage, features in maps.items()}
    stage = next((stage for stage in reversed(sides) if sides[stage] >= _FINE), max(sides, key=sides.get))
    if max(maps[stage].shape[1:3]) == 1:
        raise InputError(f"the feature maps of {stage} are a single place at this image size: name an earlier --stage")
    return stage, maps[stage]
