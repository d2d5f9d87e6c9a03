"""A graph beside a large local index (HNSW by usearch): a cache that can be built again, never the truth.

Its candidates are compared again with the vectors themselves, so scores are those of an exact search.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index as Graph

from fashion_keras.search.segments import View
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import read_json, replacing, write_json

log = logging.getLogger("fashion_keras")

# From so many products on a graph is built.
LARGE = 50_000
# Rows that the graph does not know are compared one by one; beyond this share it is built again.
_UNKNOWN = 0.1
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 128
_BLOCK = 65_536


def build_graph(folder: Path, view: View) -> None:
    """Build the graph of a view's vectors, dead ones included, and put it beside them."""
    width = view.manifest["spec"]["width"]
    graph = Graph(
        ndim=width, metric="ip", dtype="f16", connectivity=_CONNECTIVITY, expansion_add=_EXPANSION_ADD,
        expansion_search=_EXPANSION_SEARCH,
    )  # fmt: skip
    start = 0
    for segment in view.segments:
        for at in range(0, len(segment.vectors), _BLOCK):
            part = segment.vectors[at : at + _BLOCK]
            graph.add(np.arange(start, start + len(part)), part)
            start += len(part)
    with replacing(folder / "graph.usearch") as temporary:
        graph.save(str(temporary))
    names = [entry["name"] for entry in view.manifest["segments"]]
    write_json(
        folder / "graph.json", {"segments": names, "rows": start, "bytes": (folder / "graph.usearch").stat().st_size}
    )


def wants_graph(folder: Path, view: View) -> bool:
    """Whether a view is large and its graph is missing or knows too little of it."""
    rows = len(view.alive)
    return rows > LARGE and rows - _known(folder, view) > _UNKNOWN * rows


class GraphSearch:
    """The candidates of a graph, and the rows that it does not know."""

    def __init__(self, folder: Path, view: View) -> None:
        self.rows = _known(folder, view)
        # Memory-mapped: only what a search touches is read.
        self._graph = Graph.restore(str(folder / "graph.usearch"), view=True) if self.rows else None
        if self._graph is not None:
            self._graph.expansion_search = _EXPANSION_SEARCH

    def candidates(self, vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Return [q, count] rows near each of `vectors` [q, d]; -1 where there are fewer."""
        found = self._graph.search(vectors, min(count, self.rows))
        keys = np.atleast_2d(found.keys).astype(np.int64)
        kept = np.full((len(vectors), count), -1)
        kept[:, : keys.shape[1]] = keys
        return kept


def _known(folder: Path, view: View) -> int:
    """How many of a view's first rows the graph knows; 0 where it is missing, torn, or of other segments."""
    if not (folder / "graph.json").is_file() or not (folder / "graph.usearch").is_file():
        return 0
    try:
        about: Mapping[str, Any] = read_json(folder / "graph.json")
    except InputError:
        return 0
    names = [entry["name"] for entry in view.manifest["segments"]]
    whole = (folder / "graph.usearch").stat().st_size == about["bytes"]
    return about["rows"] if whole and names[: len(about["segments"])] == about["segments"] else 0
