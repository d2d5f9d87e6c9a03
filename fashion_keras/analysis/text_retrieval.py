"""Text-to-image retrieval scores of encoders with a text tower, beside keyword search and chance."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import TITLE
from fashion_keras.evaluation.metrics.retrieval import TOP
from fashion_keras.evaluation.reports.compute import embedding_search, text_retrieval_scores
from fashion_keras.features.encoder import Encoder
from fashion_keras.search.keywords import KeywordIndex

Rows = NDArray[np.int64]


def text_row(name: str, encoder: Encoder, embeddings: NDArray[np.float32], catalog: Catalog) -> dict[str, Any]:
    """Return name and scores of an encoder with a text tower; `embeddings` [n, d] are its own of the catalog."""
    return {"name": name, "scores": text_retrieval_scores(catalog, embedding_search(embeddings, encoder.embed_text))}


def baseline_rows(catalog: Catalog, seed: int) -> list[dict[str, Any]]:
    """Return name and scores of keyword search in product names, and of images drawn at random."""
    texts = as_text(catalog.columns.get(TITLE, np.full(len(catalog), "")))
    keywords = KeywordIndex(catalog.image_ids, catalog.skus, texts, np.full(len(catalog), ""))
    row_of = {name: row for row, name in enumerate(catalog.image_ids.tolist())}
    random = np.random.default_rng(seed)
    searches = {
        "keywords in product names": partial(_search_keywords, keywords, row_of),
        "random": lambda requested: random.integers(len(catalog), size=(len(requested), TOP)),
    }
    return [{"name": name, "scores": text_retrieval_scores(catalog, search)} for name, search in searches.items()]


def _search_keywords(keywords: KeywordIndex, row_of: dict[str, int], texts: Sequence[str]) -> Rows:
    rows = np.full((len(texts), TOP), -1, np.int64)
    for row, text in zip(rows, texts, strict=True):
        ids = keywords.nearest(text, TOP)[0].tolist()
        row[: len(ids)] = [row_of[name] for name in ids]
    return rows
