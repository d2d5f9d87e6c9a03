"""Local index in a folder: segments of embeddings and tables, and a manifest that is replaced atomically.

Exact by NumPy over memory-mapped embeddings; above 20,000 rows HNSW proposes candidates, with a filter that more than
`MAX_EXACT` rows match, too, or a comparison of all of those in 8 bits. A change writes new files and
then a new manifest, so it is complete or absent even if the process is killed; an open index keeps showing the version
that it opened. Readers write nothing: the folder may be read-only.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_keras.search.base import Index, IndexSpec, Neighbors, Records, as_ids
from fashion_keras.search.filters import Where
from fashion_keras.search.hnsw import HnswIndex, update_hnsw
from fashion_keras.search.manifest import (
    IndexManifest,
    explain_os_errors,
    next_version,
    remove_stale,
    write_deleted,
    write_lock,
)
from fashion_keras.search.segments import write_segment
from fashion_keras.search.snapshot import IndexSnapshot
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

# So many images that match a filter are compared exhaustively, at most, where there is an HNSW index.
MAX_EXACT = 5_000


class LocalIndex(Index):
    """The index in a folder; see `Index`. Threads may share it."""

    def __init__(self, folder: str | Path) -> None:
        """Open an index; InputError when there is none, or a file of it is missing, truncated or altered."""
        self.folder = Path(folder)
        self.name = str(folder)
        self._lock = Lock()
        # Replaced in one step: other threads may be searching.
        self._opened: tuple[IndexSnapshot, HnswIndex] | None = None
        self._show(self._open())
        self.spec, self.id = self._snapshot.manifest.spec, self._snapshot.manifest.id

    @classmethod
    def _create(cls, place: str, spec: IndexSpec, blocks: Iterator[Records], overwrite: bool) -> "LocalIndex":
        """See `Index`; for each image 16 bytes stay in memory while blocks are stored."""
        folder = Path(place)
        cls.check_free(folder, overwrite)
        with explain_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with write_lock(folder):
            manifest = IndexManifest(spec, version=next_version(folder, overwrite))
            try:
                with explain_os_errors(folder, "; no index was made"):
                    segment = write_segment(folder, manifest.version, blocks)
                    replace(manifest, segments=(segment,) if segment else ()).write(folder)
            except BaseException:
                for path in folder.glob(f"{manifest.version:010d}.*"):
                    path.unlink()
                raise
            index = cls(folder)
            index._finish_change()
        return index

    @staticmethod
    def check_free(folder: str | Path, overwrite: bool = False) -> None:
        """Raise InputError unless an index can be made in a folder; see `create`."""
        with explain_os_errors(Path(folder)):
            next_version(Path(folder), overwrite)

    def __len__(self) -> int:
        return len(self._snapshot)

    def __repr__(self) -> str:
        return f"LocalIndex({self.name!r}, {len(self)} images, encoder {self.spec.encoder!r}, version {self.version})"

    @property
    def _snapshot(self) -> IndexSnapshot:
        return self._opened[0]

    @property
    def version(self) -> int:
        """How many changes were made to what was opened."""
        return self._snapshot.manifest.version

    def _change(self, removed: NDArray[np.str_] | None, added: Records | None) -> None:
        with self._next_version() as (snapshot, changes):
            if removed is not None:
                rows = np.union1d(np.flatnonzero(~snapshot.live_mask), snapshot.positions(removed))
                changes["deleted"] = write_deleted(self.folder, changes["version"], rows)
            elif taken := snapshot.taken(added.ids):
                raise InputError(f"id {taken[0]} is in the index already; update replaces it")
            if added is not None and len(added):
                segment = write_segment(self.folder, changes["version"], added.blocks())
                changes["segments"] = (*snapshot.manifest.segments, segment)

    def compact(self) -> None:
        """Write the live rows as one segment, and remove the others."""
        with self._next_version() as (snapshot, changes):
            segment = write_segment(self.folder, changes["version"], snapshot.blocks())
            changes |= {"segments": (segment,) if segment else (), "deleted": None}

    def stats(self) -> dict[str, Any]:
        """Return images, products, removed rows that still take space, segments, rows in HNSW, version, bytes, spec."""
        snapshot, hnsw = self._opened
        return {
            "images": len(snapshot),
            "products": snapshot.products,
            "removed": len(snapshot.live_mask) - len(snapshot),
            "segments": len(snapshot.segments),
            "hnsw_rows": hnsw.rows,
            "version": snapshot.manifest.version,
            "bytes": sum(file.bytes for file in snapshot.manifest.files),
            **asdict(self.spec),
        }

    def refresh(self) -> bool:
        """See `Index`; without a call of it an open index stays as it was opened."""
        manifest = IndexManifest.read(self.folder)
        if manifest.id == self.id and manifest.version != self.version:
            self._show(self._open())
        return manifest.id == self.id

    def pinned(self) -> "LocalIndex":
        """See `Index`."""
        return copy(self)

    def ids(self) -> NDArray[np.str_]:
        """See `Index`."""
        return self._snapshot.live_ids

    def find(self, name: str) -> NDArray[np.str_]:
        """See `Index`."""
        return self._snapshot.find(name)

    def lookup(self, ids: ArrayLike) -> Records:
        """See `Index`."""
        snapshot = self._snapshot
        return snapshot.take(snapshot.positions(as_ids(ids)))

    def state(self) -> str:
        """See `Index`."""
        return f"{self.id}-{self.version}"

    def select(self, columns: Sequence[str], where: Where | None = None) -> dict[str, NDArray[Any]]:
        """See `Index`."""
        snapshot = self._snapshot
        return snapshot.columns(columns, np.flatnonzero(snapshot.matching(where)))

    def _nearest(self, queries: NDArray[np.float32], k: int, where: Where | None) -> list[Neighbors]:
        """See `Index`; exact without HNSW, and where few images match a filter."""
        snapshot, hnsw = self._opened
        mask = snapshot.matching(where)
        if not hnsw.rows or (where and np.count_nonzero(mask) <= MAX_EXACT):
            return snapshot.nearest(queries, k, mask)
        candidates = hnsw.candidates(snapshot, queries, k, mask)
        return [snapshot.top_k(*pair, k) for pair in candidates]

    def _show(self, snapshot: IndexSnapshot) -> None:
        """Let later calls see a snapshot, unless they see a later one already."""
        with self._lock, explain_os_errors(self.folder):
            if self._opened is None or snapshot.manifest.version >= self.version:
                self._opened = snapshot, HnswIndex(self.folder, snapshot, self._opened and self._opened[1])

    def _open(self) -> IndexSnapshot:
        """Open the files that the manifest names; again when a writer has replaced them meanwhile."""
        while True:
            manifest = IndexManifest.read(self.folder)
            try:
                return IndexSnapshot.open(self.folder, manifest, self._opened and self._snapshot)
            except InputError:
                if IndexManifest.read(self.folder) == manifest:
                    raise

    @contextmanager
    def _next_version(self) -> Iterator[tuple[IndexSnapshot, dict[str, Any]]]:
        """Yield the snapshot and what changes in its manifest, for which the block writes files; then write that."""
        with write_lock(self.folder):
            snapshot = self._open()
            if snapshot.manifest.id != self.id:
                raise self._replaced()
            changes = {"version": snapshot.manifest.version + 1}
            try:
                with explain_os_errors(self.folder, "; the index is as it was"):
                    yield snapshot, changes
                    replace(snapshot.manifest, **changes).write(self.folder)
            except InputError:
                remove_stale(self.folder, snapshot.manifest)
                raise
            self._finish_change()

    def _finish_change(self) -> None:
        """Show the new version, remove the files of older ones, and bring HNSW up to date."""
        if os.name != "nt":
            # The renames in the folder, too, are flushed to disk.
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        snapshot = self._open()
        remove_stale(self.folder, snapshot.manifest)
        self._show(snapshot)
        try:
            update_hnsw(self.folder, *self._opened)
        except (OSError, RuntimeError) as error:
            log.warning("%s: no HNSW index, search will be slow: %s", self.folder, error)
        self._show(snapshot)
