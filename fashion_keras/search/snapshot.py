"""One version of a local index: its segments in files, lookups, filters, exact cosine similarities."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import ThreadpoolController

from fashion_keras.catalog.column_types import text_array
from fashion_keras.search.base import BLOCK_ROWS, Neighbors, Records, as_ids
from fashion_keras.search.filters import Where, check_filters
from fashion_keras.search.manifest import IndexManifest, explain_os_errors
from fashion_keras.search.segments import PREFIX, Segment, as_numbers, as_table, concat_tables, take_rows
from fashion_keras.support.array_files import read_rows
from fashion_keras.support.errors import InputError

# Above so many bytes the checksums are compared when the index is written, not whenever it is opened.
MAX_CHECKED_BYTES = 256 * 2**20
# Below this share of matching images their embeddings are picked out; above it all are multiplied.
_PICKED_SHARE = 0.25
# How many scores are in memory at once.
_MAX_SCORES = 2**24
# Held while a matrix is multiplied: that uses all cores, and threads that multiply at once only wait for each other.
_MULTIPLYING = Lock()
# For so many cosines one core is enough; others of BLAS would wait for those that OpenVINO keeps busy a while longer.
_FEW = 2**17
_BLAS = ThreadpoolController().select(user_api="blas")


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
        known = {file for entry in opened for file in entry.files}
        small = sum(file.bytes for file in manifest.files) <= MAX_CHECKED_BYTES
        with explain_os_errors(folder):
            for file in manifest.files:
                file.check(folder, content=small and file not in known)
            segments = tuple(
                opened.get(entry) or Segment.open(folder, entry, manifest.spec) for entry in manifest.segments
            )
            live_mask = np.ones(sum(len(segment.embeddings) for segment in segments), bool)
            if manifest.deleted:
                live_mask[read_rows(folder / manifest.deleted.name, len(live_mask))] = False
        return cls(manifest, segments, live_mask)

    def __len__(self) -> int:
        return int(np.count_nonzero(self.live_mask))

    @cached_property
    def table(self) -> pa.Table:
        """The table of all rows, deleted rows included."""
        if self.segments:
            return concat_tables([segment.table for segment in self.segments])
        texts, numbers = np.array([], np.str_), self.manifest.spec.numbers
        columns = {name: np.array([], float if name in numbers else np.str_) for name in self.manifest.spec.columns}
        return as_table(Records(texts, texts, np.empty((0, self.manifest.spec.width), np.float32), texts, columns))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first row of each segment, and the number of rows, [s + 1]."""
        return np.cumsum([0, *(len(segment.embeddings) for segment in self.segments)])

    @cached_property
    def products(self) -> int:
        """How many SKUs the live rows have."""
        return pc.count_distinct(self.table["sku"].filter(pa.array(self.live_mask))).as_py()

    @cached_property
    def live_ids(self) -> NDArray[np.str_]:
        """The ids of the live rows, ascending."""
        return self.columns((), np.flatnonzero(self.live_mask))["id"]

    def ids(self, rows: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return the ids of `rows` [m]."""
        return text_array(take_rows(self.table.select(["id"]), rows)["id"].to_pylist())

    def taken(self, ids: ArrayLike) -> list[str]:
        """Return those of `ids` that images have."""
        names = as_ids(ids).tolist()
        return [names[number] for number in self._find(names)[0]]

    def find(self, name: str) -> NDArray[np.str_]:
        """See `Index`."""
        if self.taken([name]):
            return text_array([name])
        same = pc.equal(self.table["sku"], name).to_numpy()
        return np.sort(self.ids(np.flatnonzero(same & self.live_mask)))

    def positions(self, ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the rows of images; InputError for the first id that is not there."""
        positions = np.full(len(ids), -1)
        numbers, rows = self._find(ids.tolist())
        positions[numbers] = rows
        if len(missing := np.flatnonzero(positions < 0)):
            raise InputError(f"id {ids[missing[0]]} is not in the index")
        return positions

    def _find(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (numbers [p], rows [p]): which of `ids` [m] live rows have, and which rows those are."""
        parts = [segment.find(ids) for segment in self.segments]
        numbers = np.concatenate([np.empty(0, np.int64), *(part[0] for part in parts)])
        starts = self._starts[: len(parts)]
        rows = np.concatenate(
            [np.empty(0, np.int64), *(start + part[1] for start, part in zip(starts, parts, strict=True))]
        )
        live = self.live_mask[rows]
        return numbers[live], rows[live]

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Return the images of `rows`, in that order."""
        table = take_rows(self.table, rows)
        values = {name: _read_column(table[name]) for name in table.column_names}
        columns = {name: values[PREFIX + name] for name in self.manifest.spec.columns}
        return Records(values["id"], values["sku"], self.embeddings(rows), values["path"], columns)

    def columns(self, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return "id", "sku" and columns of `rows` [n], in ascending order of the ids."""
        stored = {"id": "id", "sku": "sku", **{name: PREFIX + name for name in names}}
        table = take_rows(self.table.select([*dict.fromkeys(stored.values())]), rows)
        table = table.take(pc.sort_indices(table["id"]))
        return {name: _read_column(table[key]) for name, key in stored.items()}

    def blocks(self) -> Iterator[Records]:
        """Yield the live images, block by block."""
        rows = np.flatnonzero(self.live_mask)
        for start in range(0, len(rows), BLOCK_ROWS):
            yield self.take(rows[start : start + BLOCK_ROWS])

    def matching(self, where: Where | None) -> NDArray[np.bool_]:
        """Return [n]: which live rows match; InputError for a column or value that no image has."""
        mask, spec = self.live_mask, self.manifest.spec
        filters = check_filters(where, spec.columns, spec.numbers, lambda name, _: self._codes(name)[1])
        for name, condition in filters.items():
            if name in spec.numbers:
                mask = mask & condition.matches(self._numbers(name))
            else:
                codes, code_of = self._codes(name)
                accepted = np.zeros(codes.max(initial=0) + 1, bool)
                accepted[[code_of[value] for value in condition.values]] = True
                mask = mask & accepted[codes]
        return mask

    @cached_property
    def _numbers(self) -> Callable[[str], NDArray[Any]]:
        """Column of numbers -> those of all rows, [n]."""
        table = self.table  # not self, which would refer to itself
        return cache(lambda name: as_numbers(table[PREFIX + name]))

    @cached_property
    def _codes(self) -> Callable[[str], tuple[NDArray[np.int32], dict[str, int]]]:
        """Text column -> the codes [n] of all rows, and the codes of those values that live rows have."""
        table, live_mask = self.table, self.live_mask  # not self, which would refer to itself

        @cache
        def read(name: str) -> tuple[NDArray[np.int32], dict[str, int]]:
            column = table[PREFIX + name]
            if not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            column = column.combine_chunks()
            codes, values = np.from_dlpack(column.indices), column.dictionary.to_pylist()
            used = np.bincount(codes[live_mask], minlength=len(values)) > 0
            return codes, {value: code for code, value in enumerate(values) if used[code]}

        return read

    def nearest(self, queries: NDArray[np.float32], k: int, mask: NDArray[np.bool_]) -> list[Neighbors]:
        """Return the k nearest of the rows in `mask` [n] for each of `queries` [q, d], all of them compared."""
        rows = np.flatnonzero(mask)
        return [self.top_k(rows, scores, k) for scores in self.scores(queries, rows)]

    def scores(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield the cosines [m] of `rows` [m], in ascending order, for each of `queries` [q, d]."""
        picked = len(rows) < _PICKED_SHARE * len(self.live_mask) or not self.segments
        step = max(1, _MAX_SCORES // max(len(self.live_mask), 1))
        for start in range(0, len(queries), step):
            part = queries[start : start + step]
            blocks = self._picked(rows) if picked else (segment.embeddings for segment in self.segments)
            parts = [np.empty((len(part), 0), np.float32), *(cosines(part, block) for block in blocks)]
            scores = np.concatenate(parts, axis=1)
            yield from scores if picked or len(rows) == len(self.live_mask) else scores[:, rows]

    def _picked(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings of `rows`, block by block."""
        return (self.embeddings(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS))

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings [m, d] of `rows`."""
        if len(self.segments) == 1:
            return self.segments[0].embeddings[rows]
        segment_of = np.searchsorted(self._starts, rows, side="right") - 1
        values = np.empty((len(rows), self.manifest.spec.width), np.float32)
        for number in np.unique(segment_of):
            inside = segment_of == number
            values[inside] = self.segments[number].embeddings[rows[inside] - self._starts[number]]
        return values

    def top_k(self, rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Neighbors:
        """Return the k highest of `scores` [m], those of `rows` [m]; of equal scores those of lower ids."""
        if k < len(scores):
            # All that reach the k-th score: which of equal ones are returned must not depend on their order.
            best = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
            rows, scores = rows[best], scores[best]
        names = self.ids(rows)
        order = np.lexsort((names, -scores))[:k]
        return Neighbors(names[order], scores[order])


def cosines(queries: NDArray[np.float32], embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosines [q, n] of `queries` [q, d] and `embeddings` [n, d], one call at a time."""
    few = len(queries) * len(embeddings) <= _FEW
    with _MULTIPLYING, _BLAS.limit(limits=1) if few else nullcontext():
        return queries @ embeddings.T


def _read_column(column: pa.ChunkedArray) -> NDArray[Any]:
    return (
        as_numbers(column) if pa.types.is_primitive(column.type) else text_array(column.cast(pa.string()).to_pylist())
    )
