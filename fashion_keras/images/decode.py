"""The only way from a file, bytes, PIL image or array to pixels: training, serving, search and tagging all come here.

Pillow and NumPy only: a compiled network must be able to answer without importing TensorFlow.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from fashion_keras.support.errors import InputError, unknown_name_error

ImageLike = str | Path | bytes | Image.Image | np.ndarray

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
FITS = ("pad", "crop", "stretch")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")

# The readers are called directly: `Image.open` would judge the size by a cap of its own, and only by a warning.
_READERS = (
    ("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImagePlugin.JpegImageFile),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    ("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile),
)

_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error)  # raised by the readers
# What turns an image upright whose EXIF orientation is 2, 3, ... 8.
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")

_WORKERS = min(os.cpu_count() or 1, 8)
_FEW = 8  # images that are sooner decoded than handed to threads
# Keyed by the process: a fork inherits the pool but not its threads, and would wait for them for ever.
_threads = cache(lambda process: ThreadPoolExecutor(_WORKERS))


class ImageError(InputError):
    """The image cannot be used; the message is one short reason, after the path when there is one."""


@dataclass(frozen=True)
class ImageSpec:
    """The size that every image is brought to, and how; InputError for a size below 1 and for an unknown name.

    `fit`: "pad" keeps the aspect ratio and centres the image on white (gutierrez2019), "crop" keeps it, fills the
    target and cuts off what sticks out on both sides alike, "stretch" does not keep it.
    `interpolation`: nearest, bilinear, bicubic or lanczos, as Pillow has them: antialiased when they shrink.
    """

    height: int
    width: int
    fit: str = "pad"
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for side, value in (("height", self.height), ("width", self.width)):
            if type(value) is not int or value < 1:
                raise InputError(f"image {side} must be a positive whole number, not {value!r}")
        for kind, value, known in (("fit", self.fit, FITS), ("interpolation", self.interpolation, INTERPOLATIONS)):
            if value not in known:
                raise unknown_name_error(kind, value, known)


def decode(image: ImageLike, spec: ImageSpec | None) -> np.ndarray:
    """Return pixels [height, width, 3] uint8 in 0..255, RGB, upright, on white, fitted to `spec`; None keeps its size.

    `image` is the path or the bytes of a JPEG, PNG or WebP (told by content; of an animation the first frame), a PIL
    image, or an array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]: uint8, uint16 (scaled to 8 bits) or float in 0..255.
    An image that already has the target's size comes back bit for bit.

    Raises ImageError with its reason, after the path when there is one: missing, empty, of another type, broken,
    truncated, larger than MAX_BYTES or MAX_PIXELS, or an array whose values are not pixels in 0..255.
    """
    try:
        return np.array(_fit(_open(image), spec) if spec else _open(image))
    except ImageError as error:
        where = f"{image}: " if isinstance(image, str | Path) else ""
        raise ImageError(f"{where}{error}") from error


def decode_batch(images: Sequence[ImageLike], spec: ImageSpec) -> np.ndarray:
    """Return pixels [n, height, width, 3] uint8 in 0..255 of `images`, in order, each as `decode` gives it.

    Many images are decoded on several threads. Raises ImageError for the first image that `decode` refuses.
    """
    pixels = np.empty((len(images), spec.height, spec.width, 3), np.uint8)

    def fill(row: int) -> None:
        pixels[row] = decode(images[row], spec)

    _for_each(fill, range(len(images)))
    return pixels


def image_sizes(paths: Sequence[Path]) -> list[tuple[int, int] | str]:
    """Return for each path (height, width) when all of it decodes, else the reason why not (without the path)."""

    def size(path: Path) -> tuple[int, int] | str:
        try:
            return _open(path).size[::-1]
        except ImageError as error:
            return str(error)

    return _for_each(size, paths)


def check_images(paths: Sequence[Path]) -> list[str]:
    """Return for each path "" when all of it decodes, else the reason why not (without the path)."""
    return [size if isinstance(size, str) else "" for size in image_sizes(paths)]


def _for_each(function: Callable, items: Sequence) -> list:
    """Return `function` of each item, in order; the threads share many items in a few long parts."""
    if len(items) < _FEW:
        return [function(item) for item in items]
    size = -(-len(items) // (4 * _WORKERS))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    done = _threads(os.getpid()).map(lambda part: [function(item) for item in part], parts)
    return [result for part in done for result in part]


def _open(image: ImageLike) -> Image.Image:
    if isinstance(image, str | Path):
        return _from_bytes(_read(Path(image)))
    if isinstance(image, bytes):
        return _from_bytes(image)
    if isinstance(image, np.ndarray):
        return _to_rgb(_from_array(image))
    if isinstance(image, Image.Image):
        with _explained(image.format or "image"):
            return _to_rgb(_load(image))
    raise ImageError(f"expected a path, bytes, a PIL image or an array, not {type(image).__name__}")


def _read(path: Path) -> bytes:
    try:
        _check_bytes(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ImageError((error.strerror or str(error)).lower()) from error


def _from_bytes(data: bytes) -> Image.Image:
    _check_bytes(len(data))
    name, reader = next(((name, reader) for name, start, reader in _READERS if start.match(data)), (None, None))
    if reader is None:
        raise ImageError(f"not an image: expected JPEG, PNG or WebP (starts with {data[:8]!r})")
    with _explained(name):
        image = _load(reader(BytesIO(data)))
        if name == "JPEG" and _has_hole(image, data):
            raise ImageError("truncated JPEG")
        return _to_rgb(image)


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
    """Tell whether a JPEG's data stop before its last block: libjpeg paints the rest mid-grey and only warns.

    Filler before the end marker changes no whole picture but shows in a hole; only tried below mid-grey.
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


