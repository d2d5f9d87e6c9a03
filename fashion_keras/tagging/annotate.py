"""Tag columns of a shard: product types, outlier score, and for each attribute its label, confidence and state."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.batch.shards import Job
from fashion_keras.support.errors import unknown_name_error
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead
from fashion_keras.tagging.model.tagger import Tagger, load_tagger

RELEASED, ABSTAINED, GATED = "released", "abstained", "gated"
TYPES, TYPES_CONFIDENCE, OUTLIER_SCORE, DISAGREES = (
    "product_types", "product_types_confidence", "outlier_score", "disagrees",
)  # fmt: skip
OWN_COLUMNS = frozenset(
    {"sku", "image_id", "reference", "state", "image_hash", "signature", "embedding", TYPES, TYPES_CONFIDENCE,
     OUTLIER_SCORE, DISAGREES}
)  # fmt: skip

Features, Integers = NDArray[np.float32], NDArray[np.int64]


@dataclass(frozen=True)
class TagColumns:
    """A tagger as what a batch run calls with the embeddings of a shard."""

    tagger: Tagger

    def __call__(self, features: Features, product: Integers) -> dict[str, pa.Array]:
        """Return the columns of n images: the tags of their products, by the mean of their images' embeddings.

        - product_types: list of labels, empty where the gate accepts none; product_types_confidence: of the least sure;
        - outlier_score: 1 minus the highest probability of a product type;
        - disagrees: whether the image would get other tags by itself;
        - ATTRIBUTE: struct of label (a list: the released ones, else the most probable one), confidence of the least
          sure of them, margin to the second label (null where several may hold), and state: "released", "abstained"
          (no label reaches its threshold) or "gated" (its product types do not have it; no label).

        Args:
            features [n, d]: embeddings.
            product [n]: 0.. of each image.
        """
        types, outputs = self.tagger.predict_heads(product_means(features, product))
        own_types, own = self.tagger.predict_heads(features)
        pairs = zip((types, *outputs), (own_types, *own), strict=True)
        differs = [(output.predicted[product] != single.predicted).any(axis=1) for output, single in pairs]
        labels, confidences = _labels(self.tagger.gate, types, types.predicted)
        columns = {
            TYPES: pa.array(_spread(labels, product), pa.list_(pa.string())),
            TYPES_CONFIDENCE: pa.array(_spread(confidences, product), pa.float32()),
            OUTLIER_SCORE: pa.array((1 - types.probabilities.max(axis=1, initial=0))[product], pa.float32()),
            DISAGREES: pa.array(np.logical_or.reduce(differs)),
        }
        for head, output in zip(self.tagger.heads, outputs, strict=True):
            columns[head.name] = _struct(head, output, product)
        return columns


def product_means(features: Features, product: Integers) -> Features:
    """Return the mean embeddings [p, d] of each product's images [n, d]: linear heads then average their logits."""
    counts = np.bincount(product)
    sums = np.zeros((len(counts), features.shape[1]), np.float64)
    np.add.at(sums, product, features)
    return (sums / counts[:, None]).astype(np.float32)


def load_tagging_job(folder: str | Path, attributes: Sequence[str] = ()) -> Job:
    """Load a tagger, with some of its attributes or all, as the job of a batch run; InputError as `load_tagger`."""
    tagger = select_attributes(load_tagger(folder), attributes)
    return Job(tagger.encoder, TagColumns(tagger))


def select_attributes(tagger: Tagger, names: Sequence[str]) -> Tagger:
    """Return a tagger with some of its attributes, () for all; InputError for a name that is none of them."""
    heads = {head.name: head for head in tagger.heads}
    for name in names:
        if name not in heads:
            raise unknown_name_error("attribute of the tagger", name, heads)
    chosen = tuple(heads[name] for name in names) if names else tagger.heads
    return Tagger(tagger.encoder, tagger.gate, chosen, tagger.target_precision)


def _struct(head: LinearHead, output: HeadOutput, product: Integers) -> pa.StructArray:
    """Return the struct column of an attribute, of n images of p products."""
    is_released = output.predicted.any(axis=1)
    best = np.zeros_like(output.predicted)
    best[np.arange(len(best)), output.probabilities.argmax(axis=1)] = True
    shown = np.where(is_released[:, None], output.predicted, best) & output.accepted[:, None]
    labels, confidences = _labels(head, output, shown)
    margins: list[float | None] = [None] * len(best)
    if head.kind == "single":
        ranked = np.sort(output.probabilities, axis=1)
        margins = [float(row[-1] - row[-2]) if accepted else None
                   for row, accepted in zip(ranked, output.accepted, strict=True)]  # fmt: skip
    states = np.where(is_released, RELEASED, np.where(output.accepted, ABSTAINED, GATED)).tolist()
    values = {
        "label": pa.array(_spread(labels, product), pa.list_(pa.string())),
        "confidence": pa.array(_spread(confidences, product), pa.float32()),
        "margin": pa.array(_spread(margins, product), pa.float32()),
        "state": pa.array(_spread(states, product), pa.string()),
    }
    return pa.StructArray.from_arrays([*values.values()], [*values])


def _labels(head: LinearHead, output: HeadOutput, shown: NDArray[np.bool_]) -> tuple[list[list[str]], list]:
    """Return the labels of each product, and the probability of the least sure of them, None for none."""
    rows = [np.flatnonzero(row).tolist() for row in shown]
    labels = [[head.classes[code] for code in codes] for codes in rows]
    least = [float(output.probabilities[row, codes].min()) if codes else None for row, codes in enumerate(rows)]
    return labels, least


def _spread(values: Sequence, product: Integers) -> list:
    return [values[number] for number in product.tolist()]
