"""HNSW index (usearch) beside a large local index: a cache that can be rebuilt at any time.

It holds embeddings as whole numbers of 8 bits; candidates are re-ranked by the embeddings themselves, so scores are
those of an exact search.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np

# Before usearch: loaded the other way round, OpenVINO cannot read a network any more (two libraries of C++).
import pyarrow as pa  # noqa: F401
from numpy.typing import NDArray
from usearch.index import Index as UsearchIndex

from fashion_keras.search.base import BLOCK_ROWS
from fashion_keras.search.manifest import HNSW_FILE, HNSW_MANIFEST
from fashion_keras.search.snapshot import MAX_CHECKED_BYTES, IndexSnapshot, cosines
from fashion_keras.support.atomic_files import atomic_write, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.progress import ProgressBar

# From so many images on an HNSW index is built.
HNSW_MIN_ROWS = 20_000
# Rows that it does not contain are compared exhaustively; beyond this share they are added to it.
_MAX_UNINDEXED_SHARE = 0.1
# With fewer candidates looked at in a search, groups of images that lie far from all others are missed as a whole.
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 256
_SAMPLE_ROWS = 20_000
# At least so many candidates are compared again with the embeddings themselves; fewer match a filter than are proposed,
# so that more are proposed, step by step, up to a number at which comparing all that match is as fast.
_MIN_CANDIDATES, _WIDENING, _MAX_CANDIDATES = 64, 4, 5000


@dataclass(frozen=True)
class HnswManifest:
    """HNSW index file: which segments (by the checksum of their embeddings) it was built of; rows, size, checksum.

    Embeddings times `scale`, rounded, are what it holds.
    """

    segments: tuple[str, ...] = ()
    rows: int = 0
    scale: float = 0.0
    bytes: int = 0
    sha256: str = ""

    @classmethod
    def read(cls, folder: Path, snapshot: IndexSnapshot) -> "HnswManifest":
        """Read the manifest; an empty one where there is no whole file, or it is not of this snapshot's first rows."""
        try:
            manifest = dataclass_from_json(cls, read_json(folder / HNSW_MANIFEST), folder / HNSW_MANIFEST)
        except InputError:
            # A cache: what is missing or damaged is built again by the next change.
            return cls()
        path = folder / HNSW_FILE
        whole = path.is_file() and path.stat().st_size == manifest.bytes
        # An index of an earlier format holds other values, without a scale.
        whole = whole and manifest.scale > 0
        return manifest if whole and _checksums(snapshot)[: len(manifest.segments)] == manifest.segments else cls()


class HnswIndex:
    """HNSW index over the first `rows` rows of a snapshot; 0 where there is none. Threads may share it.

    What `previous`, of an earlier version, has open is taken over.
    """

    def __init__(self, folder: Path, snapshot: IndexSnapshot, previous: "HnswIndex | None" = None) -> None:
        self.manifest = HnswManifest.read(folder, snapshot)
        same = previous is not None and previous.manifest == self.manifest
        self._usearch = previous._usearch if same else self._open(folder / HNSW_FILE)
        self.rows = len(self._usearch) if self._usearch is not None else 0

    def _open(self, path: Path) -> UsearchIndex | None:
        """Map the file into memory, so that only what a search touches is read; None where its manifis of another."""
        manifest = self.manifest
        if not manifest.rows or (manifest.bytes <= MAX_CHECKED_BYTES and file_sha256(path) != manifest.sha256):
            return None
        index = UsearchIndex.restore(str(path), view=True, enable_key_lookups=False)
        index.expansion_search = _EXPANSION_SEARCH
        # A writer may have replaced the file meanwhile.
        return index if len(index) == manifest.rows else None

    def candidates(
        self, snapshot: IndexSnapshot, queries: NDArray[np.float32], k: int, mask: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]] | None]:
        """Yield (rows in `mask` [n], their cosines) for each of `queries` [q, d]: some by HNSW, and all outside it.

        None where HNSW proposes too few rows in `mask` for the k nearest of them to be among those.
        """
        count = ceil(max(_MIN_CANDIDATES, 4 * k) * len(mask) / max(np.count_nonzero(mask), 1))
        unindexed = self.rows + np.flatnonzero(mask[self.rows :])
        proposals = self._propose(queries, count)
        for query, rows, scores in zip(queries, proposals, snapshot.scores(queries, unindexed), strict=True):
            matching = self._widen(query, rows[mask[rows]], 2 * k, count, mask)
            if matching is None:
                yield None
            else:
                near = cosines(query, snapshot.embeddings(matching))
                yield np.concatenate([matching, unindexed]), np.concatenate([near, scores])

    def _propose(self, queries: NDArray[np.float32], count: int) -> list[NDArray[np.int64]]:
        """Return `count` rows for each of `queries` [q, d]; none where that would take longer than comparing all."""
        if count > _MAX_CANDIDATES:
            return [np.empty(0, np.int64)] * len(queries)
        result = self._usearch.search(_quantize(queries, self.manifest.scale), min(count, self.rows))
        return [match.keys.astype(np.int64) for match in ([result] if len(queries) == 1 else result)]

    def _widen(
        self, query: NDArray[np.float32], rows: NDArray[np.int64], needed: int, count: int, mask: NDArray[np.bool_]
    ) -> NDArray[np.int64] | None:
        """Return at least `needed` rows in `mask`: `rows`, if they are enough, or those among more candidates."""
        while len(rows) < min(needed, self.rows):
            count *= _WIDENING
            if count > _MAX_CANDIDATES:
                return None
            (rows,) = self._propose(query[None], count)
            rows = rows[mask[rows]]
        return rows


def update_hnsw(folder: Path, snapshot: IndexSnapshot, current: HnswIndex) -> None:
    """Write an HNSW index of all rows where a snapshot is large and `current` contains too little of it."""
    rows, path = len(snapshot.live_mask), folder / HNSW_FILE
    if rows <= HNSW_MIN_ROWS or rows - current.rows <= _MAX_UNINDEXED_SHARE * rows:
        return
    scale = current.manifest.scale or _scale(snapshot)
    index = UsearchIndex(
        ndim=snapshot.manifest.spec.width, metric="ip", dtype="i8", connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD, enable_key_lookups=False,
    )  # fmt: skip
    if current.rows:
        index.load(str(path))
        index.expansion_add = _EXPANSION_ADD
    with ProgressBar("HNSW index", rows - len(index), "images") as bar:
        for start in range(len(index), rows, BLOCK_ROWS):
            part = np.arange(start, min(start + BLOCK_ROWS, rows))
            index.add(part, _quantize(snapshot.embeddings(part), scale))
            bar.advance(len(part))
    with atomic_write(path) as temporary:
        index.save(str(temporary))
    manifest = HnswManifest(_checksums(snapshot), rows, scale, path.stat().st_size, file_sha256(path))
    write_json(folder / HNSW_MANIFEST, asdict(manifest))


def _scale(snapshot: IndexSnapshot) -> float:
    """Return by what embeddings are multiplied: the largest value of a sample becomes 127."""
    rows = len(snapshot.live_mask)
    sample = snapshot.embeddings(np.arange(0, rows, max(1, rows // _SAMPLE_ROWS)))
    return 127 / max(float(np.abs(sample).max()), 1e-6)


def _quantize(embeddings: NDArray[np.float32], scale: float) -> NDArray[np.int8]:
    return np.clip(np.rint(embeddings * np.float32(scale)), -127, 127).astype(np.int8)


def _checksums(snapshot: IndexSnapshot) -> tuple[str, ...]:
    return tuple(entry.embeddings.sha256 for entry in snapshot.manifest.segments)
