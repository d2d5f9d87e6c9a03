"""Out-of-distribution scores: how well each separates an attribute's products from those of other types."""

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
    neighbor_similarity,
)
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead

NEIGHBORS = 10

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


def head_scores(head: LinearHead, output: HeadOutput) -> dict[str, Floats]:
    """Return the scores [n] of a head's logits: max probability and energy.

    Of sigmoids the energy is summed over labels (JointEnergy: Wang et al. 2021, arXiv:2109.14162).
    """
    if head.kind == "single":
        return {"max probability": maximum_softmax(output.logits, head.temperature), "energy": energy(output.logits)}
    return {
        "max probability": output.probabilities.max(axis=1),
        "energy": np.logaddexp(0, output.logits).sum(axis=1),
    }


def feature_scores(
    train: NDArray[np.float32], codes: NDArray[np.int64], features: NDArray[np.float32]
) -> dict[str, Floats]:
    """Return the scores [n] of features [n, d] against those of training products: k-NN and Mahalanobis.

    `train` [m, d] are the features and `codes` [m] the product types of the training products; both are normalized.
    """
    train, features = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (train, features))
    return {
        "k-NN": neighbor_similarity(train, features, min(NEIGHBORS, len(train))),
        "Mahalanobis": mahalanobis(fit_gaussians(train, codes), features),
    }


def gate_score(gate: LinearHead, output: HeadOutput, types: tuple[str, ...]) -> dict[str, Floats]:
    """Return the score [n] of the gate: the largest logit of the validators of these product types."""
    return {"validator": output.logits[:, [gate.classes.index(name) for name in types]].max(axis=1)}
