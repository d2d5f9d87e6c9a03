"""Thumbnails of the images in an index: decoded, made smaller, encoded again, kept in memory."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import simplejpeg

from fashion_keras.images.decode import thumbnail

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
        self._stored: OrderedDict[tuple[str, int, int, int], Thumbnail] = OrderedDict()
        self._bytes = 0

    def get(self, path: str, side: int) -> Thumbnail:
        """Return the JPEG of an image file, its longer side `side` pixels or fewer.

        Raises:
            OSError: for a file that is not there any more.
            ImageError: for a damaged file.
        """
        state = Path(path).stat()
        key = path, side, state.st_size, state.st_mtime_ns
        with self._lock:
            if key in self._stored:
                self._stored.move_to_end(key)
                return self._stored[key]
        data = simplejpeg.encode_jpeg(thumbnail(path, side), quality=_QUALITY, colorsubsampling="420")
        made = Thumbnail(data, f'"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}"')
        with self._lock:
            if key not in self._stored:
                self._bytes += len(data)
            self._stored[key] = made
            while self._bytes > _MAX_BYTES:
                self._bytes -= len(self._stored.popitem(last=False)[1].data)
        return made
