"""Linear heads on an encoder's vectors, and what they answer once a gate of product types has let an image in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.calibration import log_sum_exp
from fashion_keras.evaluation.metrics.multilabel import at_least


@dataclass(frozen=True)
class LinearHead:
    """Vectors [n, d] -> logits [n, k] -> probabilities [n, k] -> labels that are given.

    Attributes:
        name: of the attribute, or of the gate.
        kind: "single": a softmax, at most one label is given; "multi": sigmoids.
        classes: k labels.
        applies_to: the product types whose images it is asked about.
        weights [k, d], bias [k] float32: of the linear layer.
        weight_decay: that it was learnt with.
        temperature: by which logits are divided.
        thresholds [k] float64: the lowest probability at which each label is given; infinite: never.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    applies_to: tuple[str, ...]
    weights: NDArray[np.float32] = field(repr=False)
    bias: NDArray[np.float32] = field(repr=False)
    weight_decay: float
    temperature: float
    thresholds: NDArray[np.float64]

    def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return [n, k] of vectors [n, d], before the temperature."""
        return (vectors @ self.weights.T + self.bias).astype(np.float64)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [n, k] in 0..1 of logits [n, k]."""
        scaled = logits / self.temperature
        if self.kind == "single":
            return np.exp(scaled - log_sum_exp(scaled)[:, None])
        return np.exp(-np.logaddexp(0, -scaled))

    def candidates(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return [n, k] bool: the labels that may be given: the most probable one of a softmax, any of sigmoids."""
        if self.kind == "multi":
            return np.ones(probabilities.shape, bool)
        return probabilities.argmax(axis=1)[:, None] == np.arange(len(self.classes))

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return [n, k] bool: the labels that are given."""
        return self.candidates(probabilities) & at_least(probabilities, self.thresholds)


@dataclass(frozen=True)
class HeadOutput:
    """What a head says of n images.

    Attributes:
        passed [n] bool: whether it was asked: whether the gate let the image in as a type that the head applies to.
        logits, probabilities [n, k] float64: also of images that did not pass.
        given [n, k] bool: the labels that are given, none where the image did not pass.
    """

    passed: NDArray[np.bool_]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    given: NDArray[np.bool_]


def run_head(head: LinearHead, vectors: NDArray[np.float32], passed: NDArray[np.bool_]) -> HeadOutput:
    """Return what a head says of vectors [n, d], of which those that `passed` [n] bool are given labels."""
    logits = head.logits(vectors)
    probabilities = head.probabilities(logits)
    return HeadOutput(passed, logits, probabilities, head.decide(probabilities) & passed[:, None])


def run_gate(gate: LinearHead, vectors: NDArray[np.float32]) -> HeadOutput:
    """Return what the validators of the product types say of vectors [n, d]."""
    return run_head(gate, vectors, np.ones(len(vectors), bool))


def applies_mask(types: Sequence[str], gate: LinearHead, accepted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return [n] bool: which images are `accepted` [n, t] bool by the gate as one of these types, at least."""
    return accepted[:, [gate.classes.index(name) for name in types]].any(axis=1)
