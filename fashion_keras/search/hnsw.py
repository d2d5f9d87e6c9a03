"""A graph beside a large local index (HNSW by usearch): a cache that can be built again, never the truth.

Its candidates are compared again with the vectors themselves, so scores are those of an exact search.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Before usearch: loaded the other way round, OpenVINO cannot read a network any more (two libraries of C++).
import pyarrow as pa  # noqa: F401
from numpy.typing import NDArray
from usearch.index import Index as Graph

from fashion_keras.search.storage import CHECKED, IndexSnapshot
from fashion_keras.support.atomic_files import atomic_write, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

GRAPH, ABOUT = "graph.usearch", "graph.json"
_NONE: Mapping[str, Any] = {"segments": [], "rows": 0, "bytes": 0, "sha256": ""}
# From so many products on a graph is built.
HNSW_MIN_ROWS = 20_000
# Rows that the graph does not know are compared one by one; beyond this share it learns them.
_UNKNOWN = 0.1
# With fewer looked at in a search, groups of products that lie far from all others are missed as a whole.
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 256
_BLOCK = 8192


class HnswIndex:
    """The graph of the first `rows` of a view; 0 where there is none. `about` is what graph.json said of it."""

    def __init__(self, folder: Path, view: IndexSnapshot, held: "HnswIndex | None" = None) -> None:
        """Open the graph beside a view, or take over what `held`, of an earlier version, has open."""
        self.about = _about(folder, view)
        same = held is not None and held.about == self.about
        self._graph = held._graph if same else _opened(folder / GRAPH, self.about)
        self.rows = len(self._graph) if self._graph is not None else 0

    def near(
        self, view: IndexSnapshot, vectors: NDArray[np.float32], count: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield (rows, their cosines) for each of `vectors` [q, d]: `count` by the graph, and what it does not know."""
        unknown = self.rows + np.flatnonzero(view.alive[self.rows :])
        found = self._graph.search(vectors, min(count, self.rows))
        matches = [found] if len(vectors) == 1 else found
        for vector, match, (_, scores) in zip(vectors, matches, view.scores(vectors, unknown), strict=True):
            rows = match.keys.astype(np.int64)
            kept = rows[view.alive[rows]]
            yield np.concatenate([kept, unknown]), np.concatenate([view.vectors(kept) @ vector, scores])


def needs_rebuild(folder: Path, view: IndexSnapshot) -> bool:
    """Whether a view is large and its graph is missing or knows too little of it."""
    rows = len(view.alive)
    return rows > HNSW_MIN_ROWS and rows - _about(folder, view)["rows"] > _UNKNOWN * rows


def build_graph(folder: Path, view: IndexSnapshot) -> None:
    """Put a graph of a view's vectors, dead ones included, beside them; one that knows the first rows goes on."""
    graph = Graph(
        ndim=view.manifest["spec"]["width"], metric="ip", dtype="bf16", connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD, enable_key_lookups=False,
    )  # fmt: skip
    if _opened(folder / GRAPH, _about(folder, view)) is not None:
        graph.load(str(folder / GRAPH))
        graph.expansion_add = _EXPANSION_ADD
    rows = len(view.alive)
    with ProgressBar("graph", rows - len(graph)) as bar:
        for start in range(len(graph), rows, _BLOCK):
            part = np.arange(start, min(start + _BLOCK, rows))
            graph.add(part, view.vectors(part))
            bar.advance(len(part))
    with atomic_write(folder / GRAPH) as temporary:
        graph.save(str(temporary))
    names = [entry["name"] for entry in view.manifest["segments"]]
    size, digest = (folder / GRAPH).stat().st_size, file_sha256(folder / GRAPH)
    write_json(folder / ABOUT, {"segments": names, "rows": rows, "bytes": size, "sha256": digest})


def _about(folder: Path, view: IndexSnapshot) -> Mapping[str, Any]:
    """Return what graph.json says of a graph of a view's first rows; `_NONE` without one, or one of other segments."""
    try:
        about = read_json(folder / ABOUT)
    except InputError:
        return _NONE
    names = [entry["name"] for entry in view.manifest["segments"]]
    whole = (folder / GRAPH).is_file() and (folder / GRAPH).stat().st_size == about["bytes"]
    return about if whole and names[: len(about["segments"])] == about["segments"] else _NONE


def _opened(path: Path, about: Mapping[str, Any]) -> Graph | None:
    """Map a graph into memory, so that only what a search touches is read; None where it is not what `about` says."""
    if not about["rows"] or (about["bytes"] <= CHECKED and file_sha256(path) != about["sha256"]):
        return None
    graph = Graph.restore(str(path), view=True, enable_key_lookups=False)
    graph.expansion_search = _EXPANSION_SEARCH
    # A writer may have put another one there meanwhile.
    return graph if len(graph) == about["rows"] else None
