"""Retrieval scores of encoders and indexes on one catalog, beside two baselines."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import CATALOG_PARTS, RetrievalConfig
from fashion_keras.analysis.evaluation_subset import select_rows
from fashion_keras.analysis.training_overlap import encoder_training_products, own_weights
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.evaluation.reports.retrieval import retrieval_scores
from fashion_keras.features.cache import encode
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.inputs import as_image_list
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.search.indexing import open_index
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.manifests import RunManifest

log = logging.getLogger("fashion_keras")

_BINS = 8  # per color channel


@dataclass(frozen=True)
class CatalogPart:
    """The part of a catalog that encoders are evaluated on.

    Attributes:
        source: folder or file of the catalog.
        catalog: the n rows of the part, each with a readable image.
        trained [n] bool: the rows whose product is among the training products that were given.
        excluded: rows left out because their product is.
        rejected: rows and files of the whole catalog without a readable image.
        missing: products of a run's test part that the catalog lacks.
    """

    source: Path
    catalog: Catalog
    trained: NDArray[np.bool_]
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
        seconds, trained_products (how many of the products the encoder was trained on), scores (see
        `retrieval.encoder_scores`).

    Raises:
        InputError: for an unknown part, a run none of whose test products is in the catalog, an index that lacks
            one of the products, and as `load_encoder`.
    """
    config = as_config(RetrievalConfig, config)
    training_products = _training_products(config)
    part = load_part(config.data, config.part, frozenset().union(*training_products.values()), config.exclude_trained)
    catalog = part.catalog
    rows = []
    for name, embed in _sources(config, catalog).items():
        row = _score(name, embed, catalog, config.seed)
        trained = int(is_training_product(catalog, training_products.get(name, ())).sum())
        rows.append({**row, "trained_products": trained})
    return {
        "data": str(part.source),
        "part": config.part,
        "products": len(catalog),
        "rejected": part.rejected,
        "excluded": part.excluded,
        "test_products_missing": part.missing,
        "rows": rows,
    }


def load_part(
    data: str | None, part: str, training_products: frozenset[str], exclude_trained: bool = False
) -> CatalogPart:
    """Read a catalog and return a part of it.

    Args:
        data: a catalog, "sample", or None; see `resolve_dataset`.
        part: "all"; "held_out": what is not among `training_products`; or a run's folder: the run's test part.
        training_products: product hashes.
        exclude_trained: leave the training products out of any part.

    Raises:
        InputError: when no row is left, or the catalog has none of the run's test products.
    """
    source, _ = resolve_dataset(data)
    catalog = read_catalog(source)
    # Of the catalog as read: a test product with an unreadable image does not make it another catalog.
    subset = None if part in CATALOG_PARTS else select_rows(catalog, RunManifest.read(part), "test")
    readable = reject_unreadable(catalog)
    trained = is_training_product(readable, training_products)
    selected = np.isin(readable.ids, catalog.ids if subset is None else catalog.ids[subset.rows])
    left = selected & ~trained if exclude_trained or part == "held_out" else selected
    if not left.any():
        raise InputError(f"{source}: no product left in part {part}: the encoders were trained on all of them")
    rows = np.flatnonzero(left)
    excluded = int((selected & ~left).sum())
    missing = 0 if subset is None else subset.test_products_missing
    return CatalogPart(source, readable.take(rows), trained[rows], excluded, len(readable.rejected), missing)


def color_histograms(images: Sequence[Any]) -> NDArray[np.float32]:
    """Return [n, 512] float32 of unit norm: square roots of the shares of 8x8x8 RGB bins, at 80x60 pixels.

    The cosine of two is then the Bhattacharyya coefficient of their histograms.
    """
    histograms = []
    for pixels in for_inference(as_image_list(images), ImageSpec(80, 60)):
        levels = (pixels / 256 * _BINS).astype(np.int64)
        bins = (levels @ [_BINS**2, _BINS, 1]).reshape(len(pixels), -1)
        histograms += [np.bincount(row, minlength=_BINS**3) / bins.shape[1] for row in bins]
    return np.sqrt(np.array(histograms, np.float32))


def cached_features(catalog: Catalog, name: str, weights: str) -> NDArray[np.float32]:
    """Return the embeddings [n, d] of a catalog's images, cached or new, by an encoder as `load_encoder` takes it."""
    return np.asarray(encode(catalog, load_encoder(name, own_weights(name, weights))).values)


def _training_products(config: RetrievalConfig) -> dict[str, frozenset[str]]:
    """Return index or encoder -> hashes of its training products; checks that each can be opened."""
    specs = {index.name: index.spec for index in map(open_index, config.index)}
    return {
        **{name: encoder_training_products(spec.encoder, spec.weights) for name, spec in specs.items()},
        **{name: encoder_training_products(name, config.weights) for name in config.encoder},
    }


def _sources(config: RetrievalConfig, catalog: Catalog) -> dict[str, Callable[[], NDArray[np.float32]]]:
    """Return name -> function that makes the embeddings [n, d] of a catalog."""
    return {
        **{
            index.name: lambda index=index: index.lookup(catalog.ids).embeddings
            for index in map(open_index, config.index)
        },
        **{name: lambda name=name: cached_features(catalog, name, config.weights) for name in config.encoder},
        "color histogram": lambda: color_histograms(catalog.paths.tolist()),
        "random": lambda: _random_embeddings(len(catalog), config.seed),
    }


def _score(name: str, embed: Callable[[], NDArray[np.float32]], catalog: Catalog, seed: int) -> dict[str, Any]:
    began = time.perf_counter()
    embeddings = embed()
    seconds = time.perf_counter() - began
    log.info("%s: %d embeddings of width %d", name, *embeddings.shape)
    scores = retrieval_scores(embeddings, catalog, seed)
    return {"name": name, "width": embeddings.shape[1], "seconds": round(seconds, 2), "scores": scores}


def _random_embeddings(count: int, seed: int) -> NDArray[np.float32]:
    embeddings = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
