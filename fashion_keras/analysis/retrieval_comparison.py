"""Retrieval scores of encoders and indexes on one catalog, beside two baselines."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import CATALOG_PARTS, RetrievalConfig
from fashion_keras.analysis.evaluation_subset import encoder_training_products, own_weights, select_rows
from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.catalog.readers import Catalog
from fashion_keras.evaluation.reports.compute import retrieval_scores
from fashion_keras.features.embeddings import embedding_source
from fashion_keras.images.inputs import as_image_list
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import read_source, reject_unreadable
from fashion_keras.search.indexing import open_index
from fashion_keras.support.config_fields import SourceConfig, as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.manifests import RunManifest

log = logging.getLogger("fashion_keras")

_BINS = 8  # per color channel

Embed = Callable[[Catalog], NDArray[np.float32]]


@dataclass(frozen=True)
class CatalogPart:
    """The part of a catalog that encoders are evaluated on: rows with a readable image.

    excluded: training products left out; rejected: rows and files of the whole catalog without a readable image;
    missing: products of a run's test part that the catalog lacks.
    """

    source: str
    catalog: Catalog
    excluded: int
    rejected: int
    missing: int = 0


@takes_verbose
def evaluate_search(config: RetrievalConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Score indexes and encoders on a catalog, each product a query against all others; two baselines beside them.

    The part "held_out" holds the products that none of the encoders was trained on, by the product hashes that come
    with them; of bare backbones alone, these are all products.

    Returns:
        data, part, products, rejected, excluded, test_products_missing (of a run as part), and rows: name, width,
        seconds, scores (see `retrieval.encoder_scores`), trained_products (of the encoder, among the products).

    Raises:
        InputError: for an unknown part, an index that lacks one of the products, and as `embedding_source`.
    """
    config = as_config(RetrievalConfig, config)
    sources = _sources(config)
    training_products = frozenset().union(*(products for _, products in sources.values()))
    part = load_part(config, config.part, training_products, config.exclude_trained)
    return {
        "data": part.source,
        "part": config.part,
        "products": len(part.catalog),
        "rejected": part.rejected,
        "excluded": part.excluded,
        "test_products_missing": part.missing,
        "rows": [_score(name, *source, part.catalog, config.seed) for name, source in sources.items()],
    }


def load_part(
    source: SourceConfig, part: str, training_products: frozenset[str], exclude_trained: bool = False
) -> CatalogPart:
    """Return a part of a catalog: "all"; "held_out": what is not among `training_products`; or a run's test part.

    `training_products` are product hashes, which `exclude_trained` leaves out of any part. Raises InputError when no
    row is left.
    """
    catalog, data = read_source(source)
    ids, missing = catalog.image_ids, 0
    if part not in CATALOG_PARTS:
        # Of the catalog as read: a test product with an unreadable image does not make it another catalog.
        subset = select_rows(catalog, RunManifest.read(part), "test")
        ids, missing = ids[subset.rows], subset.test_products_missing
    readable = reject_unreadable(catalog)
    left = selected = np.isin(readable.image_ids, ids)
    if exclude_trained or part == "held_out":
        left = selected & ~is_training_product(readable, training_products)
    if not left.any():
        raise InputError(f"{data}: no product left in part {part}: the encoders were trained on all of them")
    excluded = int((selected & ~left).sum())
    return CatalogPart(data, readable.take(np.flatnonzero(left)), excluded, len(readable.rejected), missing)


def color_histograms(images: Sequence[Any]) -> NDArray[np.float32]:
    """Return [n, 512] float32 of unit norm: square roots of the shares of 8x8x8 RGB bins, at 80x60 pixels.

    The cosine of two is the Bhattacharyya coefficient of their histograms.
    """
    histograms = []
    for pixels in for_inference(as_image_list(images), ImageSpec(80, 60)):
        levels = (pixels / 256 * _BINS).astype(np.int64)
        bins = (levels @ [_BINS**2, _BINS, 1]).reshape(len(pixels), -1)
        histograms += [np.bincount(row, minlength=_BINS**3) / bins.shape[1] for row in bins]
    return np.sqrt(np.array(histograms, np.float32))


def cached_features(catalog: Catalog, name: str, weights: str) -> NDArray[np.float32]:
    """Return the embeddings [n, d] of a catalog's images, cached or new, by what `embedding_source` takes."""
    return embedding_source(name, own_weights(name, weights)).embed(catalog)


def _sources(config: RetrievalConfig) -> dict[str, tuple[Embed, frozenset[str]]]:
    """Return name -> function that makes the embeddings [n, d] of a catalog, and hashes of the training products."""
    sources: dict[str, tuple[Embed, frozenset[str]]] = {}
    for index in map(open_index, config.index):
        of_file = index.spec.image_spec is None
        products = frozenset() if of_file else encoder_training_products(index.spec.encoder, index.spec.weights)
        sources[index.name] = (lambda catalog, index=index: index.lookup(catalog.image_ids).embeddings, products)
    for name in config.encoder:
        products = encoder_training_products(name, config.weights)
        sources[name] = (lambda catalog, name=name: cached_features(catalog, name, config.weights), products)
    sources["color histogram"] = (lambda catalog: color_histograms(catalog.paths.tolist()), frozenset())
    sources["random"] = (lambda catalog: _random_embeddings(len(catalog), config.seed), frozenset())
    return sources


def _score(name: str, embed: Embed, training_products: frozenset[str], catalog: Catalog, seed: int) -> dict[str, Any]:
    began = time.perf_counter()
    embeddings = embed(catalog)
    seconds = time.perf_counter() - began
    log.info("%s: %d embeddings of width %d", name, *embeddings.shape)
    return {
        "name": name,
        "width": embeddings.shape[1],
        "seconds": round(seconds, 2),
        "scores": retrieval_scores(embeddings, catalog, seed),
        "trained_products": int(is_training_product(catalog, training_products).sum()),
    }


def _random_embeddings(count: int, seed: int) -> NDArray[np.float32]:
    embeddings = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
