"""One version of a local index: its segments in files, lookups, filters, exact cosine similarities."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from fashion_keras.catalog.column_types import text_array
from fashion_keras.search.base import Neighbors, Records, is_numeric
from fashion_keras.search.filters import Where, check_filters
from fashion_keras.search.manifest import IndexManifest, SegmentEntry, StoredFile, explain_os_errors
from fashion_keras.support.array_files import map_floats, map_table, read_rows
from fashion_keras.support.atomic_files import atomic_write
from fashion_keras.support.errors import InputError

# Above so many bytes the checksums are compared when the index is written, not whenever it is opened.
MAX_CHECKED_BYTES = 256 * 2**20
# Below this share of matching images their embeddings are picked out; above it all are multiplied.
_PICKED_SHARE = 0.25
_BLOCK_ROWS = 8192
# Before the names of the index's columns, which may be called "id" themselves.
_PREFIX = "column_"
# How many scores are in memory at once.
_MAX_SCORES = 2**24
# Held while a matrix is multiplied: that uses all cores, and threads that multiply at once only wait for each other.
_MULTIPLYING = Lock()


@dataclass(frozen=True)
class Segment:
    """Embeddings [n, d] float32 and a table of n images: id, sku, path and the index's columns."""

    embeddings: NDArray[np.float32]
    table: pa.Table


