"""Augmentation presets: all geometry in one affine warp per image, all colour in one linear map per image.

The presets can be read without TensorFlow; the functions that draw and warp import it when they are called.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from fashion_keras.support.errors import InputError, unknown

if TYPE_CHECKING:
    import tensorflow as tf

_MOVES = ("rotation", "shift_x", "shift_y", "shear", "zoom", "flip")
_COLOURS = ("brightness", "contrast", "saturation", "hue", "pca_noise", "grayscale")


@dataclass(frozen=True)
class Augmentation:
    """How far a view may stray from its image: each value is drawn for each image, uniformly within ± its field.

    Geometry, as in Keras' ImageDataGenerator, what lies outside being copied from the nearest edge: `rotation` and
    `shear` in degrees, `shift_x` and `shift_y` in fractions of the width and height, `zoom` a fraction for each axis by
    itself, `flip` left to right for half of the images. `crop_scales`: what fractions of the image a crop may be wide
    and high, each picked by itself; the crop lies in a corner or in the centre and is brought back to the full size.

    Colour, as in MXNet's CreateAugmenter: `brightness`, `contrast` (around the image's mean grey) and `saturation` as
    fractions, `hue` as a fraction of half a turn, `pca_noise` the standard deviation of AlexNet's lighting noise,
    `grayscale` the probability of a grey view.

    Raises InputError for a field below 0, a zoom of 1 or more, and a crop scale outside 0..1.
    """

    name: str
    rotation: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    crop_scales: tuple[float, ...] = (1.0,)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    pca_noise: float = 0.0
    grayscale: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that would turn an image inside out."""
        for field in (*_MOVES, *_COLOURS):
            if not getattr(self, field) >= 0:
                raise InputError(f"augmentation {self.name}: {field} must be 0 or more, not {getattr(self, field)!r}")
        if self.zoom >= 1:
            raise InputError(f"augmentation {self.name}: zoom must be below 1, not {self.zoom!r}")
        if not self.crop_scales or not all(0 < scale <= 1 for scale in self.crop_scales):
            raise InputError(f"augmentation {self.name}: crop scales must lie in 0..1, not {self.crop_scales!r}")

    @property
    def moves(self) -> bool:
        """Whether a view's geometry differs from its image's."""
        return self.crop_scales != (1.0,) or any(getattr(self, field) for field in _MOVES)

    @property
    def recolours(self) -> bool:
        """Whether a view's colours differ from its image's."""
        return any(getattr(self, field) for field in _COLOURS)


PRESETS = (
    Augmentation("none"),
    # For product photos on white.
    Augmentation(
        "default",
        **{"rotation": 10.0, "shift_x": 0.1, "shift_y": 0.1, "zoom": 0.15, "flip": True},
        **{"brightness": 0.15, "contrast": 0.15, "saturation": 0.1},
    ),
    # The authors' "shear 0.2" reads like a fraction, but ImageDataGenerator takes degrees: next to nothing, kept as is.
    Augmentation("li2020", rotation=40.0, shift_x=0.2, shift_y=0.2, shear=0.2, zoom=0.2, flip=True),
    Augmentation("schindler2018", shift_x=0.25, shift_y=0.25, zoom=0.25, flip=True),
    # The paper names the six changes of colour but not their sizes: here those of fb.resnet.torch, hue and grey ours.
    Augmentation(
        "gutierrez2019",
        flip=True,
        **{"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "pca_noise": 0.1, "grayscale": 0.1},
    ),
    Augmentation("guo2019", flip=True, crop_scales=(1.0, 0.9375, 0.875)),
)

# Where a crop may lie, in fractions of the room that it leaves, from the centre: the corners and the centre.
_PLACES = np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.0, 0.0)], np.float32)