def _from_array(array: np.ndarray) -> Image.Image:
    if array.shape[2:] == (1,):
        array = array[:, :, 0]
    if array.ndim < 2 or array.shape[2:] not in ((), (3,), (4,)):
        raise ImageError(f"array {list(array.shape)}: expected [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]")
    _check_size(*array.shape[1::-1])
    return Image.fromarray(_to_8_bits(array))


def _to_8_bits(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return np.rint(array * (255 / 65535)).astype(np.uint8)
    if array.dtype.kind != "f":
        raise ImageError(f"array of {array.dtype}: expected uint8, uint16 or float pixels in 0..255")
    low, high = array.min(), array.max()
    # Asked so that NaN fails too. Pixels scaled at the wrong place cost li2020 70 points of accuracy.
    if not (low >= 0 and high <= 255) or 0 < high <= 1:
        raise ImageError(f"float array with values in {low:g}..{high:g}: give pixels in 0..255, unscaled")
    return np.rint(array).astype(np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` upright, 8 bits deep, on white, in RGB; what already is all that is returned as it is."""
    image = _upright(image)
    if image.mode[0] in "IF":  # 16-bit, 32-bit and float greys, which Pillow would clip
        image = _from_array(np.asarray(image))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _BROKEN:  # unreadable notes beside pixels that are whole
        return image
    return image.transpose(Image.Transpose[_TURNS[orientation - 2]]) if orientation in range(2, 9) else image


def _fit(image: Image.Image, spec: ImageSpec) -> Image.Image:
    size, resample = (spec.width, spec.height), Image.Resampling[spec.interpolation.upper()]
    if image.size == size:
        return image
    if spec.fit == "stretch":
        return image.resize(size, resample)
    if spec.fit == "crop":
        return ImageOps.fit(image, size, resample)
    scale = min(spec.width / image.width, spec.height / image.height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", size, "white")
    canvas.paste(image.resize((width, height), resample), ((spec.width - width) // 2, (spec.height - height) // 2))
    return canvas
