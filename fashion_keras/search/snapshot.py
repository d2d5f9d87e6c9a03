"""One version of a local index: its segments in files, lookups, filters, exact cosine similarities."""

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from fashion_keras.search.base import Neighbors, Records
from fashion_keras.search.filters import Where, check_filters
from fashion_keras.search.manifest import IndexManifest, SegmentEntry, StoredFile, explain_os_errors
from fashion_keras.support.atomic_files import atomic_write
from fashion_keras.support.errors import InputError

# Above so many bytes the checksums are compared when the index is written, not whenever it is opened.
MAX_CHECKED_BYTES = 256 * 2**20
# Below this share of matching products their embeddings are picked out; above it all are multiplied.
_PICKED_SHARE = 0.25
_BLOCK_ROWS = 8192
# How many scores are in memory at once.
_MAX_SCORES = 2**24
# Held while a matrix is multiplied: that uses all cores, and threads of several products only wait for each other.
_MULTIPLYING = Lock()


@dataclass(frozen=True)
class Segment:
    """Embeddings [n, d] float32 and a table of n products: id, path and the index's columns."""

    embeddings: NDArray[np.float32]
    products: pa.Table


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
        known = {file for entry in opened for file in (entry.embeddings, entry.products)}
        small = sum(file.bytes for file in manifest.files) <= MAX_CHECKED_BYTES
        live_mask = np.ones(sum(entry.rows for entry in manifest.segments), bool)
        with explain_os_errors(folder):
            for file in manifest.files:
                file.check(folder, content=small and file not in known)
            segments = tuple(opened.get(entry) or _open_segment(folder, entry) for entry in manifest.segments)
            if manifest.deleted:
                live_mask[np.load(folder / manifest.deleted.name, allow_pickle=False)] = False
        return cls(manifest, segments, live_mask)

    def __len__(self) -> int:
        return len(self._rows_by_id)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The ids [n] of all rows, deleted rows included."""
        return self._products["id"].to_numpy()

    @cached_property
    def _products(self) -> pa.Table:
        if not self.segments:
            return _table([], [], dict.fromkeys(self.manifest.spec.columns, ()))
        return pa.concat_tables([segment.products for segment in self.segments]).unify_dictionaries()

    @cached_property
    def _rows_by_id(self) -> NDArray[np.int64]:
        """The live rows, by ascending id."""
        live = np.flatnonzero(self.live_mask)
        return live[np.argsort(self.ids[live], kind="stable")]

    @cached_property
    def live_ids(self) -> NDArray[np.int64]:
        """The ids of the live rows, ascending."""
        return self.ids[self._rows_by_id]

    def contains(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each of `ids` whether a product has it."""
        places = np.searchsorted(self.live_ids, ids)
        inside = places < len(self)
        inside[inside] = self.live_ids[places[inside]] == ids[inside]
        return inside

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of products; InputError for the first id that is not there."""
        present = self.contains(ids)
        if not present.all():
            raise InputError(f"id {ids[~present][0]} is not in the index")
        return self._rows_by_id[np.searchsorted(self.live_ids, ids)]

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Return the products of `rows`, in that order."""
        table = self._products.take(pa.array(rows))
        texts = {name: np.array(table[name].to_pylist(), np.str_) for name in ("path", *self.manifest.spec.columns)}
        columns = {name: texts[name] for name in self.manifest.spec.columns}
        return Records(self.ids[rows], self.embeddings(rows), texts["path"], columns)

    def blocks(self) -> Iterator[Segment]:
        """Yield the live rows, block by block."""
        rows = np.flatnonzero(self.live_mask)
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = rows[start : start + _BLOCK_ROWS]
            yield Segment(self.embeddings(part), self._products.take(pa.array(part)))

    def matching(self, where: Where | None) -> NDArray[np.int64]:
        """Return the live rows that match, ascending; InputError for a column or value that no product has."""
        mask = self.live_mask
        if where:
            codes = {name: value_codes for name, (_, value_codes) in self._columns.items()}
            for name, values in check_filters(where, codes).items():
                row_codes = self._columns[name][0]
                mask = mask & reduce(operator.or_, (row_codes == codes[name][value] for value in values))
        return np.flatnonzero(mask)

    @cached_property
    def _columns(self) -> dict[str, tuple[NDArray[np.int32], dict[str, int]]]:
        """Of each column the codes [n] of all rows, and the codes of those values that live rows have."""
        columns = {}
        for name in self.manifest.spec.columns:
            column = self._products[name].combine_chunks()
            codes, values = column.indices.to_numpy(), column.dictionary.to_pylist()
            used = np.bincount(codes[self.live_mask], minlength=len(values)) > 0
            columns[name] = codes, {value: code for code, value in enumerate(values) if used[code]}
        return columns

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
    """Write `rows` products, at least one, as one segment and return its entry for the manifest."""
    embeddings, products = (folder / f"{version:010d}.{suffix}" for suffix in ("embeddings.npy", "products.arrow"))
    tables = []
    with atomic_write(embeddings) as temporary, temporary.open("wb") as file:
        # Written and not mapped: on a full disk a mapped file ends the process.
        for block in blocks:
            if not tables:
                header = {"descr": "<f4", "fortran_order": False, "shape": (rows, block.embeddings.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(block.embeddings, "<f4"))
            tables.append(block.products)
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    with (
        atomic_write(products) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    return SegmentEntry(rows, StoredFile.of(embeddings), StoredFile.of(products))


def write_records(folder: Path, version: int, records: Records) -> SegmentEntry:
    """Write products, at least one, as a segment and return its entry for the manifest."""
    table = _table(records.ids, records.paths, records.columns)
    return write_segment(folder, version, len(records), [Segment(records.embeddings, table)])


def write_deleted(folder: Path, version: int, rows: NDArray[np.int64]) -> StoredFile:
    """Write which rows are deleted and return the file's entry for the manifest."""
    path = folder / f"{version:010d}.deleted.npy"
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    return StoredFile.of(path)


def cosines(queries: NDArray[np.float32], embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosines [q, n] of `queries` [q, d] and `embeddings` [n, d], one call at a time."""
    with _MULTIPLYING:
        return queries @ embeddings.T


def top_k(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Neighbors:
    """Return the k highest scores, of equal ones those of lower ids."""
    if k < len(scores):
        # All that reach the k-th score: which of equal ones are returned must not depend on their order.
        best = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        ids, scores = ids[best], scores[best]
    order = np.lexsort((ids, -scores))[:k]
    return Neighbors(ids[order], scores[order])


def _open_segment(folder: Path, entry: SegmentEntry) -> Segment:
    """Map the embeddings of a segment into memory and read its product columns."""
    embeddings = np.load(folder / entry.embeddings.name, mmap_mode="r", allow_pickle=False)
    with pa.memory_map(str(folder / entry.products.name)) as file:
        return Segment(np.asarray(embeddings), pa.ipc.open_file(file).read_all())


def _table(ids: ArrayLike, paths: ArrayLike, columns: dict[str, ArrayLike]) -> pa.Table:
    """Return products as a table with dictionary-encoded columns."""
    encoded = {name: _texts(values).dictionary_encode() for name, values in columns.items()}
    return pa.table({"id": pa.array(ids, pa.int64()), "path": _texts(paths), **encoded})


def _texts(values: ArrayLike) -> pa.Array:
    return pa.array(np.asarray(values).tolist(), pa.string())