@dataclass(frozen=True)
class IndexSnapshot:
    """One version of an index with its files open; it never changes, so that threads may share it.

    `live_mask` [n] bool: which rows were neither replaced nor removed.
    """

    manifest: IndexManifest
    segments: tuple[Segment, ...]
    live_mask: NDArray[np.bool_]

    @classmethod
    def open(cls, folder: Path, manifest: IndexManifest, previous: "IndexSnapshot | None" = None) -> "IndexSnapshot":
        """Open the files of a manifest, or take them from `previous`; InputError for a file that is not as written."""
        opened = dict(zip(previous.manifest.segments, previous.segments, strict=True)) if previous else {}
        known = {file for entry in opened for file in (entry.embeddings, entry.table)}
        small = sum(file.bytes for file in manifest.files) <= MAX_CHECKED_BYTES
        live_mask = np.ones(sum(entry.rows for entry in manifest.segments), bool)
        with explain_os_errors(folder):
            for file in manifest.files:
                file.check(folder, content=small and file not in known)
            segments = tuple(
                opened.get(entry) or _open_segment(folder, entry, manifest.spec.width) for entry in manifest.segments
            )
            if manifest.deleted:
                live_mask[read_rows(folder / manifest.deleted.name, len(live_mask))] = False
        return cls(manifest, segments, live_mask)

    def __len__(self) -> int:
        return int(np.count_nonzero(self.live_mask))

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """The ids [n] of all rows, deleted rows included."""
        return text_array(self.table["id"].to_pylist())

    @cached_property
    def table(self) -> pa.Table:
        """The table of all rows, deleted rows included."""
        if not self.segments:
            columns, numbers = self.manifest.spec.columns, self.manifest.spec.numbers
            return _table([], [], [], {name: np.array([], float if name in numbers else str) for name in columns})
        tables = [segment.table for segment in self.segments]
        return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()

    @cached_property
    def _rows_by_id(self) -> NDArray[np.int64]:
        """The live rows, by ascending id."""
        live = np.flatnonzero(self.live_mask)
        return live[np.argsort(self.ids[live], kind="stable")]

    @cached_property
    def live_ids(self) -> NDArray[np.str_]:
        """The ids of the live rows, ascending."""
        return self.ids[self._rows_by_id]

    def taken(self, ids: ArrayLike) -> list[str]:
        """Return those of `ids` that images have, without sorting them all as `positions` does."""
        same = pc.is_in(self.table["id"], value_set=_texts(ids)).to_numpy()
        return self.table["id"].filter(pa.array(same & self.live_mask)).to_pylist()

    def find(self, name: str) -> NDArray[np.str_]:
        """See `Index`."""
        same = pc.equal(self.table["sku"], name).to_numpy()
        ids = self.taken([name]) or self.table["id"].filter(pa.array(same & self.live_mask)).to_pylist()
        return np.sort(text_array(ids))

    def positions(self, ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the rows of images; InputError for the first id that is not there."""
        places = np.searchsorted(self.live_ids, ids)
        present = places < len(self)
        present[present] = self.live_ids[places[present]] == ids[present]
        if not present.all():
            raise InputError(f"id {ids[~present][0]} is not in the index")
        return self._rows_by_id[places]

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Return the images of `rows`, in that order."""
        table = self.table.take(pa.array(rows))
        values = {name: _read_column(table[name]) for name in table.column_names}
        columns = {name: values[_PREFIX + name] for name in self.manifest.spec.columns}
        return Records(self.ids[rows], values["sku"], self.embeddings(rows), values["path"], columns)

    def columns(self, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return "id", "sku" and columns of `rows` [n], in ascending order of the ids."""
        rows = rows[np.argsort(self.ids[rows], kind="stable")]
        stored = {"sku": "sku", **{name: _PREFIX + name for name in names}}
        table = self.table.select([*stored.values()]).take(pa.array(rows))
        return {"id": self.ids[rows]} | {name: _read_column(table[key]) for name, key in stored.items()}

    def blocks(self) -> Iterator[Segment]:
        """Yield the live rows, block by block."""
        rows = np.flatnonzero(self.live_mask)
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = rows[start : start + _BLOCK_ROWS]
            yield Segment(self.embeddings(part), self.table.take(pa.array(part)))

    def matching(self, where: Where | None) -> NDArray[np.int64]:
        """Return the live rows that match, ascending; InputError for a column or value that no image has."""
        mask, spec = self.live_mask, self.manifest.spec
        filters = check_filters(where, spec.columns, spec.numbers, lambda name, _: self._codes(name)[1])
        for name, condition in filters.items():
            if name in spec.numbers:
                mask = mask & condition.matches(self.table[_PREFIX + name].to_numpy())
            else:
                codes, code_of = self._codes(name)
                mask = mask & np.isin(codes, [code_of[value] for value in condition.values])
        return np.flatnonzero(mask)

    @cached_property
    def _codes(self) -> Callable[[str], tuple[NDArray[np.int32], dict[str, int]]]:
        """Text column -> the codes [n] of all rows, and the codes of those values that live rows have."""
        table, live_mask = self.table, self.live_mask  # not self, which would refer to itself

        @cache
        def read(name: str) -> tuple[NDArray[np.int32], dict[str, int]]:
            column = table[_PREFIX + name].combine_chunks()
            codes, values = column.indices.to_numpy(), column.dictionary.to_pylist()
            used = np.bincount(codes[live_mask], minlength=len(values)) > 0
            return codes, {value: code for code, value in enumerate(values) if used[code]}

        return read

    def scores(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield the cosines [m] of `rows` [m], in ascending order, for each of `queries` [q, d]."""
        picked = len(rows) < _PICKED_SHARE * len(self.live_mask) or not self.segments
        parts = [self.embeddings(rows)] if picked else [segment.embeddings for segment in self.segments]
        step = max(1, _MAX_SCORES // max(len(self.live_mask), 1))
        for start in range(0, len(queries), step):
            scores = np.concatenate([cosines(queries[start : start + step], values) for values in parts], axis=1)
            yield from scores if picked or len(rows) == len(self.live_mask) else scores[:, rows]

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings [m, d] of `rows`."""
        starts = np.cumsum([0, *(len(segment.embeddings) for segment in self.segments)])
        segment_of = np.searchsorted(starts, rows, side="right") - 1
        values = np.empty((len(rows), self.manifest.spec.width), np.float32)
        for number in np.unique(segment_of):
            inside = segment_of == number
            values[inside] = self.segments[number].embeddings[rows[inside] - starts[number]]
        return values


def write_segment(folder: Path, version: int, rows: int, blocks: Iterable[Segment]) -> SegmentEntry:
    """Write `rows` images, at least one, as one segment and return its entry for the manifest."""
    embeddings, images = (folder / f"{version:010d}.{suffix}" for suffix in ("embeddings.npy", "images.arrow"))
    tables = []
    with atomic_write(embeddings) as temporary, temporary.open("wb") as file:
        # Written and not mapped: on a full disk a mapped file ends the process.
        for block in blocks:
            if not tables:
                header = {"descr": "<f4", "fortran_order": False, "shape": (rows, block.embeddings.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(block.embeddings, "<f4"))
            tables.append(block.table)
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    with (
        atomic_write(images) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    return SegmentEntry(rows, StoredFile.of(embeddings), StoredFile.of(images))


def write_records(folder: Path, version: int, records: Records) -> SegmentEntry:
    """Write images, at least one, as a segment and return its entry for the manifest."""
    table = _table(records.ids, records.skus, records.paths, records.columns)
    return write_segment(folder, version, len(records), [Segment(records.embeddings, table)])


def cosines(queries: NDArray[np.float32], embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosines [q, n] of `queries` [q, d] and `embeddings` [n, d], one call at a time."""
    with _MULTIPLYING:
        return queries @ embeddings.T


def top_k(ids: NDArray[np.str_], rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Neighbors:
    """Return the k highest of `scores` [m], those of `rows` [m]; of equal scores those of lower ids."""
    if k < len(scores):
        # All that reach the k-th score: which of equal ones are returned must not depend on their order.
        best = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        rows, scores = rows[best], scores[best]
    names = ids[rows]
    order = np.lexsort((names, -scores))[:k]
    return Neighbors(names[order], scores[order])


def _open_segment(folder: Path, entry: SegmentEntry, width: int) -> Segment:
    """Map the embeddings and the table of a segment into memory."""
    embeddings = map_floats(folder / entry.embeddings.name, entry.rows, width)
    table = map_table(folder / entry.table.name, entry.rows, ("id", "sku", "path"))
    return Segment(embeddings, table)


def _table(ids: ArrayLike, skus: ArrayLike, paths: ArrayLike, columns: Mapping[str, NDArray[Any]]) -> pa.Table:
    """Return images as a table; texts of columns are dictionary-encoded."""
    own = {"id": _texts(ids), "sku": _texts(skus), "path": _texts(paths)}
    encoded = {
        _PREFIX + name: pa.array(values) if is_numeric(values) else _texts(values).dictionary_encode()
        for name, values in columns.items()
    }
    return pa.table(own | encoded)


def _texts(values: ArrayLike) -> pa.Array:
    values = np.asarray(values).tolist()
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object!r} is no valid Unicode text; rename the file or correct the value") from None


def _read_column(column: pa.ChunkedArray) -> NDArray[Any]:
    return text_array(column.to_pylist()) if not pa.types.is_primitive(column.type) else column.to_numpy()
