"""Augmentation transforms: all geometry in one affine warp, all color in one linear map per image.

TensorFlow is imported when a function is called.
"""

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from fashion_keras.images.augment import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

# Part of the keys of cached features; raise it when the same augmentation would give other pixels.
AUGMENTATION_VERSION = 1
# Random parameters of a view, uniform in 0..1: ten of its geometry, eight of its colors, five of its erased rectangle,
# one of its resolution.
N_RANDOM_PARAMETERS = 24
_LOW_HEIGHT = 80

# Positions of a crop, (x, y) in fractions of the margin around it: the corners and the center.
_CROP_POSITIONS = np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.0, 0.0)], np.float32)

# Maps of RGB rows: to gray of the same luma; to the rest, the chroma; and to that turned by a quarter in YIQ.
_YIQ = np.array([(0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
_LUMA = _YIQ[0].astype(np.float32)
_GRAY = np.outer(_LUMA, np.ones(3, np.float32))
_CHROMA = np.eye(3, dtype=np.float32) - _GRAY
_TURNED_CHROMA = (np.linalg.inv(_YIQ) @ [(0, 0, 0), (0, 0, -1), (0, 1, 0)] @ _YIQ).T.astype(np.float32)

# Principal components of ImageNet's RGB values in 0..255, one per row, as long as their standard deviation.
# Method: Krizhevsky et al. 2012, section 4.1; numbers: fb.resnet.torch and MXNet.
_AXES = np.float32([(-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203)])
_LIGHTING = np.float32([(55.46,), (4.794,), (1.148,)]) * _AXES


def augment_batch(images: "tf.Tensor", parameters: "tf.Tensor", augmentation: Augmentation) -> "tf.Tensor":
    """Return one augmented view of each image [n, h, w, 3] float32 in 0..255; "none" returns them untouched.

    A view depends on its image and its row of `parameters`, [n, N_RANDOM_PARAMETERS] float32 drawn uniformly from 0..1,
    alone; its geometry is the same with and without color. Works in eager mode and inside `tf.data`.
    """
    import tensorflow as tf  # noqa: PLC0415 - reading the presets must not wait 3.5 s for it

    if not (augmentation.has_geometric or augmentation.has_color or augmentation.erase or augmentation.low_resolution):
        return images
    views, (height, width) = images, tf.unstack(tf.shape(images)[1:3])
    if augmentation.low_resolution:
        views = _reduce(views, parameters[:, 23], augmentation.low_resolution)
    if augmentation.has_geometric:
        matrices = affine_matrices(height, width, **_geometry(parameters[:, :10], augmentation))
        views = tf.raw_ops.ImageProjectiveTransformV3(
            images=views,
            transforms=tf.reshape(matrices, [-1, 9])[:, :8],
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
    if augmentation.has_color:
        views = _change_colors(views, parameters[:, 10:18], augmentation)
    if augmentation.erase:
        views = _erase(views, parameters[:, 18:23], augmentation.erase)
    return tf.ensure_shape(tf.clip_by_value(views, 0.0, 255.0), images.shape)


def affine_matrices(
    height: "tf.Tensor | int",
    width: "tf.Tensor | int",
    *,
    rotation: "tf.Tensor",
    shear: "tf.Tensor",
    shift: "tf.Tensor",
    zoom: "tf.Tensor",
    crop: "tf.Tensor",
    place: "tf.Tensor",
    mirror: "tf.Tensor",
) -> "tf.Tensor":
    """Return matrices [n, 3, 3] float32: from a view's pixel (x, y, 1) to the point of its image.

    All float32: `rotation` and `shear` [n] in degrees; in (x, y) order `shift` [n, 2] in fractions of the size, `zoom`
    and `crop` [n, 2] in fractions of the image that stay in view, `place` [n, 2] in -0.5..0.5 of the margin around
    the crop; `mirror` [n], -1 to flip and 1 not to.

    Order and signs are those of `apply_affine_transform` in keras.src.legacy.preprocessing.image, then comes the crop,
    then the flip. The center is the image's own: Keras since late 2020 (keras-preprocessing#318, so after li2020) swaps
    its x and y, which turns an image that is not square around another point.
    """
    import tensorflow as tf  # noqa: PLC0415

    zeros, ones = tf.zeros_like(rotation), tf.ones_like(rotation)

    def matrix(*entries: "tf.Tensor") -> "tf.Tensor":
        return tf.reshape(tf.stack([*entries, zeros, zeros, ones], axis=1), [-1, 3, 3])

    size = tf.cast(tf.stack([width, height]), tf.float32)
    center_x, center_y = tf.unstack((size - 1) / 2 * ones[:, None], axis=1)
    shift_x, shift_y = tf.unstack(size * shift, axis=1)
    place_x, place_y = tf.unstack(size * place * (1 - crop), axis=1)
    turn, lean = np.pi / 180 * rotation, np.pi / 180 * shear
    steps = (
        matrix(ones, zeros, center_x, zeros, ones, center_y),
        matrix(tf.cos(turn), -tf.sin(turn), zeros, tf.sin(turn), tf.cos(turn), zeros),
        matrix(ones, zeros, shift_x, zeros, ones, shift_y),
        matrix(ones, -tf.sin(lean), zeros, zeros, tf.cos(lean), zeros),
        matrix(zoom[:, 0], zeros, zeros, zeros, zoom[:, 1], zeros),
        matrix(crop[:, 0], zeros, place_x, zeros, crop[:, 1], place_y),
        matrix(mirror, zeros, zeros, zeros, ones, zeros),
        matrix(ones, zeros, -center_x, zeros, ones, -center_y),
    )
    return reduce(tf.matmul, steps)


def _reduce(images: "tf.Tensor", parameters: "tf.Tensor", probability: float) -> "tf.Tensor":
    """Return the images, some with the detail that 80 pixels in height leave; `parameters` [n] decide which."""
    import tensorflow as tf  # noqa: PLC0415

    height, width = tf.unstack(tf.shape(images)[1:3])
    low = tf.minimum(_LOW_HEIGHT, height)
    small = tf.image.resize(images, tf.stack([low, tf.maximum(1, width * low // height)]), "area")
    reduced = tf.image.resize(small, tf.stack([height, width]), "bilinear")
    return tf.where((parameters < probability)[:, None, None, None], reduced, images)


def _geometry(parameters: "tf.Tensor", augmentation: Augmentation) -> dict[str, "tf.Tensor"]:
    """Return the arguments of `affine_matrices` for random `parameters` [n, 10]."""
    import tensorflow as tf  # noqa: PLC0415

    ranges = [getattr(augmentation, field) for field in ("rotation", "shear", "shift_x", "shift_y", "zoom", "zoom")]
    jitter = (2 * parameters[:, :6] - 1) * tf.constant(ranges, tf.float32)
    scales = tf.constant(augmentation.crop_scales, tf.float32)
    return {
        "rotation": jitter[:, 0],
        "shear": jitter[:, 1],
        "shift": jitter[:, 2:4],
        "zoom": 1 + jitter[:, 4:6],
        "crop": tf.gather(scales, tf.cast(parameters[:, 6:8] * len(augmentation.crop_scales), tf.int32)),
        "place": tf.gather(_CROP_POSITIONS, tf.cast(parameters[:, 8] * len(_CROP_POSITIONS), tf.int32)),
        "mirror": 1 - 2 * tf.cast(parameters[:, 9] < 0.5 * augmentation.flip, tf.float32),
    }


def _change_colors(images: "tf.Tensor", parameters: "tf.Tensor", augmentation: Augmentation) -> "tf.Tensor":
    """Change lighting, then brightness, contrast around the mean gray, saturation and hue by `parameters` [n, 8]."""
    import tensorflow as tf  # noqa: PLC0415

    def each(values: "tf.Tensor") -> "tf.Tensor":
        return values[:, None, None]

    ranges = [getattr(augmentation, field) for field in ("brightness", "contrast", "saturation", "hue")]
    jitter = (2 * parameters[:, :4] - 1) * tf.constant(ranges, tf.float32)
    brightness, contrast, saturation = tf.unstack(1 + jitter[:, :3], axis=1)
    saturation *= tf.cast(parameters[:, 4] >= augmentation.grayscale, tf.float32)
    hue = np.pi * jitter[:, 3]
    normal = tf.math.ndtri(tf.clip_by_value(parameters[:, 5:], 1e-6, 1 - 1e-6))
    lit = images + each(augmentation.pca_noise * normal @ _LIGHTING)
    gray = tf.linalg.matvec(tf.reduce_mean(lit, axis=[1, 2]), _LUMA)
    color_map = _GRAY + each(saturation * tf.cos(hue)) * _CHROMA + each(saturation * tf.sin(hue)) * _TURNED_CHROMA
    mapped = tf.einsum("nhwc,ncd->nhwd", lit, each(brightness * contrast) * color_map)
    return mapped + each(brightness * (1 - contrast) * gray)[..., None]


def _erase(images: "tf.Tensor", parameters: "tf.Tensor", probability: float) -> "tf.Tensor":
    """Return the images, some with a white rectangle; `parameters` [n, 5] decide which, and where."""
    import tensorflow as tf  # noqa: PLC0415

    def inside(side: int, center: "tf.Tensor", size: "tf.Tensor") -> "tf.Tensor":
        places = (tf.range(side, dtype=tf.float32) + 0.5) / tf.cast(side, tf.float32)
        return tf.abs(places[None] - center[:, None]) < size[:, None] / 2

    sizes = 0.1 + 0.3 * parameters[:, 2:4]
    rows = inside(tf.shape(images)[1], parameters[:, 0], sizes[:, 0])
    columns = inside(tf.shape(images)[2], parameters[:, 1], sizes[:, 1])
    erased = rows[:, :, None] & columns[:, None, :] & (parameters[:, 4] < probability)[:, None, None]
    return tf.where(erased[..., None], 255.0, images)
