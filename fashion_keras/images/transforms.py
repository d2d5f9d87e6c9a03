"""Views of images, as an augmentation allows: all geometry in one affine warp, all colour in one linear map per image.

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
# How many random numbers decide what a view looks like: ten its geometry, eight its colours, five what is erased.
N_RANDOM_PARAMETERS = 23

# Where a crop may lie, (x, y) in fractions of the room that it leaves around it: in a corner or in the centre.
_PLACES = np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.0, 0.0)], np.float32)

# Maps of RGB rows: to grey of the same luma; to what is left, the chroma; and that turned by a quarter in YIQ.
_YIQ = np.array([(0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
_LUMA = _YIQ[0].astype(np.float32)
_GREY = np.outer(_LUMA, np.ones(3, np.float32))
_CHROMA = np.eye(3, dtype=np.float32) - _GREY
_TURNED = (np.linalg.inv(_YIQ) @ [(0, 0, 0), (0, 0, -1), (0, 1, 0)] @ _YIQ).T.astype(np.float32)

# Principal components of ImageNet's RGB values in 0..255, one per row, as long as their standard deviation.
# Method: Krizhevsky et al. 2012, section 4.1; numbers: fb.resnet.torch and MXNet.
_AXES = np.float32([(-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203)])
_LIGHTING = np.float32([(55.46,), (4.794,), (1.148,)]) * _AXES


def augment_batch(images: "tf.Tensor", chances: "tf.Tensor", augmentation: Augmentation) -> "tf.Tensor":
    """Return one view of each image [n, h, w, 3] float32 in 0..255, in the same form; "none" returns them untouched.

    A view follows from its image and its row of `chances`, [n, CHANCES] float32 drawn uniformly from 0..1, alone; its
    geometry is the same with and without colour. Works in eager mode and inside `tf.data`.
    """
    import tensorflow as tf  # noqa: PLC0415 - 3.5 s, for which whoever only reads the presets must not wait

    if not (augmentation.has_geometric or augmentation.has_color or augmentation.erase):
        return images
    views, (height, width) = images, tf.unstack(tf.shape(images)[1:3])
    if augmentation.has_geometric:
        matrices = affine_matrices(height, width, **_moves(chances[:, :10], augmentation))
        views = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.reshape(matrices, [-1, 9])[:, :8],
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
    if augmentation.has_color:
        views = _recolour(views, **_colours(chances[:, 10:18], augmentation))
    if augmentation.erase:
        views = _erase(views, chances[:, 18:], augmentation.erase)
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
    """Return [n, 3, 3] float32: from a view's pixel (x, y, 1) to the point of its image that it shows.

    All float32: `rotation` and `shear` [n] in degrees; in (x, y) order `shift` [n, 2] in fractions of the size, `zoom`
    and `crop` [n, 2] in fractions of the image that stay in view, `place` [n, 2] in -0.5..0.5 of the room that the crop
    leaves; `mirror` [n], -1 to flip and 1 not to.

    Order and signs are those of `apply_affine_transform` in keras.src.legacy.preprocessing.image, then comes the crop,
    then the flip. The centre is the image's own: Keras since late 2020 (keras-preprocessing#318, so after li2020) swaps
    its x and y, which turns an image that is not square around another point.
    """
    import tensorflow as tf  # noqa: PLC0415

    zero, one = tf.zeros_like(rotation), tf.ones_like(rotation)

    def matrix(*entries: "tf.Tensor") -> "tf.Tensor":
        return tf.reshape(tf.stack([*entries, zero, zero, one], axis=1), [-1, 3, 3])

    size = tf.cast(tf.stack([width, height]), tf.float32)
    centre_x, centre_y = tf.unstack((size - 1) / 2 * one[:, None], axis=1)
    shift_x, shift_y = tf.unstack(size * shift, axis=1)
    place_x, place_y = tf.unstack(size * place * (1 - crop), axis=1)
    turn, lean = np.pi / 180 * rotation, np.pi / 180 * shear
    steps = (
        matrix(one, zero, centre_x, zero, one, centre_y),
        matrix(tf.cos(turn), -tf.sin(turn), zero, tf.sin(turn), tf.cos(turn), zero),
        matrix(one, zero, shift_x, zero, one, shift_y),
        matrix(one, -tf.sin(lean), zero, zero, tf.cos(lean), zero),
        matrix(zoom[:, 0], zero, zero, zero, zoom[:, 1], zero),
        matrix(crop[:, 0], zero, place_x, zero, crop[:, 1], place_y),
        matrix(mirror, zero, zero, zero, one, zero),
        matrix(one, zero, -centre_x, zero, one, -centre_y),
    )
    return reduce(tf.matmul, steps)


def _moves(chances: "tf.Tensor", augmentation: Augmentation) -> dict[str, "tf.Tensor"]:
    """Turn `chances` [n, 10] into what `affine_matrices` takes."""
    import tensorflow as tf  # noqa: PLC0415

    within = [getattr(augmentation, field) for field in ("rotation", "shear", "shift_x", "shift_y", "zoom", "zoom")]
    jitter = (2 * chances[:, :6] - 1) * tf.constant(within, tf.float32)
    scales = tf.constant(augmentation.crop_scales, tf.float32)
    return {
        "rotation": jitter[:, 0],
        "shear": jitter[:, 1],
        "shift": jitter[:, 2:4],
        "zoom": 1 + jitter[:, 4:6],
        "crop": tf.gather(scales, tf.cast(chances[:, 6:8] * len(augmentation.crop_scales), tf.int32)),
        "place": tf.gather(_PLACES, tf.cast(chances[:, 8] * len(_PLACES), tf.int32)),
        "mirror": 1 - 2 * tf.cast(chances[:, 9] < 0.5 * augmentation.flip, tf.float32),
    }


def _colours(chances: "tf.Tensor", augmentation: Augmentation) -> dict[str, "tf.Tensor"]:
    """Turn `chances` [n, 8] into what `_recolour` takes."""
    import tensorflow as tf  # noqa: PLC0415

    within = [getattr(augmentation, field) for field in ("brightness", "contrast", "saturation", "hue")]
    jitter = (2 * chances[:, :4] - 1) * tf.constant(within, tf.float32)
    coloured = tf.cast(chances[:, 4] >= augmentation.grayscale, tf.float32)
    normal = tf.math.ndtri(tf.clip_by_value(chances[:, 5:], 1e-6, 1 - 1e-6))
    return {
        "brightness": 1 + jitter[:, 0],
        "contrast": 1 + jitter[:, 1],
        "saturation": (1 + jitter[:, 2]) * coloured,
        "hue": np.pi * jitter[:, 3],
        "light": augmentation.pca_noise * normal @ _LIGHTING,
    }


def _recolour(
    images: "tf.Tensor",
    brightness: "tf.Tensor",
    contrast: "tf.Tensor",
    saturation: "tf.Tensor",
    hue: "tf.Tensor",
    light: "tf.Tensor",
) -> "tf.Tensor":
    """Light each image, then change its brightness, its contrast around its mean grey, its saturation and its hue."""
    import tensorflow as tf  # noqa: PLC0415

    def each(values: "tf.Tensor") -> "tf.Tensor":
        return values[:, None, None]

    lit = images + each(light)
    grey = tf.linalg.matvec(tf.reduce_mean(lit, axis=[1, 2]), _LUMA)
    colours = _GREY + each(saturation * tf.cos(hue)) * _CHROMA + each(saturation * tf.sin(hue)) * _TURNED
    mapped = tf.einsum("nhwc,ncd->nhwd", lit, each(brightness * contrast) * colours)
    return mapped + each(brightness * (1 - contrast) * grey)[..., None]


def _erase(images: "tf.Tensor", chances: "tf.Tensor", probability: float) -> "tf.Tensor":
    """Paint a rectangle of an image white, or not, as its `chances` [n, 5] say."""
    import tensorflow as tf  # noqa: PLC0415

    def within(side: int, centre: "tf.Tensor", size: "tf.Tensor") -> "tf.Tensor":
        places = (tf.range(side, dtype=tf.float32) + 0.5) / tf.cast(side, tf.float32)
        return tf.abs(places[None] - centre[:, None]) < size[:, None] / 2

    sizes = 0.1 + 0.3 * chances[:, 2:4]
    rows = within(tf.shape(images)[1], chances[:, 0], sizes[:, 0])
    columns = within(tf.shape(images)[2], chances[:, 1], sizes[:, 1])
    painted = rows[:, :, None] & columns[:, None, :] & (chances[:, 4] < probability)[:, None, None]
    return tf.where(painted[..., None], 255.0, images)
