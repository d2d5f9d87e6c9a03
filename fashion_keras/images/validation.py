"""Image validation: which images decode, their size and content hash, remembered until a file changes.

Verdicts are kept in an SQLite database in the cache folder, under path, size and time of change.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.sampling import subsample
from fashion_keras.images.decode import DECODING_VERSION, parallel_map
from fashion_keras.images.formats import decoder_versions, from_bytes, read_file
from fashion_keras.images.leaks import group_near_duplicates
from fashion_keras.images.raster import ImageError
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.support.config_fields import LimitConfig, SourceConfig
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

_TABLE = """
    CREATE TABLE IF NOT EXISTS verdicts (
        path BLOB PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, height INTEGER NOT NULL,
        width INTEGER NOT NULL, content_hash TEXT NOT NULL
    ) WITHOUT ROWID
"""
# So many images are inspected before their verdicts are written: a killed process loses no more than that.
_BATCH = 1024
_HASH_LENGTH = 16
# A JPEG is read to its end at any scale: enough to judge it.
_SMALLEST = ImageSpec(1, 1)


@dataclass(frozen=True)
class ImageVerdict:
    """Result of decoding one image file.

    Attributes:
        reason: "" when all of it decodes, else why not (without the path).
        height, width: in pixels, upright; 0 where it does not decode.
        content_hash: first 16 hexadecimal digits of the file's SHA-256; "" where it cannot be read.
    """

    reason: str
    height: int = 0
    width: int = 0
    content_hash: str = ""


# What names a catalog; see `read_source`.
Source = Any  # Catalog, pandas.DataFrame, str, Path, SourceConfig or None
Verdicts = dict[bytes, ImageVerdict]


def load_catalog(source: Source) -> Catalog:
    """Read a catalog (see `read_source`) and reject the images that are unreadable."""
    return reject_unreadable(read_source(source)[0])


def read_source(source: Source) -> tuple[Catalog, str]:
    """Return the catalog that a command or a caller names, and its name as `--data` takes it.

    Args:
        source: a `Catalog`, DataFrame or path; "sample"; None for the default (see `resolve_dataset`); or a config.
    """
    if isinstance(source, Catalog):
        return source, str(source.folder)
    if hasattr(source, "iloc"):
        return read_catalog(source), "DataFrame"
    config = source if isinstance(source, SourceConfig) else SourceConfig(data=source)
    place, is_sample = resolve_dataset(config.data)
    catalog = read_catalog(place, config.images, **config.table_options, corrections=config.corrections)
    if isinstance(config, LimitConfig) and config.limit:
        catalog = _limited(catalog, config.limit, getattr(config, "seed", 0))
    if config.group:
        catalog = group_near_duplicates(reject_unreadable(catalog))
    return catalog, SAMPLE if is_sample else str(place)


def _limited(catalog: Catalog, limit: int, seed: int) -> Catalog:
    reasons = np.full(len(catalog), f"beyond --limit {limit}")
    reasons[subsample(np.zeros(len(catalog), np.int64), catalog.product_groups, limit, seed)] = ""
    return catalog.reject(reasons.tolist())


def reject_unreadable(catalog: Catalog) -> Catalog:
    """Reject the products of a catalog whose image does not decode, with the reason; InputError when none is left."""
    reasons = check_images(catalog.paths)
    readable = catalog.reject(reasons)
    if not len(readable):
        first = f"the first, {catalog.paths[0]}: {reasons[0]}" if reasons else "the catalog is empty"
        broken = f"all {len(reasons)} images are broken; {first}"
        raise InputError(f"{catalog.folder}: no product with a usable image: {broken}")
    return readable


def check_images(paths: Sequence[str | Path]) -> list[str]:
    """Return for each path "" when all of it decodes, else the reason why not (without the path)."""
    return [verdict.reason for verdict in inspect_images(paths)]


def image_hashes(paths: Sequence[str | Path]) -> NDArray[np.str_]:
    """Return the content hashes [n] of image files: 16 hexadecimal digits of the SHA-256, "" where unreadable."""
    return np.array([verdict.content_hash for verdict in inspect_images(paths)], f"<U{_HASH_LENGTH}")


def inspect_images(paths: Sequence[str | Path]) -> list[ImageVerdict]:
    """Return the verdict on each image file, in order; only new and changed files are opened.

    Raises:
        InputError: when the cache folder cannot be written or its database is damaged.
    """
    names = [os.fsencode(Path(path).absolute()) for path in paths]
    states = {name: _state(name) for name in names}
    with _database() as database:
        verdicts = _stored(database, states)
        unseen = [name for name in states if name not in verdicts]
        if unseen:
            verdicts |= _inspect_all(database, unseen, states)
    return [verdicts[name] for name in names]


def _state(path: bytes) -> str:
    """Return what changes when a file does, or what decoding does; "" for a file that is not there."""
    try:
        status = Path(os.fsdecode(path)).stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {DECODING_VERSION} {decoder_versions()}"


def _stored(database: sqlite3.Connection, states: dict[bytes, str]) -> Verdicts:
    """Return the stored verdicts on files that have not changed since."""
    query = "SELECT reason, height, width, content_hash FROM verdicts WHERE path = ? AND state = ?"
    rows = ((name, database.execute(query, (name, state)).fetchone()) for name, state in states.items())
    return {name: ImageVerdict(*row) for name, row in rows if row}


def _inspect_all(database: sqlite3.Connection, names: list[bytes], states: dict[bytes, str]) -> Verdicts:
    verdicts = {}
    with ProgressBar("checking images", len(names), "images") as bar:
        for start in range(0, len(names), _BATCH):
            part = names[start : start + _BATCH]
            inspected = dict(zip(part, parallel_map(_inspect, part), strict=True))
            rows = [
                (name, states[name], *astuple(verdict))
                for name, verdict in inspected.items()
                if verdict.content_hash  # a file that cannot be read may be readable the next time
            ]
            with database:
                database.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", rows)
            verdicts |= inspected
            bar.advance(len(part))
    return verdicts


def _inspect(path: bytes) -> ImageVerdict:
    content_hash = ""
    try:
        data = read_file(os.fsdecode(path))
        content_hash = hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]
        raster = from_bytes(data, _SMALLEST)
    except ImageError as error:
        return ImageVerdict(str(error), content_hash=content_hash)
    return ImageVerdict("", raster.height, raster.width, content_hash)


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    """Yield a connection of this call's own, as connections outlive neither a thread nor a fork."""
    path = cache_dir() / "images.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=60)) as database:
            database.execute(_TABLE)
            yield database
    except (OSError, sqlite3.Error) as error:
        raise InputError(
            f"{path}: cannot be used ({error}); delete it, or name a writable folder in FASHION_KERAS_CACHE"
        ) from None
