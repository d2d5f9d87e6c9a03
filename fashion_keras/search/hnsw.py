"""HNSW index (usearch) beside a large local index, and its embeddings in 8 bits: a cache, rebuilt at any time.

Candidates are those of the graph, or, where too few of them match a filter, the best of all in 8 bits; the embeddings
themselves rank them again, so scores are those of an exact search.
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
from fashion_keras.search.manifest import HNSW_CODES, HNSW_FILE, HNSW_MANIFEST, StoredFile
from fashion_keras.search.quantized import nearest_codes, quantization_scale, quantize
from fashion_keras.search.snapshot import MAX_CHECKED_BYTES, IndexSnapshot, cosines
from fashion_keras.support.array_files import map_array
from fashion_keras.support.atomic_files import atomic_write, read_json, write_json
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
# At least so many candidates are ranked again. HNSW proposes more where not all match a filter; where it would have to
# propose more than the latter, comparing all in 8 bits is as fast.
_MIN_CANDIDATES, _MAX_CANDIDATES = 64, 1000


@dataclass(frozen=True)
class HnswManifest:
    """HNSW index: which segments (by the checksum of their embeddings) it was built of; rows; its files.

    Embeddings times `scale`, rounded, are what it holds.
    """

    segments: tuple[str, ...] = ()
    rows: int = 0
    scale: float = 0.0
    files: tuple[StoredFile, ...] = ()

    @classmethod
    def read(cls, folder: Path, snapshot: IndexSnapshot) -> "HnswManifest":
        """Read the manifest; an empty one where a file is not whole, or it is not of this snapshot's first rows."""
        try:
            manifest = dataclass_from_json(cls, read_json(folder / HNSW_MANIFEST), folder / HNSW_MANIFEST)
            for file in manifest.files:
                file.check(folder, content=False)
        except InputError:
            # A cache: what is missing or damaged is built again by the next change.
            return cls()
        return manifest if _checksums(snapshot)[: len(manifest.segments)] == manifest.segments else cls()


class HnswIndex:
    """HNSW index over the first `rows` rows of a snapshot; 0 where there is none. Threads may share it.

    What `previous`, of an earlier version, has open is taken over.
    """

    def __init__(self, folder: Path, snapshot: IndexSnapshot, previous: "HnswIndex | None" = None) -> None:
        self.manifest = HnswManifest.read(folder, snapshot)
        same = previous is not None and previous.manifest == self.manifest
        self._opened = previous._opened if same else self._open(folder)
        self.rows = len(self._opened[1]) if self._opened is not None else 0

    def _open(self, folder: Path) -> tuple[UsearchIndex, NDArray[np.int8]] | None:
        """Map the files into memory, so that only what a search touches is read; None where they are of another."""
        manifest = self.manifest
        try:
            for file in manifest.files:
                file.check(folder, content=file.bytes <= MAX_CHECKED_BYTES)
        except InputError:
            return None
        if not manifest.rows:
            return None
        codes = np.asarray(map_array(folder / HNSW_CODES))
        if codes.dtype != np.int8 or codes.ndim != 2:
            return None
        index = UsearchIndex.restore(str(folder / HNSW_FILE), view=True, enable_key_lookups=False)
        index.expansion_search = _EXPANSION_SEARCH
        # A writer may have replaced the files meanwhile.
        return (index, codes) if len(index) == len(codes) == manifest.rows else None

    def candidates(
        self, snapshot: IndexSnapshot, queries: NDArray[np.float32], k: int, mask: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield (rows in `mask` [n], their cosines) for each of `queries` [q, d]: the best, and all outside HNSW."""
        index, codes = self._opened
        inside, wanted = mask[: self.rows], max(_MIN_CANDIDATES, 4 * k)
        unindexed = self.rows + np.flatnonzero(mask[self.rows :])
        matching = np.count_nonzero(inside)
        count = ceil(wanted * self.rows / max(matching, 1))
        quantized = quantize(queries, self.manifest.scale)
        proposals = _propose(index, quantized, count) if count <= _MAX_CANDIDATES else [unindexed[:0]] * len(queries)
        scores_outside = snapshot.scores(queries, unindexed)
        for query, code, rows, scores in zip(queries, quantized, proposals, scores_outside, strict=True):
            near = rows[inside[rows]]
            if len(near) < min(2 * k, matching):
                near = nearest_codes(codes, code, np.flatnonzero(inside), wanted)
            near_scores = cosines(query, snapshot.embeddings(near))
            yield np.concatenate([near, unindexed]), np.concatenate([near_scores, scores])


def _propose(index: UsearchIndex, queries: NDArray[np.int8], count: int) -> list[NDArray[np.int64]]:
    """Return the `count` nearest rows by HNSW, fewer where it has fewer, for each of `queries` [q, d]."""
    result = index.search(queries, min(count, len(index)))
    return [match.keys.astype(np.int64) for match in ([result] if len(queries) == 1 else result)]


def update_hnsw(folder: Path, snapshot: IndexSnapshot, current: HnswIndex) -> None:
    """Write an HNSW index of all rows where a snapshot is large and `current` contains too little of it."""
    rows, path = len(snapshot.live_mask), folder / HNSW_FILE
    if rows <= HNSW_MIN_ROWS or rows - current.rows <= _MAX_UNINDEXED_SHARE * rows:
        return
    width = snapshot.manifest.spec.width
    index = UsearchIndex(
        ndim=width, metric="ip", dtype="i8", connectivity=_CONNECTIVITY, expansion_add=_EXPANSION_ADD,
        enable_key_lookups=False,
    )  # fmt: skip
    scale = current.manifest.scale
    if current.rows:
        index.load(str(path))
        index.expansion_add = _EXPANSION_ADD
    else:
        sample = np.arange(0, rows, ceil(rows / _SAMPLE_ROWS))
        scale = quantization_scale(snapshot.embeddings(sample))
    with atomic_write(folder / HNSW_CODES) as temporary, temporary.open("wb") as file:
        header = {"descr": "|i1", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        with ProgressBar("HNSW index", rows, "images") as bar:
            for start in range(0, rows, BLOCK_ROWS):
                part = np.arange(start, min(start + BLOCK_ROWS, rows))
                codes = quantize(snapshot.embeddings(part), scale)
                file.write(codes)
                new = part >= current.rows
                if new.any():
                    index.add(part[new], codes[new])
                bar.advance(len(part))
    with atomic_write(path) as temporary:
        index.save(str(temporary))
    files = tuple(StoredFile.of(folder / name) for name in (HNSW_FILE, HNSW_CODES))
    write_json(folder / HNSW_MANIFEST, asdict(HnswManifest(_checksums(snapshot), rows, scale, files)))


def _checksums(snapshot: IndexSnapshot) -> tuple[str, ...]:
    return tuple(entry.embeddings.sha256 for entry in snapshot.manifest.segments)
