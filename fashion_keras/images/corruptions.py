"""Image corruptions: other resizers, JPEG compression, shifts, noise and gamma, as pixels that reach a network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.tensorflow_import import import_tensorflow

Pixels = NDArray[np.uint8]
Transform = Callable[[Pixels, Pixels, ImageSpec], Pixels]


@dataclass(frozen=True)
class Corruption:
    """Named change of an image's pixels.

    Attributes:
        apply: (source [h, w, 3], reference [H, W, 3], spec) -> pixels [H, W, 3], all uint8: the original image and the
            image as the network otherwise receives it, to the corrupted image.
        resizes: whether it only replaces the resizer, and so leaves an image of the network's size as it is.
    """

    name: str
    description: str
    apply: Transform
    resizes: bool = False


def resize_area(source: Pixels, height: int, width: int) -> NDArray[np.float64]:
    """Resize [h, w, 3] to [height, width, 3] as OpenCV's INTER_AREA does, before it rounds.

    Shrinking, a pixel is the mean of the area that it covers, with parts of pixels in proportion. Where a side grows,
    OpenCV interpolates: linear between neighbors, but flat where a pixel falls inside one of the source.
    """
    weights = _covered if height <= source.shape[0] and width <= source.shape[1] else _stretched
    rows, columns = weights(source.shape[0], height), weights(source.shape[1], width)
    return np.einsum("ah,hwc,bw->abc", rows, source.astype(np.float64), columns, optimize=True)


def _covered(length: int, target: int) -> NDArray[np.float64]:
    """Return weights [target, length]: the share of each target pixel that each source pixel covers."""
    edges = np.arange(target + 1) * (length / target)
    pixels = np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(shared, 0) * (target / length)


def _stretched(length: int, target: int) -> NDArray[np.float64]:
    places = np.arange(target)
    left = np.floor(places * (length / target)).astype(np.int64)
    share = (places + 1) - (left + 1) * (target / length)
    share = np.where(share > 0, share % 1, 0.0)
    weights = np.zeros((target, length))
    weights[places, left] = 1 - share
    weights[places, np.minimum(left + 1, length - 1)] += share
    return weights


def _resize_by_tensorflow(source: Pixels, height: int, width: int, antialias: bool) -> NDArray[np.float32]:
    import_tensorflow()
    import tensorflow as tf  # noqa: PLC0415 - only when an image is resized by it

    return tf.image.resize(source, (height, width), method="bilinear", antialias=antialias).numpy()


def _with_pillow(interpolation: str) -> Transform:
    return lambda source, reference, spec: decode(source, replace(spec, interpolation=interpolation))


def _with_resizer(resize: Callable[..., NDArray[np.floating]], **settings: bool) -> Transform:
    """Return a transform that fits by another library's resize; `decode` then pads or crops, without resizing again."""

    def apply(source: Pixels, reference: Pixels, spec: ImageSpec) -> Pixels:
        if source.shape == reference.shape:
            return reference
        scales = spec.height / source.shape[0], spec.width / source.shape[1]
        if spec.fit != "stretch":
            scales = [(min if spec.fit == "pad" else max)(scales)] * 2
        height, width = (max(1, round(side * scale)) for side, scale in zip(source.shape, scales, strict=False))
        return decode(_to_8_bits(resize(source, height, width, **settings)), replace(spec, interpolation="nearest"))

    return apply


def _with_change(change: Callable[[Pixels, float], NDArray], strength: float) -> Transform:
    return lambda source, reference, spec: _to_8_bits(change(reference, strength))


def _jpeg(pixels: Pixels, quality: float) -> Pixels:
    stored = BytesIO()
    Image.fromarray(pixels).save(stored, format="JPEG", quality=int(quality))
    return decode(stored.getvalue(), None)


def _shift(pixels: Pixels, fraction: float) -> Pixels:
    """Shift an image right and down, at least a pixel, filling with white."""
    down, right = (max(1, round(side * fraction)) for side in pixels.shape[:2])
    moved = np.full_like(pixels, 255)
    moved[down:, right:] = pixels[:-down, :-right]
    return moved


def _noise(pixels: Pixels, sigma: float) -> NDArray[np.float64]:
    """Add normal noise seeded by the image, so that it does not depend on other images."""
    return pixels + np.random.default_rng(crc32(pixels.tobytes())).normal(scale=sigma, size=pixels.shape)


def _gamma(pixels: Pixels, exponent: float) -> NDArray[np.float64]:
    return 255 * (pixels / 255) ** exponent


def _to_8_bits(pixels: NDArray) -> Pixels:
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


# The first is the reference of all others.
CORRUPTIONS = (
    Corruption("reference", "as in training", lambda source, reference, spec: reference),
    Corruption("nearest", "resized by Pillow, nearest", _with_pillow("nearest"), resizes=True),
    Corruption("bilinear", "resized by Pillow, bilinear (antialiased)", _with_pillow("bilinear"), resizes=True),
    Corruption("bicubic", "resized by Pillow, bicubic (antialiased)", _with_pillow("bicubic"), resizes=True),
    Corruption("lanczos", "resized by Pillow, Lanczos (antialiased)", _with_pillow("lanczos"), resizes=True),
    Corruption("area", "resized by area, as OpenCV's INTER_AREA", _with_resizer(resize_area), resizes=True),
    Corruption("tf_bilinear", "resized by TensorFlow, bilinear", _with_resizer(_resize_by_tensorflow, antialias=False),
               resizes=True),
    Corruption("tf_antialias", "the same, antialiased", _with_resizer(_resize_by_tensorflow, antialias=True),
               resizes=True),
    *(Corruption(f"jpeg_{quality}", f"stored as JPEG of quality {quality}", _with_change(_jpeg, quality))
      for quality in (95, 75, 50, 30)),
    Corruption("shift_2", "moved right and down by 2 % of the sides", _with_change(_shift, 0.02)),
    Corruption("shift_4", "moved right and down by 4 % of the sides", _with_change(_shift, 0.04)),
    Corruption("noise_5", "normal noise, standard deviation 5", _with_change(_noise, 5)),
    Corruption("noise_10", "normal noise, standard deviation 10", _with_change(_noise, 10)),
    Corruption("gamma_0.8", "lighter: gamma 0.8", _with_change(_gamma, 0.8)),
    Corruption("gamma_1.25", "darker: gamma 1.25", _with_change(_gamma, 1.25)),
)  # fmt: skip


def apply_all(image: Pixels, spec: ImageSpec) -> NDArray[np.uint8]:
    """Return `image` [h, w, 3] uint8 under each of the c corruptions, fitted to `spec`, [c, H, W, 3] uint8."""
    reference = decode(image, spec)
    return np.stack([corruption.apply(image, reference, spec) for corruption in CORRUPTIONS])
