"""Linear heads on an encoder's features, and the labels that they predict behind a product-type gate."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.calibration import log_sum_exp
from fashion_keras.evaluation.metrics.multilabel import at_least

Features, Floats, Mask = NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]


@dataclass(frozen=True)
class LinearHead:
    """Features [n, d] -> logits [n, k] -> probabilities [n, k] -> predicted labels [n, k] bool.

    Attributes:
        name, classes, applies_to: of the attribute or gate, its k labels, the product types that have it.
        kind: "single": a softmax, at most one label is predicted; "multi": sigmoids.
        weights [k, d], bias [k] float32: of the linear layer, trained with weight_decay.
        temperature: by which logits are divided.
        thresholds [k] float64: the lowest probability at which each label is predicted; infinite: never.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    applies_to: tuple[str, ...]
    weights: NDArray[np.float32] = field(repr=False)
    bias: NDArray[np.float32] = field(repr=False)
    weight_decay: float
    temperature: float
    thresholds: Floats

    def logits(self, features: Features) -> Floats:
        """Return logits [n, k] of features [n, d], before the temperature."""
        return (features @ self.weights.T + self.bias).astype(np.float64)

    def probabilities(self, logits: Floats) -> Floats:
        """Return probabilities [n, k] in 0..1 of logits [n, k]."""
        scaled = logits / self.temperature
        if self.kind == "single":
            return np.exp(scaled - log_sum_exp(scaled)[:, None])
        return np.exp(-np.logaddexp(0, -scaled))

    def candidates(self, probabilities: Floats) -> Mask:
        """Return [n, k] bool: labels that may be predicted: the most probable one of a softmax, any of sigmoids."""
        if self.kind == "multi":
            return np.ones(probabilities.shape, bool)
        return probabilities.argmax(axis=1)[:, None] == np.arange(len(self.classes))

    def decide(self, probabilities: Floats) -> Mask:
        """Return [n, k] bool: the predicted labels, candidates that reach their threshold."""
        return self.candidates(probabilities) & at_least(probabilities, self.thresholds)


@dataclass(frozen=True)
class HeadOutput:
    """Output of a head for n images.

    Attributes:
        accepted [n] bool: whether the gate accepts the image as a type that has the attribute.
        logits, probabilities [n, k] float64: also of images that are not accepted.
        predicted [n, k] bool: the predicted labels; none where the image is not accepted.
    """

    accepted: Mask
    logits: Floats
    probabilities: Floats
    predicted: Mask


def run_head(head: LinearHead, features: Features, accepted: Mask | None = None) -> HeadOutput:
    """Return the output for features [n, d]; images that are not `accepted` [n] bool get no label."""
    logits = head.logits(features)
    probabilities = head.probabilities(logits)
    accepted = np.ones(len(features), bool) if accepted is None else accepted
    return HeadOutput(accepted, logits, probabilities, head.decide(probabilities) & accepted[:, None])


def applies_mask(types: Sequence[str], gate: LinearHead, accepted_types: Mask) -> Mask:
    """Return [n] bool: which images the gate accepts, `accepted_types` [n, t] bool, as one of these types or more."""
    return accepted_types[:, [gate.classes.index(name) for name in types]].any(axis=1)
