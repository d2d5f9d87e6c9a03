"""Thumbnails of the images in an index: decoded, made smaller, encoded again, kept in memory."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import simplejpeg

from fashion_keras.images.decode import thumbnail
from fashion_keras.images.raster import ImageError
from fashion_keras.images.references import read_reference, reference_state

SIZES = (96, 240, 480, 960)
_QUALITY = 85
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG file, and a tag that is another one when the image has changed."""

    data: bytes
    etag: str


class Thumbnails:
    """Thumbnails by path and size; the last ones that were used, up to 64 MiB. Threads may share it.

    What is sent was encoded here: neither metadata, such as a place, nor hidden data of the file are passed on.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stored: OrderedDict[tuple[str, int, str], Thumbnail] = OrderedDict()
        self._bytes = 0

    def get(self, path: str, side: int) -> Thumbnail:
        """Return the JPEG of an image, its longer side `side` pixels or fewer; `path` is as `read_reference` takes it.

        Raises:
            FileNotFoundError: for an image that is not there any more.
            ImageError: for a damaged one.
            InputError: for one at an address that does not reply.
        """
        state = reference_state(path)
        if not state:
            raise FileNotFoundError(path)
        key = path, side, state
        with self._lock:
            if key in self._stored:
                self._stored.move_to_end(key)
                return self._stored[key]
        try:
            pixels = thumbnail(read_reference(path), side)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None
        data = simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorsubsampling="420")
        made = Thumbnail(data, f'"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}"')
        with self._lock:
            if key not in self._stored:
                self._bytes += len(data)
            self._stored[key] = made
            while self._bytes > _MAX_BYTES:
                self._bytes -= len(self._stored.popitem(last=False)[1].data)
        return made
