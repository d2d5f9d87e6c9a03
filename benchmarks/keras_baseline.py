"""Input pipeline of Keras tutorials, the baseline: tf.data from files, and Keras' augmentation layers."""

import keras
import numpy as np
import tensorflow as tf

from fashion_keras.images.augment import Augmentation
from fashion_keras.images.spec import ImageSpec


def batches(
    paths: np.ndarray,
    targets: np.ndarray,
    image: ImageSpec,
    batch_size: int,
    augmentation: Augmentation | None = None,
    shuffle: bool = False,
) -> tf.data.Dataset:
    """Yield (pixels [b, h, w, 3] float32 in 0..255, targets [b, ...]), decoded and augmented on all cores."""
    size = (image.height, image.width)
    data = tf.data.Dataset.from_tensor_slices((paths.tolist(), targets))
    data = data.shuffle(len(paths)) if shuffle else data

    def load(path: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), 3, dct_method="INTEGER_ACCURATE")
        return tf.ensure_shape(tf.image.resize(pixels, size), (*size, 3)), target

    data = data.map(load, tf.data.AUTOTUNE).batch(batch_size)
    if augmentation:
        change = _layers(augmentation)
        data = data.map(lambda pixels, target: (change(pixels, training=True), target), tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE)


def _layers(augmentation: Augmentation) -> keras.Sequential:
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(augmentation.rotation / 360, fill_mode="nearest"),
        keras.layers.RandomTranslation(augmentation.shift_y, augmentation.shift_x, fill_mode="nearest"),
        keras.layers.RandomZoom(augmentation.zoom, augmentation.zoom, fill_mode="nearest"),
    ]
    if augmentation.brightness:
        layers += [keras.layers.RandomBrightness(augmentation.brightness)]
        layers += [keras.layers.RandomContrast(augmentation.contrast)]
    return keras.Sequential(layers)
