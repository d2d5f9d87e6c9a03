"""Review of a catalog or index: its queue, with the predictions of a tagger and of a run, and the command for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.analysis.review import ReviewQueue
from fashion_keras.analysis.review_queue import (
    HeadPredictions,
    assemble_queue,
    label_column,
    product_numbers,
    run_predictions,
)
from fashion_keras.catalog.attributes import ColumnSource
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.corrected import apply_corrections
from fashion_keras.features.cache import encode
from fashion_keras.features.embeddings import embedding_source
from fashion_keras.features.registry import DEFAULT_ENCODER
from fashion_keras.images.validation import load_catalog, reject_unreadable
from fashion_keras.search.base import Index
from fashion_keras.search.indexing import index_catalog
from fashion_keras.support.atomic_files import make_output_dir
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.annotate import product_means
from fashion_keras.tagging.config import DEFAULT_REVIEW_TASKS, ReviewConfig
from fashion_keras.tagging.model.manifest import TaggerManifest
from fashion_keras.tagging.model.tagger import load_tagger


def build_review_queue(
    source: Any,  # noqa: ANN401 - an index, or whatever `load_catalog` takes
    tagger: str | Path | None = None,
    run: str | Path | None = None,
    corrections: str | Path | None = None,
    *,
    encoder: str | Path = DEFAULT_ENCODER,
    tasks: Sequence[str] = DEFAULT_REVIEW_TASKS,
    top: int | None = 500,
    seed: int = 0,
) -> ReviewQueue:
    """Return the labels of a catalog or an index that people should look at, the most useful first of each kind.

    Labels that are likely wrong, and near-duplicate images with different labels or SKUs, by the embeddings of the
    index or of an encoder; with a tagger also those that it abstains on, with a tagger or a run those of which two are
    about as likely.

    Args:
        source: an index, a `Catalog`, DataFrame or path, "sample", or a config.
        tagger, run: their folders.
        corrections: file of decisions, which are applied, and whose labels are not in the queue again. It may not be
            there yet.
        encoder: whose embeddings are compared; of an index, its own.
        tasks: single-valued tasks whose labels are audited.
        top: at most so many items of each kind.
        seed: of the cross-validation folds.

    Raises:
        InputError: when the catalog, tagger, run, encoder or file of corrections cannot be used.
    """
    is_index = isinstance(source, Index)
    catalog = reject_unreadable(index_catalog(source)) if is_index else load_catalog(source)
    features = (
        source.lookup(catalog.image_ids).embeddings if is_index else embedding_source(encoder).embed(catalog)
    )  # fmt: skip
    if catalog.corrections is None and corrections is not None and Path(corrections).is_file():
        catalog = apply_corrections(catalog, corrections)
    heads = tagger_predictions(tagger, catalog) if tagger else []
    if run:
        taken = {head.column for head in heads}
        heads += [head for head in run_predictions(run, catalog) if head.column not in taken]
    return assemble_queue(catalog, _unit(features), heads, tasks, corrections, top, seed)


def tagger_predictions(folder: str | Path, catalog: Catalog) -> list[HeadPredictions]:
    """Return the predictions of a tagger's single-valued attributes that a column of a catalog holds."""
    tagger = load_tagger(folder)
    columns = attribute_columns(TaggerManifest.read(folder), catalog)
    features = np.asarray(encode(catalog, tagger.encoder).values)
    _, outputs = tagger.predict_heads(product_means(features, product_numbers(catalog.skus)))
    return [
        HeadPredictions(columns[head.name], head.classes, output.probabilities, output.accepted, head.thresholds)
        for head, output in zip(tagger.heads, outputs, strict=True)
        if head.name in columns and head.kind == "single"
    ]


def attribute_columns(manifest: TaggerManifest, catalog: Catalog) -> dict[str, str]:
    """Return attribute -> the column of a catalog that holds it, of those that a column holds."""
    columns = {}
    for attribute in manifest.taxonomy["attributes"]:
        column = attribute["column"] and label_column(ColumnSource(attribute["column"]), catalog)
        if column:
            columns[attribute["name"]] = column
    return columns


@takes_verbose
def review(config: ReviewConfig | Mapping[str, Any] | None = None) -> tuple[Path, ReviewQueue]:
    """Write the review queue of a catalog into a folder, and return its file and the queue; see `build_review_queue`.

    InputError as there, and when the folder is not empty.
    """
    config = as_config(ReviewConfig, config)
    folder = make_output_dir(config.out, "runs/review")
    queue = build_review_queue(
        config, config.tagger, config.run, config.corrections, encoder=config.encoder, tasks=config.task_names,
        top=config.top, seed=config.seed,
    )  # fmt: skip
    path = folder / "review.csv"
    queue.write(path)
    return path, queue


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
