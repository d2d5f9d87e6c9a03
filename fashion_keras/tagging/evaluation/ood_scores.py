"""Out-of-distribution scores: how well each separates an attribute's products from those of other types."""

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.out_of_distribution import (
    auroc,
    energy,
    false_positives_at_95,
    fit_gaussians,
    mahalanobis,
    neighbor_similarity,
)
from fashion_keras.tagging.evaluation.metrics import HeadEvaluation

NEIGHBORS = 10


def evaluate_ood_scores(
    gate: HeadEvaluation,
    evaluation: HeadEvaluation,
    train: NDArray[np.float32],
    codes: NDArray[np.int64],
    features: NDArray[np.float32],
    outside: NDArray[np.bool_],
) -> dict[str, dict[str, float]]:
    """Return score -> auroc and fpr95; a score is higher for products of the head's types than for the `outside` [n].

    The scores are of the head's logits (max probability; energy, of sigmoids summed over labels: JointEnergy, Wang et
    al. 2021, arXiv:2109.14162), of normalized features (k-NN, Mahalanobis), and the validators' largest logit.

    Args:
        gate, evaluation: of validators and head on n test images.
        train [m, d], codes [m]: features and product types of the head's training products.
        features [n, d]: of the test images.
        outside: the images of other types.
    """
    output, inside = evaluation.output, evaluation.labels.applies
    types = [gate.head.classes.index(name) for name in evaluation.head.applies_to]
    train, features = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (train, features))
    single = evaluation.head.kind == "single"
    scores = {
        "max probability": output.probabilities.max(axis=1),
        "energy": energy(output.logits) if single else np.logaddexp(0, output.logits).sum(axis=1),
        "k-NN": neighbor_similarity(train, features, min(NEIGHBORS, len(train))),
        "Mahalanobis": mahalanobis(fit_gaussians(train, codes), features),
        "validator": gate.output.logits[:, types].max(axis=1),
    }
    return {
        name: {
            "auroc": auroc(values[inside], values[outside]),
            "fpr95": false_positives_at_95(values[inside], values[outside]),
        }
        for name, values in scores.items()
    }
