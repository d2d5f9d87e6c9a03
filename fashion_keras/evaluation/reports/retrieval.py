"""Retrieval scores of an encoder on a catalog."""

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.evaluation.metrics import retrieval


def retrieval_scores(embeddings: NDArray[np.float32], catalog: Catalog, seed: int = 0) -> dict[str, retrieval.Score]:
    """Return how well embeddings [n, d] retrieve similar products of a catalog of n; see `retrieval.encoder_scores`.

    A column that the catalog lacks agrees with nothing: its scores have no value.
    """
    missing = np.full(len(catalog), "")
    columns = {name: catalog.columns.get(name, missing) for name in retrieval.COLUMNS}
    return retrieval.encoder_scores(embeddings, columns, catalog.product_groups, seed)
