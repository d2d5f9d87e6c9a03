"""Raster images: Pillow images and arrays become upright 8-bit RGB pixels on white, or one reason why not."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from fashion_keras.support.errors import InputError

MAX_PIXELS = 64_000_000
_BAND_PIXELS = 2**22  # converted at a time: whole images of MAX_PIXELS would take gigabytes on the way

# What Pillow raises on broken files.
BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, RuntimeError, AssertionError, AttributeError,
    ArithmeticError, struct.error, zlib.error,
)  # fmt: skip
Pixels = NDArray[np.uint8]


class ImageError(InputError):
    """Unusable image; the message is one short reason, after the path when there is one."""


@dataclass(frozen=True)
class Raster:
    """Decoded image.

    Attributes:
        pixels [h, w, 3]: uint8, upright RGB on white.
        height, width: of the whole image, upright.
        reduction: 1, 2, 4 or 8: the pixels are the image at this part of its height and width, rounded up.
    """

    pixels: Pixels
    height: int
    width: int
    reduction: int = 1


def from_array(array: NDArray) -> Raster:
    """Return an array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4] of numbers as `to_8_bits` takes them."""
    if array.shape[2:] == (1,):
        array = array[:, :, 0]
    if array.ndim < 2 or array.shape[2:] not in ((), (3,), (4,)):
        raise ImageError(f"array {list(array.shape)}: expected [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]")
    check_size(*array.shape[:2])
    pixels = to_8_bits(array)
    if pixels.shape[2:] == (3,):
        return Raster(np.array(pixels, order="C"), *pixels.shape[:2])
    return from_loaded(Image.fromarray(pixels))


def from_loaded(image: Image.Image) -> Raster:
    """Return a PIL image of any mode whose pixels are loaded; it stays as it is."""
    turned = orientation(image)
    if image.mode in ("I", "F"):
        image = Image.fromarray(to_8_bits(np.asarray(image)))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top, bottom in bands(image.height, image.width):
        band = image if bottom - top == image.height else image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = np.asarray(_to_rgb(band))
    pixels = turn(pixels, turned)
    return Raster(pixels, *pixels.shape[:2])


def bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, row after the last) of bands of an image; what is made of a band takes some 100 MB at most."""
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def to_8_bits(array: NDArray) -> Pixels:
    """Return integers or floats in 0..255, or floats in 0..1, as uint8 in 0..255.

    Floats are taken for fractions when none is above 1 and some lie between 0 and 1. Raises ImageError for floats of 0
    and 1 alone, which may be either, and for other values and types.
    """
    if array.dtype == np.uint8 or not array.size:
        return array.astype(np.uint8, copy=False)
    if array.dtype.name == "bfloat16":  # TensorFlow's and JAX's; NumPy itself knows no such kind
        array = array.astype(np.float32)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"array of {array.dtype}: expected integer or float pixels in 0..255")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):  # `not` so that NaN fails too
        raise ImageError(
            f"{array.dtype} array with values in {low:g}..{high:g}: pass pixels in 0..255, or fractions in 0..1"
        )
    scale = 255 if array.dtype.kind == "f" and 0 < high <= 1 else 1
    if scale == 255 and ((array == 0) | (array == 1)).all():
        raise ImageError(f"{array.dtype} array of 0 and 1 alone: pass pixels in 0..255 as uint8")
    pixels = np.empty(array.shape, np.uint8)
    size = max(1, _BAND_PIXELS // array[0].size)
    for start in range(0, len(array), size):
        part = array[start : start + size]
        pixels[start : start + size] = np.rint(part.astype(np.float64) * scale if scale > 1 else part)
    return pixels


def check_size(height: int, width: int) -> None:
    """Raise ImageError for a size of no or too many pixels."""
    if width * height == 0:
        raise ImageError(f"empty image ({width}x{height} pixels)")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels is above the cap of {MAX_PIXELS}")


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a PIL image, 1 to 8; 1 where its metadata cannot be read."""
    try:
        number = image.getexif().get(ExifTags.Base.Orientation)
    except BROKEN:  # unreadable metadata beside pixels that are whole
        return 1
    return number if number in range(1, 9) else 1


def turn(pixels: Pixels, orientation: int) -> Pixels:
    """Return pixels [h, w, 3] of an EXIF orientation upright; from 5 on, height and width are exchanged."""
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation in (7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (6, 7):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels.swapaxes(0, 1) if orientation >= 5 else pixels)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` 8 bits deep, on white, in RGB; an image that already is all that comes back itself."""
    if image.mode.startswith("I;16"):  # deep gray, which Pillow would clip
        image = Image.fromarray(np.rint(np.asarray(image) * (255 / 65535)).astype(np.uint8))
    elif image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    if image.has_transparency_data:
        straight = image.convert({"La": "LA"}.get(image.mode, image.mode)).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), straight)
    return image if image.mode == "RGB" else image.convert("RGB")
