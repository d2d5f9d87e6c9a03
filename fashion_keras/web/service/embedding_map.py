"""Map of the catalog: the embeddings in two dimensions, computed once for each state of the index."""

import hashlib
import logging
from concurrent.futures import Future
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.projection import project
from fashion_keras.search.base import Index
from fashion_keras.support.atomic_files import cache_dir, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.web.http.uploads import RequestError
from fashion_keras.web.service.background import finished, in_background
from fashion_keras.web.service.catalog_view import CatalogView

log = logging.getLogger("fashion_keras")

MOST_POINTS = 5000
_FEWEST_POINTS = 3
# The column that colors the points, the first one that there is; else the first facet.
_LABELS = ("article_type", "sub_category", "master_category")
_FORMAT = 1


class EmbeddingMap:
    """The map of the index in its last state, computed in the background. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state = ""
        self._made: Future[dict[str, Any]] | None = None

    def get(self, index: Index, view: CatalogView) -> dict[str, Any]:
        """Return the points of the index; RequestError 503 while they are computed, 404 for too few images."""
        if len(view) < _FEWEST_POINTS:
            raise RequestError(404, f"a map needs at least {_FEWEST_POINTS} images")
        with self._lock:
            if self._made is None or self._state != view.state:
                self._state, self._made = view.state, in_background(_load_or_make, index, view)
            made = self._made
        return finished(made, "the map", 2)


def _load_or_make(index: Index, view: CatalogView) -> dict[str, Any]:
    """Return the map in the cache; where there is none, compute it and keep it there."""
    name = hashlib.sha256(f"{_FORMAT} {MOST_POINTS} {view.state}".encode()).hexdigest()[:24]
    path = cache_dir() / "maps" / f"{name}.json"
    if path.is_file():
        return read_json(path)
    made = make_map(index, view)
    try:
        write_json(path, made)
    except OSError as error:
        log.warning("%s: %s; the map will be computed again by the next server", path, error.strerror)
    return made


def make_map(index: Index, view: CatalogView) -> dict[str, Any]:
    """Compute a t-SNE map of at most `MOST_POINTS` images, drawn at random; x and y are in 0..1."""
    rows = np.arange(len(view))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    embeddings = index.lookup(view.ids[rows]).embeddings
    try:
        places = project(embeddings, "tsne")[0]
    except InputError as error:
        raise RequestError(404, str(error)) from None
    labels = _point_labels(view)[rows].tolist()
    points = zip(
        view.ids[rows].tolist(), view.skus[rows].tolist(), *_unit_square(places).T.tolist(), labels, strict=True
    )
    keys = ("image_id", "sku", "x", "y", "label")
    return {
        "points": [dict(zip(keys, point, strict=True)) for point in points],
        "labels": sorted(set(labels)),
        "of": len(view),
    }


def _point_labels(view: CatalogView) -> NDArray[np.str_]:
    """Return the label [n] by which the points are colored, "" where it is missing."""
    names = [name for name, facet in view.facets.items() if facet.kind == "values"]
    name = next((name for name in (*_LABELS, *names) if name in names), None)
    return np.full(len(view), "") if name is None else view.columns[name].astype(np.str_)


def _unit_square(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places [n, 2] within 0..1, their proportions unchanged, four digits each."""
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    scaled = (places - low) / extent.max()
    return np.round(scaled + (1 - extent / extent.max()) / 2, 4)
