"""JPEG, PNG and WebP readers: encoded bytes to an upright 8-bit RGB image on white, or one reason why not.

Pillow and NumPy only: a compiled network predicts without TensorFlow.
"""

import errno
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from fashion_keras.support.errors import InputError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000

# The readers are called directly: `Image.open` checks the size against a limit of its own, and only by a warning.
_READERS = (
    ("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImagePlugin.JpegImageFile),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    ("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile),
)

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error)  # raised by the readers
# The transposition that turns an image upright whose EXIF orientation is 2, 3, ... 8.
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")


class ImageError(InputError):
    """Unusable image; the message is one short reason, after the path when there is one."""


def read_file(path: Path) -> bytes:
    """Return a file's content; ImageError when it is missing, a directory, empty or above `MAX_BYTES`.

    Raises:
        InputError: when the process has no file handles or memory left.
    """
    try:
        if path.is_dir():
            raise ImageError("is a directory; pass its image files, or read it as a catalog")
        _check_bytes(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        if error.errno in _SHORTAGES:  # no fault of the image, which must not be rejected for it
            raise InputError(f"{path}: {error.strerror.lower()}; close files or raise the limit (ulimit -n)") from error
        raise ImageError((error.strerror or str(error)).lower()) from error


def from_bytes(data: bytes) -> Image.Image:
    """Decode a JPEG, PNG or WebP, recognized by its content; of an animation the first frame."""
    _check_bytes(len(data))
    name, reader = next(((name, reader) for name, start, reader in _READERS if start.match(data)), (None, None))
    if reader is None:
        raise ImageError(f"not an image: expected JPEG, PNG or WebP (starts with {data[:8]!r})")
    with _explained(name):
        image = _load(reader(BytesIO(data)))
        if name == "JPEG" and _has_hole(image, data):
            raise ImageError("truncated JPEG")
        return _to_rgb(image)


def from_pil(image: Image.Image) -> Image.Image:
    """Return a PIL image of any mode as upright 8-bit RGB on white; the caller's image stays as it is."""
    with _explained(image.format or "image"):
        return _to_rgb(_load(image))


def from_array(array: NDArray) -> Image.Image:
    """Return an array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4] of integers or floats in 0..255 as RGB on white."""
    if array.shape[2:] == (1,):
        array = array[:, :, 0]
    if array.ndim < 2 or array.shape[2:] not in ((), (3,), (4,)):
        raise ImageError(f"array {list(array.shape)}: expected [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]")
    _check_size(*array.shape[1::-1])
    return _to_rgb(Image.fromarray(_to_8_bits(array)))


def _to_8_bits(array: NDArray) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype.name == "bfloat16":  # TensorFlow's and JAX's; NumPy itself knows no such kind
        array = array.astype(np.float32)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"array of {array.dtype}: expected integer or float pixels in 0..255")
    low, high = array.min(), array.max()
    # `not` so that NaN fails too. Pixels scaled at the wrong place cost li2020 70 points of accuracy.
    if not (low >= 0 and high <= 255) or (array.dtype.kind == "f" and 0 < high <= 1):
        raise ImageError(f"{array.dtype} array with values in {low:g}..{high:g}: give pixels in 0..255, unscaled")
    return np.rint(array).astype(np.uint8)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what Pillow raises on a broken image of format `name` into an ImageError."""
    try:
        yield
    except InputError:
        raise
    except (*_BROKEN, Image.DecompressionBombError) as error:
        fault = f"truncated {name}" if "truncated" in str(error).lower() else f"broken {name} ({error})"
        raise ImageError(fault) from error


def _load(image: Image.Image) -> Image.Image:
    _check_size(*image.size)  # the header's, before any pixel is decoded
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise InputError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so that broken images pass; set it to False")
    image.load()
    return image


def _has_hole(image: Image.Image, data: bytes) -> bool:
    """Return whether a JPEG's data stop before its last block: libjpeg paints the rest mid-gray and only warns.

    Filler before the end marker changes no whole image but shows in a hole; only tried below mid-gray.
    """
    if not {127, 128}.issuperset(np.atleast_1d(image.getpixel((image.width - 1, image.height - 1)))):
        return False
    end = data.rfind(b"\xff\xd9")
    filled = JpegImagePlugin.JpegImageFile(BytesIO(data[:end] + bytes(range(64)) + data[end:]))
    return image.tobytes() != filled.tobytes()


def _check_bytes(count: int) -> None:
    if not 0 < count <= MAX_BYTES:
        raise ImageError(f"{count} bytes is above the cap of {MAX_BYTES}" if count else "empty file")


def _check_size(width: int, height: int) -> None:
    if width * height == 0:
        raise ImageError(f"empty image ({width}x{height} pixels)")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels is above the cap of {MAX_PIXELS}")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` upright, 8 bits deep, on white, in RGB; an image that already is all that comes back itself."""
    image = _upright(image)
    if image.mode.startswith("I;16"):  # deep gray, which Pillow would clip
        image = Image.fromarray(np.rint(np.asarray(image) * (255 / 65535)).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(_to_8_bits(np.asarray(image)))
    elif image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    if image.has_transparency_data:
        straight = image.convert({"La": "LA"}.get(image.mode, image.mode)).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), straight)
    return image if image.mode == "RGB" else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _BROKEN:  # unreadable metadata beside pixels that are whole
        return image
    return image.transpose(Image.Transpose[_TURNS[orientation - 2]]) if orientation in range(2, 9) else image
