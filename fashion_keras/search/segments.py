"""Segment of a local index: embeddings, table of images and lookup of ids, written in one pass over blocks."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from fashion_keras.search.base import IndexSpec, Records, is_numeric
from fashion_keras.search.manifest import SegmentEntry, StoredFile
from fashion_keras.search.segment_checks import open_lookup, open_table, table_columns
from fashion_keras.support.array_files import map_floats
from fashion_keras.support.atomic_files import atomic_write, temporary_path
from fashion_keras.support.errors import InputError

# Before the names of the index's columns, which may be called "id" themselves.
PREFIX = "column_"
# Rows of a record batch in the file of a table.
_BATCH_ROWS = 65_536
# The texts of a column that has more distinct ones, such as names of products, are stored as they are.
_MAX_DICTIONARY = 65_536
_HASH_BYTES = 8


@dataclass(frozen=True)
class Segment:
    """Images of a segment, mapped into memory.

    Attributes:
        embeddings [n, d] float32.
        table: n rows of id, sku, path and the index's columns.
        lookup [2, n] uint64: hashes of the ids, ascending, and the row of each.
    """

    embeddings: NDArray[np.float32]
    table: pa.Table
    lookup: NDArray[np.uint64]

    @classmethod
    def open(cls, folder: Path, entry: SegmentEntry, spec: IndexSpec) -> "Segment":
        """Map the files of a segment into memory; InputError for one that is not of an index of this spec."""
        embeddings = map_floats(folder / entry.embeddings.name, entry.rows, spec.width)
        table = open_table(folder / entry.table.name, entry, table_columns(spec, PREFIX))
        return cls(embeddings, table, open_lookup(folder / entry.lookup.name, entry.rows))

    def find(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (numbers [p], rows [p]): which of `ids` [m] the segment has, and in which row each is."""
        hashes = np.frombuffer(_hash_ids(ids), "<u8")
        first, last = (np.searchsorted(self.lookup[0], hashes, side) for side in ("left", "right"))
        counts = last - first
        numbers = np.repeat(np.arange(len(ids)), counts)
        places = np.arange(len(numbers)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        rows = self.lookup[1][places].astype(np.int64)
        # Different ids may have the same hash.
        texts = take_rows(self.table.select(["id"]), rows)["id"].to_pylist()
        same = np.array([text == ids[number] for text, number in zip(texts, numbers.tolist(), strict=True)], bool)
        return numbers[same], rows[same]


def write_segment(folder: Path, version: int, blocks: Iterable[Records]) -> SegmentEntry | None:
    """Write images as one segment and return its entry for the manifest; None where there are no images.

    In memory are one block, 16 bytes of each image, and up to `_MAX_DICTIONARY` texts of each column.

    Raises:
        InputError: for an id that two images have.
    """
    paths = [folder / f"{version:010d}.{suffix}" for suffix in ("embeddings.npy", "images.arrow", "lookup.npy")]
    embeddings, images, lookup = paths
    spool, types = temporary_path(images), _ColumnTypes()
    try:
        hashes = _write_blocks(embeddings, spool, blocks, types)
        if not hashes:
            embeddings.unlink()
            return None
        with atomic_write(images) as temporary:
            _write_table(temporary, (types.encode(table) for table in _batches(spool, types.blocks)))
    finally:
        spool.unlink(missing_ok=True)
    _write_lookup(lookup, np.frombuffer(hashes, "<u8"), _open_table(images))
    return SegmentEntry(len(hashes) // _HASH_BYTES, *map(StoredFile.of, paths))


def as_table(records: Records) -> pa.Table:
    """Return images as a table of id, sku, path and columns, texts as they are."""
    own = {"id": as_texts(records.ids), "sku": as_texts(records.skus), "path": as_texts(records.paths)}
    columns = {
        PREFIX + name: pa.array(values) if is_numeric(values) else as_texts(values)
        for name, values in records.columns.items()
    }
    return pa.table(own | columns)


def as_texts(values: ArrayLike) -> pa.Array:
    """Return texts [n] for a table; InputError for what is no valid Unicode."""
    values = np.asarray(values).tolist()
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object!r} is no valid Unicode text; rename the file or correct the value") from None


def take_rows(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Return `rows` [m] of a table, in that order."""
    # Batch by batch: Table.take copies each column as a whole first, of all rows.
    batches = table.to_batches()
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    batch_of = np.searchsorted(starts, rows, side="right") - 1
    order = np.argsort(batch_of, kind="stable")
    parts = [
        batches[number].take(_as_indices(rows[batch_of == number] - starts[number])) for number in np.unique(batch_of)
    ]
    grouped = pa.Table.from_batches(parts, table.schema)
    return grouped if (np.diff(order) == 1).all() else grouped.take(_as_indices(np.argsort(order)))


def _as_indices(rows: NDArray[np.int64]) -> pa.Array:
    # Not pa.array, which imports pandas: that takes longer than a search.
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows, np.int64))])


def as_numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of numbers as an array [n], without importing pandas."""
    return np.from_dlpack(column.combine_chunks())


def concat_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all tables, each column in a type that holds the values of all of them."""
    fields = []
    for name in tables[0].column_names:
        types = {table.schema.field(name).type for table in tables}
        general = pa.float64() if any(map(pa.types.is_floating, types)) else pa.string()
        fields.append(pa.field(name, types.pop() if len(types) == 1 else general))
    schema = pa.schema(fields)
    return pa.concat_tables([table.select(schema.names).cast(schema) for table in tables]).unify_dictionaries()


class _ColumnTypes:
    """Types of a segment's columns, known when all blocks have been seen: few texts are codes of a dictionary."""

    def __init__(self) -> None:
        self._texts: dict[str, dict[str, None]] = {}
        self._floats: set[str] = set()
        self._plain: set[str] = set()
        self.blocks = 0

    def include(self, table: pa.Table) -> None:
        """See the columns of a block."""
        self.blocks += 1
        for field in table.schema:
            if pa.types.is_floating(field.type):
                self._floats.add(field.name)
            elif pa.types.is_string(field.type) and field.name.startswith(PREFIX) and field.name not in self._plain:
                texts = self._texts.setdefault(field.name, {})
                texts.update(dict.fromkeys(table[field.name].unique().to_pylist()))
                if len(texts) > _MAX_DICTIONARY:
                    self._plain.add(field.name)
                    del self._texts[field.name]

    def encode(self, table: pa.Table) -> pa.Table:
        """Return the rows of a block with every column in its type."""
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        for name in self._floats:
            columns[name] = columns[name].cast(pa.float64())
        for name, dictionary in self._dictionaries.items():
            codes = pc.index_in(columns[name], value_set=dictionary)
            columns[name] = pa.DictionaryArray.from_arrays(codes, dictionary)
        return pa.table(columns)

    @cached_property
    def _dictionaries(self) -> dict[str, pa.Array]:
        return {name: as_texts([*texts]) for name, texts in self._texts.items()}


def _write_blocks(embeddings: Path, spool: Path, blocks: Iterable[Records], types: _ColumnTypes) -> bytearray:
    """Write embeddings to a file of NumPy, and tables, one stream each, to another; return the hashes of the ids."""
    hashes = bytearray()
    # Written and not mapped: on a full disk a mapped file ends the process.
    with atomic_write(embeddings) as temporary, temporary.open("wb") as file, pa.OSFile(str(spool), "wb") as tables:
        for block in blocks:
            if not hashes:
                _write_header(file, 0, block)
            file.write(np.ascontiguousarray(block.embeddings, "<f4"))
            table = as_table(block)
            types.include(table)
            with pa.ipc.new_stream(tables, table.schema) as writer:
                writer.write_table(table)
            hashes += _hash_ids(block.ids.tolist())
        if hashes:
            file.seek(0)
            _write_header(file, len(hashes) // _HASH_BYTES, block)
    return hashes


def _write_header(file: IO[bytes], rows: int, block: Records) -> None:
    """Write the header of `rows` embeddings; NumPy leaves room in it for any number of rows."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, block.embeddings.shape[1])}
    np.lib.format.write_array_header_1_0(file, header)


def _batches(spool: Path, blocks: int) -> Iterator[pa.Table]:
    """Yield the tables of a spool, many small ones as one."""
    tables = []
    with pa.OSFile(str(spool), "rb") as file:
        for number in range(1, blocks + 1):
            with pa.ipc.open_stream(file) as reader:
                tables.append(reader.read_all())
            if number == blocks or sum(map(len, tables)) >= _BATCH_ROWS:
                yield concat_tables(tables)
                tables = []


def _write_table(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)


def _write_lookup(path: Path, hashes: NDArray[np.uint64], table: pa.Table) -> None:
    """Write the rows in the order of the hashes of their ids; InputError for an id that two of them have."""
    rows = np.argsort(hashes, kind="stable")
    ordered = hashes[rows]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    repeated = take_rows(table.select(["id"]), np.union1d(rows[same], rows[same + 1]))["id"].to_pylist()
    for name, count in Counter(repeated).items():
        if count > 1:
            raise InputError(f"id {name} occurs {count} times")
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<u8", "fortran_order": False, "shape": (2, len(rows))})
        file.write(ordered)
        file.write(rows.astype("<u8"))


def _open_table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _hash_ids(ids: Iterable[str]) -> bytes:
    """Return `_HASH_BYTES` for each id."""
    encoded = (name.encode("utf-8", "surrogatepass") for name in ids)
    return b"".join([hashlib.blake2b(name, digest_size=_HASH_BYTES).digest() for name in encoded])
