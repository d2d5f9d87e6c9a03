"""Tags of an index: a tagger's heads applied to the embeddings that the index holds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.columns import LABEL_SEPARATOR
from fashion_keras.monitoring.side import DriftSide, TagColumn
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.annotate import ABSTAINED, GATED, RELEASED
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead, applies_mask, run_head
from fashion_keras.tagging.model.manifest import TaggerManifest


def tag_side(side: DriftSide, folder: str | Path) -> DriftSide:
    """Return a side with the tags and outlier scores of a tagger; one that has tags already as it is.

    As by the command `tag`, a product is tagged by the mean of its images' embeddings. The outlier score is 1 less the
    highest probability of the product-type gate.

    InputError when there is no tagger, or its encoder did not make the embeddings.
    """
    manifest = TaggerManifest.read(folder)
    if side.tags:
        return side
    if manifest.encoder.identity != side.encoder_identity:
        raise InputError(
            f"{folder}: trained on embeddings of {manifest.encoder.name} ({manifest.encoder.identity}), and "
            f"{side.place} holds those of {side.encoder} ({side.encoder_identity}); train a tagger on that encoder"
        )
    gate, *heads = manifest.load_heads(Path(folder))
    _, product = np.unique(side.skus, return_inverse=True)
    features = _mean_embeddings(side, product)
    types = run_head(gate, features)
    tags = {}
    for head in heads:
        output = run_head(head, features, applies_mask(head.applies_to, gate, types.predicted))
        column = _tag_column(head, output)
        tags[head.name] = TagColumn(column.labels[product], column.states[product])
    scores = (1 - types.probabilities.max(axis=1)).astype(np.float32)[product]
    return replace(side, tags=tags, target_precision=manifest.target_precision, outlier_scores=scores)


def _mean_embeddings(side: DriftSide, product: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the mean embedding [p, d] of each product, `product` [n]."""
    counts = np.bincount(product)
    sums = np.zeros((len(counts), side.width), np.float64)
    for block in side.blocks():
        np.add.at(sums, product[block.start : block.start + len(block.embeddings)], block.embeddings)
    return (sums / counts[:, None]).astype(np.float32)


def _tag_column(head: LinearHead, output: HeadOutput) -> TagColumn:
    labels = [_joined(head.classes, row) for row in output.predicted]
    has_label = output.predicted.any(axis=1)
    states = np.where(has_label, RELEASED, np.where(output.accepted, ABSTAINED, GATED))
    return TagColumn(np.array(labels, np.str_), states)


def _joined(classes: Sequence[str], predicted: NDArray[np.bool_]) -> str:
    return LABEL_SEPARATOR.join(classes[code] for code in np.flatnonzero(predicted).tolist())
