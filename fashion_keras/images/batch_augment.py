"""Batch augmentation by keras.layers: MixUp, CutMix and RandAugment, whose views depend on the batch.

Keras is imported when a function is called.
"""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from fashion_keras.images.augment import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

# Pixels [b, h, w, 3] float32 in 0..255, targets [b, k], epoch and step -> augmented pixels and targets.
BatchAugmentation = Callable[["tf.Tensor", "tf.Tensor", "tf.Tensor", "tf.Tensor"], tuple["tf.Tensor", "tf.Tensor"]]


def batch_augmentation(augmentation: Augmentation, seed: int) -> BatchAugmentation:
    """Return the function that applies `rand_augment`, then `mix`, inside `tf.data`.

    What it draws depends on seed, epoch and step alone; mixed targets are one-hot, float32.
    """
    import keras  # noqa: PLC0415 - reading the presets must not wait for it
    import tensorflow as tf  # noqa: PLC0415

    mixes = {"mixup": partial(keras.layers.MixUp, alpha=0.2), "cutmix": partial(keras.layers.CutMix, factor=(1.0, 1.0))}
    layers = []
    if augmentation.rand_augment:
        layers.append(keras.layers.RandAugment(value_range=(0, 255), factor=augmentation.rand_augment, seed=0))
    if augmentation.mix:
        layers.append(mixes[augmentation.mix](seed=0))
    # The state of a layer's random numbers is set before each batch, by one thread at a time.
    lock = Lock()

    def augment(
        pixels: "tf.Tensor", targets: "tf.Tensor", epoch: "tf.Tensor", step: "tf.Tensor"
    ) -> tuple["tf.Tensor", "tf.Tensor"]:
        with lock:
            for number, layer in enumerate(layers):
                state = np.random.SeedSequence((seed, int(epoch), int(step), number)).generate_state(2)
                layer.generator.state.assign(state.astype(layer.generator.state.dtype))
                if isinstance(layer, keras.layers.RandAugment):
                    pixels = layer(pixels, training=True)
                else:
                    data = layer({"images": pixels, "labels": targets}, training=True)
                    pixels, targets = data["images"], data["labels"]
        return tf.clip_by_value(pixels, 0.0, 255.0), targets

    def in_graph(
        pixels: "tf.Tensor", targets: "tf.Tensor", epoch: "tf.Tensor", step: "tf.Tensor"
    ) -> tuple["tf.Tensor", "tf.Tensor"]:
        # Eagerly: in a graph, Keras' layers draw from a state that no seed can set.
        views, mixed = tf.py_function(augment, [pixels, targets, epoch, step], (tf.float32, targets.dtype))
        return tf.ensure_shape(views, pixels.shape), tf.ensure_shape(mixed, targets.shape)

    return in_graph
