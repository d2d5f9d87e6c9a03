"""Resized images on disk: what training decodes once is read in later epochs and runs.

One SQLite database per image size in the cache folder, one row of raw pixels per content of an image file.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import DECODING_VERSION, decode_batch
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import image_hashes
from fashion_keras.support.atomic_files import cache_dir

log = logging.getLogger("fashion_keras")

Result = TypeVar("Result")

# Of all sizes together; databases that were not used for longest are deleted for new ones.
MAX_CACHE_BYTES = 16 * 2**30
# With SQLite's default, 4096, reading takes twice as long.
_OPENING = (
    "PRAGMA page_size = 32768",
    "CREATE TABLE IF NOT EXISTS images (content_hash TEXT PRIMARY KEY, pixels BLOB NOT NULL)",
)


class ResizedCache:
    """Reader of images of one size, which decodes those that the cache lacks and adds them.

    Rows are keyed by the content of the image file; several threads and processes may share a cache. When it is full,
    or its database cannot be used, the log has one warning and images are decoded.
    """

    def __init__(self, paths: Sequence[str | Path], spec: ImageSpec) -> None:
        self.paths, self.spec, self.hashes = paths, spec, image_hashes(paths).tolist()
        name = f"{spec.height}x{spec.width}-{spec.fit}-{spec.interpolation}-{DECODING_VERSION}.sqlite"
        self.file = cache_dir() / "resized" / name
        self.reads = self.writes = True
        with suppress(OSError):  # there may be none yet
            os.utime(self.file)

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pixels [b, h, w, 3] of images by their rows in `paths`.

        Raises:
            ImageError: for the first image that cannot be used.
        """
        pixels = np.empty((len(rows), self.spec.height, self.spec.width, 3), np.uint8)
        hashes = [self.hashes[row] for row in rows]
        stored = self._stored(hashes) if self.reads else {}
        missing = [place for place, content_hash in enumerate(hashes) if content_hash not in stored]
        for place, content_hash in enumerate(hashes):
            if content_hash in stored:
                pixels[place] = np.frombuffer(stored[content_hash], np.uint8).reshape(pixels.shape[1:])
        if missing:
            pixels[missing] = decode_batch([self.paths[rows[place]] for place in missing], self.spec)
            if self.reads and self.writes:
                self._add({hashes[place]: pixels[place].tobytes() for place in missing})
        return pixels

    def _stored(self, hashes: list[str]) -> dict[str, bytes]:
        query = f"SELECT * FROM images WHERE content_hash IN ({', '.join('?' * len(hashes))})"
        return self._use(lambda database: dict(database.execute(query, hashes)), {})

    def _add(self, rows: dict[str, bytes]) -> None:
        def insert(database: sqlite3.Connection) -> None:
            self.writes = _make_room(self.file, sum(map(len, rows.values())))
            if self.writes:
                with database:
                    database.executemany("INSERT OR REPLACE INTO images VALUES (?, ?)", rows.items())
            else:
                size = MAX_CACHE_BYTES >> 30
                log.warning("%s: full, %d GiB: other images are decoded in every epoch", self.file, size)

        self._use(insert, None)

    def _use(self, action: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Return what `action` does with a connection of its own, which outlives neither a thread nor a fork."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.file, timeout=60)) as database:
                for statement in _OPENING:
                    database.execute(statement)
                return action(database)
        except (OSError, sqlite3.Error) as error:
            self.reads = False
            log.warning("%s: cannot be used (%s), images are decoded in every epoch; delete it", self.file, error)
            return otherwise


def _make_room(file: Path, needed: int) -> bool:
    """Delete other databases, the longest unused first, until `needed` bytes more fit; return whether they do."""
    sizes = {path: path.stat() for path in file.parent.glob("*.sqlite")}
    total = needed + sum(status.st_size for status in sizes.values())
    for path in sorted(sizes.keys() - {file}, key=lambda path: sizes[path].st_mtime):
        if total > MAX_CACHE_BYTES:
            path.unlink(missing_ok=True)
            total -= sizes[path].st_size
    return total <= MAX_CACHE_BYTES
