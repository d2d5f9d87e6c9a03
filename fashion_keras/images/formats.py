"""Image formats: encoded bytes, recognized by their content, to upright 8-bit RGB pixels, or one reason why not.

No TensorFlow: a compiled network predicts without it.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import PIL
import simplejpeg
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fashion_keras.images.jpeg import check_scans, has_hole, read_jpeg
from fashion_keras.images.raster import BROKEN, ImageError, Raster, check_size, from_loaded
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError

MAX_BYTES = 64 * 2**20

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_NEW_SUBFILE_TYPE = 254


@dataclass(frozen=True)
class _Format:
    """Image format: its name, the first bytes of its files, and the reader of its header."""

    name: str
    start: re.Pattern[bytes]
    reader: Callable[[BytesIO], ImageFile.ImageFile]


def _read_tiff(stream: BytesIO) -> ImageFile.ImageFile:
    image = TiffImageFile(stream)
    if image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) & 1:
        raise ImageError("a TIFF that begins with a thumbnail, as raw files of cameras do; convert it to JPEG")
    # Pillow leaves the rows of strips that are not there black.
    if (
        sum((right - left) * (bottom - top) for _, (left, top, right, bottom), *_ in image.tile)
        < image.width * image.height
    ):
        raise ImageError("truncated TIFF")
    return image


def _read_heic(stream: BytesIO) -> ImageFile.ImageFile:
    try:
        from pillow_heif import HeifImageFile  # noqa: PLC0415 - an extra
    except ImportError:
        raise ImageError("HEIC is read by an extra: pip install 'fashion_keras[heic]', or convert it") from None
    return HeifImageFile(stream)


# All that is ever read: no other reader of Pillow can be reached by a file. They are called directly, because
# `Image.open` checks the size against a limit of its own, and only by a warning.
_FORMATS = (
    _Format("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    _Format("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    _Format("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    _Format("AVIF", re.compile(rb".{4}ftyp.{0,40}avi[fs]", re.DOTALL), AvifImageFile),
    _Format("HEIC", re.compile(rb".{4}ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL), _read_heic),
    _Format("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]"), _read_tiff),
    _Format("GIF", re.compile(rb"GIF8[79]a"), GifImageFile),
    _Format("BMP", re.compile(rb"BM.{4}\0{4}", re.DOTALL), BmpImageFile),
)
_NAMES = f"{', '.join(format_.name for format_ in _FORMATS[:-1])} or {_FORMATS[-1].name}"


def read_file(path: str | Path) -> bytes:
    """Return a file's content; ImageError when it is missing, a directory, empty or above `MAX_BYTES`.

    Raises:
        InputError: when the process has no file handles or memory left.
    """
    try:
        _check_bytes(os.stat(path).st_size)  # noqa: PTH116 - sooner than by a Path, as the next
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except ImageError:
        raise
    except ValueError as error:  # a NUL character, or half of one beyond 16 bits
        raise ImageError(f"not the name of a file ({error})") from None
    except OSError as error:
        if error.errno in _SHORTAGES:  # no fault of the image, which must not be rejected for it
            raise InputError(f"{path}: {error.strerror.lower()}; close files or raise the limit (ulimit -n)") from error
        if os.path.isdir(path):  # noqa: PTH112 - no error for a name that is too long
            raise ImageError("is a directory; pass its image files, or read it as a catalog") from None
        raise ImageError((error.strerror or str(error)).lower()) from error


class UnknownFormatError(ImageError):
    """Bytes that begin as no image format that is read here."""


def read_size(data: bytes) -> tuple[int, int]:
    """Return height and width of an encoded image by its header, as stored: no pixel is decoded, nothing is turned.

    Raises:
        UnknownFormatError: for what is no image.
        ImageError: for a broken header, no pixels, or more than `MAX_PIXELS`.
    """
    format_ = _format_of(data)
    with _explained(format_.name):
        image = format_.reader(BytesIO(data))
        check_size(image.height, image.width)
        return image.height, image.width


def from_bytes(data: bytes, spec: ImageSpec | None = None) -> Raster:
    """Decode an image of one of the formats above; of several frames or pages the first.

    A large JPEG is decoded at the part of its size that is enough for `spec`; None for all of it.
    """
    format_ = _format_of(data)
    _check_pillow()
    if format_.name == "JPEG":
        check_scans(data)
        if raster := read_jpeg(data, spec):
            return raster
    with _explained(format_.name):
        image = _load(format_.reader(BytesIO(data)))
        if format_.name == "JPEG" and has_hole(image, data):
            raise ImageError("truncated JPEG")
        return from_loaded(image)


def _format_of(data: bytes) -> _Format:
    _check_bytes(len(data))
    format_ = next((format_ for format_ in _FORMATS if format_.start.match(data)), None)
    if format_ is None:
        raise UnknownFormatError(f"not an image: expected {_NAMES} (starts with {data[:8]!r})")
    return format_


def from_pil(image: Image.Image) -> Raster:
    """Return a PIL image of any mode; the caller's image stays as it is."""
    _check_pillow()
    with _explained(image.format or "image"):
        return from_loaded(_load(image))


@cache
def decoder_versions() -> str:
    """Return the versions of the libraries that decode; a file that one of them refused may be read by another."""
    try:
        from pillow_heif import __version__ as heif  # noqa: PLC0415 - an extra
    except ImportError:
        heif = "none"
    return f"Pillow {PIL.__version__}, simplejpeg {simplejpeg.__version__}, pillow-heif {heif}"


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what Pillow raises on a broken image of format `name` into an ImageError."""
    try:
        yield
    except InputError:
        raise
    except (*BROKEN, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ImageError(
            f"truncated {name}" if "truncated" in reason.lower() else f"broken {name} ({reason})"
        ) from error


def _load(image: Image.Image) -> Image.Image:
    declared = image.size
    check_size(image.height, image.width)  # the header's, before any pixel is decoded
    image.load()
    if sorted(image.size) != sorted(declared):  # some are turned as they are loaded
        raise ImageError("{}x{} pixels in the header, {}x{} in the data".format(*declared, *image.size))
    return image


def _check_pillow() -> None:
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise InputError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so that broken images pass; set it to False")


def _check_bytes(count: int) -> None:
    if not 0 < count <= MAX_BYTES:
        raise ImageError(f"{count} bytes is above the cap of {MAX_BYTES}" if count else "empty file")
