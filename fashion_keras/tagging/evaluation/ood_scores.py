"""How well each score tells an attribute's products from those of other types."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.out_of_distribution import (
    auroc,
    energy,
    false_positives_at_95,
    fit_gaussians,
    mahalanobis,
    maximum_softmax,
    neighbour_similarity,
)
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead

NEIGHBOURS = 10

Floats = NDArray[np.float64]


def evaluate_ood_scores(
    scores: Mapping[str, Floats], inside: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Return score -> auroc and fpr95 of scores [n], higher for the `inside` [n] bool than for the `outside` [n]."""
    return {
        name: {
            "auroc": auroc(values[inside], values[outside]),
            "fpr95": false_positives_at_95(values[inside], values[outside]),
        }
        for name, values in scores.items()
    }


def head_scores(head: LinearHead, said: HeadOutput) -> dict[str, Floats]:
    """Return the scores [n] that a head's logits give: max probability and energy.

    Of sigmoids the energy is summed over labels (JointEnergy: Wang et al. 2021, arXiv:2109.14162).
    """
    if head.kind == "single":
        return {"max probability": maximum_softmax(said.logits, head.temperature), "energy": energy(said.logits)}
    return {
        "max probability": said.probabilities.max(axis=1),
        "energy": np.logaddexp(0, said.logits).sum(axis=1),
    }


def vector_scores(
    train: NDArray[np.float32], codes: NDArray[np.int64], vectors: NDArray[np.float32]
) -> dict[str, Floats]:
    """Return the scores [n] that `train` [m, d] gives vectors [n, d], at whatever length: k-NN and Mahalanobis.

    `codes` [m] are the product types of the training products.
    """
    train, vectors = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (train, vectors))
    return {
        "k-NN": neighbour_similarity(train, vectors, min(NEIGHBOURS, len(train))),
        "Mahalanobis": mahalanobis(fit_gaussians(train, codes), vectors),
    }


def gate_score(gate: LinearHead, said: HeadOutput, types: tuple[str, ...]) -> dict[str, Floats]:
    """Return the score [n] of the gate: the largest logit of the validators of these product types."""
    return {"validator": said.logits[:, [gate.classes.index(name) for name in types]].max(axis=1)}
