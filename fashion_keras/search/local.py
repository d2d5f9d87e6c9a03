"""An index in a folder: vectors and product columns in segments, and a manifest that is renamed into place.

Exact cosine by NumPy over memory-mapped vectors; above 20,000 of them a graph proposes candidates. A change writes new
files and then a new manifest, so it is there as a whole or not at all, whenever it is killed; whoever has opened the
index keeps seeing what was opened.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.search.base import IndexSpec, Neighbours, Records, Where, check_query
from fashion_keras.search.hnsw import HnswIndex, build_graph, needs_rebuild
from fashion_keras.search.storage import IndexSnapshot, Segment, write_deleted, write_segment
from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

FORMAT = "fashion_keras.index/1"
MANIFEST = "manifest.json"
# Of the graph, at least: those that are compared again with the vectors themselves.
_CANDIDATES = 64


class LocalIndex:
    """The index in a folder; see `Index`."""

    def __init__(self, folder: str | Path) -> None:
        """Open an index; InputError when there is none, or a file of it is missing, truncated or altered."""
        self.folder = Path(folder)
        # Replaced in one step: other threads may be searching.
        self._opened: tuple[IndexSnapshot, HnswIndex] | None = None
        self._show(self._open())
        self.spec = IndexSpec.from_dict(self._view.manifest["spec"])

    @classmethod
    def create(cls, folder: str | Path, spec: IndexSpec) -> "LocalIndex":
        """Begin an empty index; InputError when the folder holds anything."""
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: not an empty folder; give another --out, or bring an index there up to date with --update"
            )
        folder.mkdir(parents=True, exist_ok=True)
        empty = {"format": FORMAT, "version": 0, "spec": spec.to_dict(), "segments": [], "deleted": None}
        write_json(folder / MANIFEST, empty)
        return cls(folder)

    def __len__(self) -> int:
        return len(self._view)

    @property
    def _view(self) -> IndexSnapshot:
        return self._opened[0]

    def _show(self, view: IndexSnapshot) -> None:
        self._opened = view, HnswIndex(self.folder, view, self._opened and self._opened[1])

    @property
    def version(self) -> int:
        """How many changes were made to what was opened."""
        return self._view.manifest["version"]

    def add(self, records: Records) -> None:
        """See `Index`."""
        records.check(self.spec)

        def change(view: IndexSnapshot) -> dict[str, Any]:
            known = records.ids[view.holds(records.ids)]
            if len(known):
                raise InputError(f"id {known[0]} is in the index already; update replaces it")
            return self._appended(view, records)

        self._commit(change)

    def update(self, records: Records) -> None:
        """See `Index`."""
        records.check(self.spec)
        self._commit(lambda view: self._deleted(view, view.positions(records.ids)) | self._appended(view, records))

    def delete(self, ids: NDArray[np.int64]) -> None:
        """See `Index`."""
        self._commit(lambda view: self._deleted(view, view.positions(np.asarray(ids, np.int64))))

    def compact(self) -> None:
        """Write what is left as one segment, and remove the others."""

        def change(view: IndexSnapshot) -> dict[str, Any]:
            name = _name(view.manifest["version"] + 1)
            kept = [write_segment(self.folder, name, len(view), view.blocks())] if len(view) else []
            return {"segments": kept, "deleted": None}

        self._commit(change)

    def stats(self) -> dict[str, Any]:
        """Return products, what was removed and still takes room, segments, rows in the graph, version, bytes, spec."""
        manifest = self._view.manifest
        return {
            "products": len(self),
            "removed": len(self._view.alive) - len(self),
            "segments": len(manifest["segments"]),
            "graph": self._opened[1].rows,
            "version": manifest["version"],
            "bytes": sum(sum(segment["bytes"].values()) for segment in manifest["segments"]),
            **manifest["spec"],
        }

    def refresh(self) -> None:
        """See what was committed since the index was opened."""
        if read_json(self.folder / MANIFEST)["version"] != self.version:
            self._show(self._open())

    def ids(self) -> NDArray[np.int64]:
        """See `Index`."""
        return np.sort(self._view.ids[self._view.alive])

    def lookup(self, ids: NDArray[np.int64]) -> Records:
        """See `Index`."""
        return self._view.take(self._view.positions(np.asarray(ids, np.int64)))

    def nearest(self, vectors: NDArray[np.float32], k: int, where: Where | None = None) -> list[Neighbours]:
        """See `Index`; with a filter these are the true nearest of all that match, however many there are."""
        view, graph = self._opened
        vectors = check_query(vectors, k, self.spec, len(view))
        if where or not graph.rows:
            found = view.scores(vectors, view.matching(where))
        else:
            found = graph.near(view, vectors, max(_CANDIDATES, 4 * k))
            found = (
                one if len(one[0]) >= k else next(view.scores(vector[None], view.matching(None)))
                for vector, one in zip(vectors, found, strict=True)
            )
        return [_best(view.ids[rows], scores, k) for rows, scores in found]

    def _appended(self, view: IndexSnapshot, records: Records) -> dict[str, Any]:
        if not len(records):
            return {}
        segment = Segment(records.vectors, _table(records))
        entry = write_segment(self.folder, _name(view.manifest["version"] + 1), len(records), iter([segment]))
        return {"segments": [*view.manifest["segments"], entry]}

    def _deleted(self, view: IndexSnapshot, rows: NDArray[np.int64]) -> dict[str, Any]:
        dead = np.union1d(np.flatnonzero(~view.alive), rows)
        return {"deleted": write_deleted(self.folder, _name(view.manifest["version"] + 1), dead)}

    def _commit(self, change: Callable[[IndexSnapshot], dict[str, Any]]) -> None:
        """Let `change` write files and name them; then rename the new manifest into place and clear up."""
        with _locked(self.folder):
            view = self._open()
            try:
                manifest = {**view.manifest, **change(view), "version": view.manifest["version"] + 1}
                write_json(self.folder / MANIFEST, manifest)
            except OSError as error:
                self._clear_up(view.manifest)
                text = f"{self.folder}: {error.strerror}; the index is as it was: make room and try again"
                raise InputError(text) from None
            _sync(self.folder)
            view = self._open()
            self._clear_up(view.manifest)
            self._show(view)
            self._learn(view)
            self._show(view)

    def _learn(self, view: IndexSnapshot) -> None:
        """Bring the graph up to date; without it the index is slower, and as right."""
        try:
            if needs_rebuild(self.folder, view):
                build_graph(self.folder, view)
        except (OSError, RuntimeError) as error:
            log.warning("%s: no graph, search will be slow: %s", self.folder, error)

    def _open(self) -> IndexSnapshot:
        """Open the files that the manifest names; once more when a writer has replaced them meanwhile."""
        for attempt in range(3):
            manifest = _manifest(self.folder)
            try:
                return IndexSnapshot.open(self.folder, manifest, self._opened and self._view)
            except InputError:
                if attempt == 2 or _manifest(self.folder)["version"] == manifest["version"]:
                    raise
        raise AssertionError("unreachable")

    def _clear_up(self, manifest: Mapping[str, Any]) -> None:
        """Remove files that no version names any more, or that a killed writer left."""
        named = {entry["name"] for entry in [*manifest["segments"], manifest["deleted"]] if entry}
        for path in self.folder.iterdir():
            ours = path.suffix in (".npy", ".arrow") and path.name.split(".")[0] not in named
            if ours or path.name.startswith("."):
                path.unlink()


def _best(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Neighbours:
    """The k highest scores, of equal ones the lower ids."""
    if k < len(scores):
        # All that reach the k-th score: which of equal ones are kept must not hang on their order.
        kept = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        ids, scores = ids[kept], scores[kept]
    order = np.lexsort((ids, -scores))[:k]
    return Neighbours(ids[order], scores[order])


def _table(records: Records) -> pa.Table:
    columns = {name: pa.array(values.tolist()).dictionary_encode() for name, values in records.columns.items()}
    return pa.table({"id": records.ids, "path": pa.array(records.paths.tolist()), **columns})


def _name(version: int) -> str:
    return f"{version:010d}"


def _manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no index here; `fashion-keras index --data DIR --out {folder}` makes one")
    manifest = read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise InputError(f"{folder / MANIFEST}: format {manifest.get('format')!r}; this version reads {FORMAT!r}")
    return manifest


def _sync(folder: Path) -> None:
    """Make what was renamed in a folder outlast a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the only right to write; the system takes it back from a process that dies."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process is changing this index; try again when it is done") from None
        yield
