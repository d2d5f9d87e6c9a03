"""Retrieval scores of encoders and indexes on one catalog, beside two baselines."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import CATALOG_PARTS, RetrievalConfig
from fashion_keras.analysis.evaluation_subset import encoder_training_products, own_weights, select_rows
from fashion_keras.analysis.retrieval_page import write_retrieval_page
from fashion_keras.analysis.text_retrieval import baseline_rows, text_row
from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.catalog.readers import Catalog
from fashion_keras.evaluation.reports.compute import retrieval_scores
from fashion_keras.features.batch_folder import BatchFolder, is_batch_folder
from fashion_keras.features.embedding_file import is_embedding_file
from fashion_keras.features.embeddings import embedding_source
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.inputs import as_image_list
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import read_source, reject_unreadable
from fashion_keras.search.base import Index
from fashion_keras.search.indexing import load_index_encoder, open_index
from fashion_keras.support.atomic_files import check_output_dir, write_json
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


@dataclass(frozen=True)
class _Source:
    """Embeddings to score: their name, how they are made, products trained on, and how the encoder is loaded."""

    name: str
    embed: Embed
    training_products: frozenset[str] = frozenset()
    load: Callable[[], Encoder] | None = None


@takes_verbose
def evaluate_search(config: RetrievalConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Score indexes and encoders on a catalog, each product a query against all others; two baselines beside them.

    The part "held_out" holds the products that none of the encoders was trained on, by the product hashes that come
    with them; of bare backbones alone, these are all products. `out` gets report.json and report.html.

    Returns:
        data, part, products, rejected, excluded, test_products_missing (of a run as part), and rows: name, width,
        seconds, scores (see `retrieval.encoder_scores`), trained_products (of the encoder, among the products);
        text_rows, where an encoder has a text tower: name and scores (see `text_retrieval.text_scores`).

    Raises:
        InputError: for an unknown part, an index that lacks one of the products, and as `embedding_source`.
    """
    config = as_config(RetrievalConfig, config)
    folder = None if config.out is None else check_output_dir(config.out, "")
    sources = _sources(config)
    training_products = frozenset().union(*(source.training_products for source in sources))
    part = load_part(config, config.part, training_products, config.exclude_trained)
    scored = [_score(source, part.catalog, config.seed) for source in sources]
    by_text = [row for _, rows in scored for row in rows]
    report = {
        "data": part.source,
        "part": config.part,
        "products": len(part.catalog),
        "rejected": part.rejected,
        "excluded": part.excluded,
        "test_products_missing": part.missing,
        "rows": [row for row, _ in scored],
        "text_rows": [*by_text, *baseline_rows(part.catalog, config.seed)] if by_text else [],
    }
    if folder:
        write_json(folder / "report.json", report)
        write_retrieval_page(report, folder)
    return report


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


def _sources(config: RetrievalConfig) -> list[_Source]:
    """Return the indexes and encoders of a config and two baselines."""
    sources = []
    for index in map(open_index, config.index):
        of_file = index.spec.image_spec is None
        products = frozenset() if of_file else encoder_training_products(index.spec.encoder, index.spec.weights)
        encoder = None if of_file else partial(load_index_encoder, index.spec)
        sources.append(_Source(index.name, partial(_stored, index), products, encoder))
    for name in config.encoder:
        products, weights = encoder_training_products(name, config.weights), own_weights(name, config.weights)
        if is_batch_folder(name):
            model = BatchFolder.open(name).manifest.model
            encoder = partial(load_encoder, model.encoder, model.weights, model.image_size)
        else:
            encoder = None if is_embedding_file(name) else partial(load_encoder, name, weights)
        embed = partial(cached_features, name=name, weights=config.weights)
        sources.append(_Source(name, embed, products, encoder))
    sources.append(_Source("color histogram", lambda catalog: color_histograms(catalog.paths.tolist())))
    sources.append(_Source("random", lambda catalog: _random_embeddings(len(catalog), config.seed)))
    return sources


def _stored(index: Index, catalog: Catalog) -> NDArray[np.float32]:
    return index.lookup(catalog.image_ids).embeddings


def _score(source: _Source, catalog: Catalog, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the row of a source, and its row of text-to-image scores, in a list, where it has a text tower."""
    began = time.perf_counter()
    embeddings = source.embed(catalog)
    seconds = time.perf_counter() - began
    log.info("%s: %d embeddings of width %d", source.name, *embeddings.shape)
    trained = int(is_training_product(catalog, source.training_products).sum())
    row = {
        "name": source.name,
        "width": embeddings.shape[1],
        "seconds": round(seconds, 2),
        "scores": retrieval_scores(embeddings, catalog, seed),
        "trained_products": trained,
    }
    encoder = source.load() if source.load else None
    if encoder is None or encoder.text is None:
        return row, []
    return row, [text_row(source.name, encoder, embeddings, catalog) | {"trained_products": trained}]


def _random_embeddings(count: int, seed: int) -> NDArray[np.float32]:
    embeddings = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
