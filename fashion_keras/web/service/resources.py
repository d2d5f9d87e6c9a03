"""What the server has open: index, encoder, tagger, classifier, and their views, refreshed after a change."""

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from fashion_keras.features.encoder import Encoder
from fashion_keras.features.runtime import load_classifier
from fashion_keras.models.classifier import Classifier
from fashion_keras.search.base import Index, IndexSpec
from fashion_keras.search.indexing import build_index, load_index_encoder, open_index, update_index
from fashion_keras.search.similar import Searcher
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.model.tagger import Tagger, load_tagger
from fashion_keras.web.config import ServeConfig
from fashion_keras.web.http.metrics import Metrics
from fashion_keras.web.http.uploads import RequestError
from fashion_keras.web.service.batching import BatchedForward
from fashion_keras.web.service.catalog_view import CatalogView

log = logging.getLogger("fashion_keras")

# How often the server looks whether the index has changed, in seconds.
_REFRESH = 1.0


@dataclass(frozen=True)
class OpenIndex:
    """A searcher, its index as it was at one moment, and the index's columns at that moment."""

    searcher: Searcher
    index: Index
    view: CatalogView


class Resources:
    """Everything that requests need; threads may share it.

    Attributes:
        tagger, classifier: None where the server has none.
    """

    def __init__(self, config: ServeConfig, metrics: Metrics) -> None:
        """Open all; InputError for what is not there or does not fit together."""
        self.config, self._metrics = config, metrics
        self._lock = Lock()
        self._forwards: list[BatchedForward] = []
        self.location = _prepare_index(config)
        self._searcher = self._open_searcher()
        self._view = CatalogView.read(self._searcher.index)
        self._refreshed = time.monotonic()
        self.tagger = self._load_tagger() if config.tagger else None
        self.classifier = self._load_classifier() if config.run else None
        if self._searcher.index.spec.image_spec is not None:
            # The first search must not wait until the network is compiled.
            self._searcher.encoder.embed([])

    def current(self) -> OpenIndex:
        """Return the index as it is now; changes are seen after a second at most. RequestError 503 if it is damaged."""
        with self._lock:
            try:
                return self._refreshed_index()
            except InputError as error:
                log.error("%s", error)
                raise RequestError(503, "the index cannot be read; the server's log has the cause", 5) from None

    def close(self) -> None:
        """End the workers of the networks."""
        for forward in self._forwards:
            forward.close()

    def _refreshed_index(self) -> OpenIndex:
        if time.monotonic() - self._refreshed > _REFRESH:
            if not self._searcher.index.refresh():
                self._searcher = self._open_searcher()
            self._refreshed = time.monotonic()
        index = self._searcher.index.pinned()
        if index.state() != self._view.state:
            self._view = CatalogView.read(index)
        return OpenIndex(self._searcher, index, self._view)

    def _open_searcher(self) -> Searcher:
        return Searcher(open_index(self.location), self._load_encoder)

    def _load_encoder(self, spec: IndexSpec) -> Encoder:
        return self._batched(load_index_encoder(spec))

    def _batched(self, encoder: Encoder) -> Encoder:
        """Return an encoder whose forward passes are shared by all requests."""
        forward = BatchedForward(encoder.forward, self.config.batch, self._metrics.count_batch)
        self._forwards.append(forward)
        return replace(encoder, forward=forward)

    def _load_tagger(self) -> Tagger:
        spec = self._searcher.index.spec
        tagger = load_tagger(self.config.tagger)
        if spec.image_spec is not None and tagger.encoder.identity == spec.encoder_identity:
            return replace(tagger, encoder=self._searcher.encoder)
        return replace(tagger, encoder=self._batched(tagger.encoder))

    def _load_classifier(self) -> Classifier:
        classifier = load_classifier(self.config.run)
        size = classifier.spec.image_spec
        forward = BatchedForward(classifier.forward, self.config.batch, self._metrics.count_batch)
        self._forwards.append(forward)
        # Compiled now, as the encoder.
        forward(np.zeros((1, size.height, size.width, 3), np.float32))
        return Classifier(classifier.spec, forward)


def _prepare_index(config: ServeConfig) -> str:
    """Return the location of the index to serve, after it was built of `data`, or brought up to date."""
    if config.data is None:
        return config.location
    location = config.location or str(_cached_index(config))
    if config.corrections and not Path(config.corrections).is_file():
        config = replace(config, corrections=None)
    try:
        index = open_index(location)
    except InputError:
        if Path(location).is_dir() and any(Path(location).iterdir()):
            raise
        log.info("building the index %s", location)
        build_index(config, out=location)
        return location
    changes = update_index(index, config)
    log.info("index %s: %d images added, %d replaced, %d removed", location, changes.added, changes.updated,
             changes.deleted)  # fmt: skip
    return location


def _cached_index(config: ServeConfig) -> Path:
    """Return the folder of the cache for the index of a catalog."""
    name = config.data if config.data == "sample" else str(Path(config.data).absolute())
    return cache_dir() / "served" / hashlib.sha256(f"{name} {config.limit}".encode()).hexdigest()[:16]
