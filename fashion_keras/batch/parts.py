"""Catalog parts: what a batch run reads, a few thousand images at a time."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.columns import parse_mapping
from fashion_keras.catalog.sources.image_files import IMAGE_SUFFIXES
from fashion_keras.catalog.sources.shards import is_tar
from fashion_keras.catalog.stream import LISTS, StreamOptions, stream_catalog
from fashion_keras.images.validation import read_source
from fashion_keras.support.config_fields import LimitConfig
from fashion_keras.support.file_systems import is_address

log = logging.getLogger("fashion_keras")

_ROWS = 8192
_START = 2**16  # bytes of a table that show how long its lines are
_TAR_BYTES, _AT_ADDRESS = 4_000, 250_000  # guesses: bytes of an image in a tar file, images at an address
_LARGE = 60_000  # images; smaller catalogs are read as a whole


@dataclass(frozen=True)
class CatalogParts:
    """A catalog as parts that follow each other.

    Attributes:
        catalogs: the parts.
        catalog: all of it; None for one that is streamed, whose image ids are relative paths.
        name: of the source.
        rows: number of images, or a guess at it.
    """

    catalogs: Iterator[Catalog]
    catalog: Catalog | None
    name: str
    rows: int


def read_parts(config: LimitConfig) -> CatalogParts:
    """Return the parts of a config's catalog: of a large one, or one at an address, streamed if its kind allows that.

    Limits, corrections and groups need the whole catalog. InputError as `read_source`.
    """
    rows = 0 if config.data in (None, "sample", "-") else _guess_rows(config.data)
    is_large = rows > _LARGE or (config.data or "").lower().endswith(LISTS)
    if (is_large or (rows and config.allow_outside)) and not (config.limit or config.corrections or config.group):
        images = Path(config.images) if config.images else None
        options = StreamOptions(images, parse_mapping(config.column), config.delimiter, config.allow_outside)
        catalogs = stream_catalog(config.data, options)
        # Only streamed catalogs have images at addresses.
        first = [] if is_large else [*islice(catalogs or (), 1)]
        if catalogs is not None and (is_large or any(is_address(path) for part in first for path in part.paths)):
            return CatalogParts(_with_notes(chain(first, catalogs)), None, config.data, rows)
    catalog, name = read_source(config)
    return CatalogParts(_cut(catalog), catalog, name, len(catalog))


def _with_notes(catalogs: Iterable[Catalog]) -> Iterator[Catalog]:
    """Yield the parts of a stream, and log what was recognized in them, each line once, as `read_catalog` does."""
    logged: set[str] = set()
    for catalog in catalogs:
        for note in catalog.notes:
            if note not in logged:
                log.info("%s", note)
        logged.update(catalog.notes)
        yield catalog


def _cut(catalog: Catalog) -> Iterator[Catalog]:
    """Yield a catalog in parts, its rejected rows in the first."""
    for start in range(0, len(catalog), _ROWS):
        part = catalog.take(np.arange(start, min(start + _ROWS, len(catalog))))
        rejected = catalog.rejected if start == 0 else ()
        yield replace(part, rejected=rejected, inputs=len(part) + len(rejected))


def _guess_rows(source: str) -> int:
    """Return about how many images a source has, as far as its files show it; 0 for a folder of images."""
    if is_address(source):
        return _AT_ADDRESS
    files = [Path(source)] if Path(source).is_file() else Path(source).glob("*")
    return sum(_rows_of(path) for path in files if path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES)


def _rows_of(path: Path) -> int:
    size = path.stat().st_size
    if is_tar(path):
        return size // _TAR_BYTES
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa  # noqa: PLC0415 - help must not wait for it
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            return pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            return 0  # its reader reports it
    with path.open("rb") as file:
        start = file.read(_START)
    return size * start.count(b"\n") // max(len(start), 1)