# RGB to YIQ (rounded so that grey has no chroma at all); maps of RGB rows that keep the luma: to grey, to chroma alone,
# and to chroma turned by a quarter.
_YIQ = np.array([(0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
_LUMA = _YIQ[0].astype(np.float32)
_GREY = np.outer(_LUMA, np.ones(3, np.float32))
_CHROMA = np.eye(3, dtype=np.float32) - _GREY
_TURNED = (np.linalg.inv(_YIQ) @ [(0, 0, 0), (0, 0, -1), (0, 1, 0)] @ _YIQ).T.astype(np.float32)

# Principal components of the RGB values of ImageNet, rows scaled to 0..255 (method: Krizhevsky et al. 2012, section 4.1;
# numbers: cuda-convnet, fb.resnet.torch, MXNet).
_LIGHTING = np.array([55.46, 4.794, 1.148], np.float32)[:, None] * np.array(
    [(-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203)], np.float32
)


def get_augmentation(name: str) -> Augmentation:
    """Return the preset called `name`; an unknown name raises InputError with the known ones and the nearest."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise unknown("augmentation", name, (preset.name for preset in PRESETS))


def without_colour(augmentation: Augmentation) -> Augmentation:
    """Return the same geometry with every change of colour off: for tasks whose labels are colours.

    >>> without_colour(get_augmentation("default")).brightness
    0.0
    """
    return replace(augmentation, **dict.fromkeys(_COLOURS, 0.0))


def augment_batch(images: "tf.Tensor", seed: "tf.Tensor", augmentation: Augmentation) -> "tf.Tensor":
    """Return one view of each image [n, h, w, 3] float32 in 0..255, in the same form; "none" returns them untouched.

    The views follow from `seed` [2] int32 alone, and their geometry is the same with and without colour. Works in
    eager mode and inside `tf.data`.
    """
    import tensorflow as tf  # noqa: PLC0415 - 3.5 s, for which whoever only reads the presets must not wait

    count, height, width = tf.unstack(tf.shape(images)[:3])
    geometry, colour = tf.unstack(tf.random.split(seed, 2))
    if augmentation.moves:
        matrices = affine_matrices(height, width, **_draw_moves(geometry, count, augmentation))
        images = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.reshape(matrices, [-1, 9])[:, :8],
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
    if augmentation.recolours:
        images = _recolour(images, **_draw_colours(colour, count, augmentation))
    return images


Number = "tf.Tensor | float"


def affine_matrices(
    height: Number,
    width: Number,
    rotation: "tf.Tensor",
    *,
    shift_x: Number = 0.0,
    shift_y: Number = 0.0,
    shear: Number = 0.0,
    zoom_x: Number = 1.0,
    zoom_y: Number = 1.0,
    crop_x: Number = 1.0,
    crop_y: Number = 1.0,
    place_x: Number = 0.0,
    place_y: Number = 0.0,
    mirror: Number = 1.0,
) -> "tf.Tensor":
    """Return [n, 3, 3] float32: from a view's pixel (x, y, 1) to the pixel of its image that it shows.

    Each parameter is [n] float32 or one number: `rotation` and `shear` in degrees, shifts in fractions of the width and
    height, zooms and crops in fractions of the image that stay in view, places in -0.5..0.5 of the room that the crop
    leaves, `mirror` -1 to flip and 1 not to.

    Order and signs are those of `apply_affine_transform` in keras.src.legacy.preprocessing.image, then the crop, then
    the flip. The centre is the image's: Keras since 2020-10 (keras-preprocessing#318, after the papers) swaps the
    centre's x and y, which on images that are not square turns them around a point off the centre.
    """
    import tensorflow as tf  # noqa: PLC0415

    def matrix(*entries: Number) -> "tf.Tensor":
        rows = [tf.broadcast_to(tf.cast(entry, tf.float32), tf.shape(rotation)) for entry in (*entries, 0, 0, 1)]
        return tf.reshape(tf.stack(rows, axis=1), [-1, 3, 3])

    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    x, y = (width - 1) / 2, (height - 1) / 2
    turn, lean = np.pi / 180 * rotation, np.pi / 180 * shear
    steps = (
        matrix(1, 0, x, 0, 1, y),
        matrix(tf.cos(turn), -tf.sin(turn), 0, tf.sin(turn), tf.cos(turn), 0),
        matrix(1, 0, shift_x * width, 0, 1, shift_y * height),
        matrix(1, -tf.sin(lean), 0, 0, tf.cos(lean), 0),
        matrix(zoom_x, 0, 0, 0, zoom_y, 0),
        matrix(crop_x, 0, place_x * (1 - crop_x) * width, 0, crop_y, place_y * (1 - crop_y) * height),
        matrix(mirror, 0, 0, 0, 1, 0),
        matrix(1, 0, -x, 0, 1, -y),
    )
    return reduce(tf.matmul, steps)


def _draw_moves(seed: "tf.Tensor", count: "tf.Tensor", augmentation: Augmentation) -> dict[str, "tf.Tensor"]:
    """Draw the parameters of `affine_matrices`, each [count] float32."""
    import tensorflow as tf  # noqa: PLC0415

    within = [getattr(augmentation, field) for field in ("rotation", "shift_x", "shift_y", "shear", "zoom", "zoom")]
    draws = tf.random.stateless_uniform([10, count], seed)
    rotation, shift_x, shift_y, shear, zoom_x, zoom_y = tf.unstack((2 * draws[:6] - 1) * tf.constant(within)[:, None])
    scales = tf.constant(augmentation.crop_scales)
    crop_x, crop_y = tf.unstack(tf.gather(scales, tf.cast(draws[6:8] * len(augmentation.crop_scales), tf.int32)))
    place_x, place_y = tf.unstack(tf.gather(_PLACES, tf.cast(draws[8] * len(_PLACES), tf.int32)), axis=1)
    return {
        **{"rotation": rotation, "shift_x": shift_x, "shift_y": shift_y, "shear": shear},
        **{"zoom_x": 1 + zoom_x, "zoom_y": 1 + zoom_y},
        **{"crop_x": crop_x, "crop_y": crop_y, "place_x": place_x, "place_y": place_y},
        "mirror": 1 - 2 * tf.cast(draws[9] < 0.5 * augmentation.flip, tf.float32),
    }


def _draw_colours(seed: "tf.Tensor", count: "tf.Tensor", augmentation: Augmentation) -> dict[str, "tf.Tensor"]:
    """Draw the parameters of `_recolour`, each [count] float32, the light [count, 3]."""
    import tensorflow as tf  # noqa: PLC0415

    within = [getattr(augmentation, field) for field in ("brightness", "contrast", "saturation", "hue")]
    jitter, light = tf.unstack(tf.random.split(seed, 2))
    draws = tf.random.stateless_uniform([5, count], jitter)
    brightness, contrast, saturation, hue = tf.unstack((2 * draws[:4] - 1) * tf.constant(within)[:, None])
    coloured = tf.cast(draws[4] >= augmentation.grayscale, tf.float32)
    return {
        **{"brightness": 1 + brightness, "contrast": 1 + contrast},
        **{"saturation": (1 + saturation) * coloured, "hue": np.pi * hue},
        "light": tf.random.stateless_normal([count, 3], light, stddev=augmentation.pca_noise) @ _LIGHTING,
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
    grey = tf.reduce_mean(tf.linalg.matvec(lit, _LUMA), axis=[1, 2])
    colours = _GREY + each(saturation * tf.cos(hue)) * _CHROMA + each(saturation * tf.sin(hue)) * _TURNED
    mapped = tf.einsum("nhwc,ncd->nhwd", lit, each(brightness * contrast) * colours)
    return tf.clip_by_value(mapped + each(brightness * (1 - contrast) * grey)[..., None], 0.0, 255.0)
