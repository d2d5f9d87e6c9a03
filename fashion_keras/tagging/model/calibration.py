"""From logits to confidence that one can act on: what validation products say of a head."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.selective_prediction import (
    min_samples,
    select_label_thresholds,
    select_pooled_threshold,
)
from fashion_keras.tagging.model.heads import LinearHead

LIKELY = 0.5
TEMPERATURES = np.geomspace(0.05, 20, 121)

Floats = NDArray[np.float64]


def calibrate_head(
    heads: Sequence[LinearHead],
    vectors: NDArray[np.float32],
    values: NDArray[np.int8],
    promise: float,
    together: bool = False,
) -> LinearHead:
    """Return the head that explains validation best, with its temperature and its thresholds.

    Args:
        heads: of one question, learnt with different weight decays.
        vectors [n, d], values [n, k]: of validation products; n may be 0: the head then never gives a label.
        promise: the precision that the labels it gives shall have.
        together: all labels together shall have it, with one threshold; else each has its own, see `thresholds`.
    """
    found = [temperature(head, head.logits(vectors), values) for head in heads]
    best = int(np.argmin([loss for _, loss in found]))
    head = replace(heads[best], temperature=found[best][0])
    lowest = thresholds(head, head.probabilities(head.logits(vectors)), values, promise, together)
    return replace(head, thresholds=lowest)


def temperature(head: LinearHead, logits: Floats, values: NDArray[np.int8]) -> tuple[float, float]:
    """Return the temperature that makes a head's confidence true, and the loss at it; (1, 0) where nothing is known.

    The loss is the mean of -log of the probability that an answer has of being as right or wrong as it is: the most
    probable label of a softmax, each yes or no of sigmoids. Guo et al. 2017 (arXiv:1706.04599, section 4.2) score the
    probability of the true label instead; with many labels that leaves the confidence in the answer, which is what is
    acted on, too high (Gupta & Ramdas 2022, arXiv:2107.08353), and has nothing to say where the true label is none of
    the head's. One wrong answer of median confidence is added: where all n answers are right, the head is as sure as
    n of n + 1 allow, not without limit.

    Args:
        head: whose temperature does not matter.
        logits, values [n, k]: of validation products.
    """
    losses = []
    for value in TEMPERATURES:
        confidence, right = _answers(replace(head, temperature=float(value)), logits, values)
        if not len(right):
            return 1.0, 0.0
        confidence, right = np.append(confidence, np.median(confidence)), np.append(right, False)
        chance = np.where(right, confidence, 1 - confidence)
        losses.append(-np.mean(np.log(np.maximum(chance, 1e-12))))
    best = int(np.argmin(losses))
    return float(TEMPERATURES[best]), float(losses[best])


def thresholds(
    head: LinearHead, probabilities: Floats, values: NDArray[np.int8], promise: float, together: bool = False
) -> Floats:
    """Return [k]: the lowest probability at which each label keeps the promise on validation; infinite where none does.

    Each label has its own (see evaluation.selection.release). Labels that are likely too seldom for that, fewer times
    than all of them being right would show the promise kept, share one: together they keep it; so do all labels if
    they are to be taken `together`. What is not likelier than not is never given. `probabilities` and `values` are
    [n, k].
    """
    asked, positive = (values >= 0) & head.candidates(probabilities), values == 1
    if not asked.any():
        return np.full(len(head.classes), np.inf)
    lowest = np.array([one.threshold for one in select_label_thresholds(probabilities, positive, asked, promise)])
    shared = ((asked & (probabilities >= LIKELY)).sum(axis=0) < min_samples(promise)) | together
    if shared.any():
        lowest[shared] = select_pooled_threshold(probabilities, positive, asked, shared, promise).threshold
    return np.maximum(lowest, LIKELY)


def _answers(head: LinearHead, logits: Floats, values: NDArray[np.int8]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (confidence [m], right [m] bool) of what is said and known."""
    probabilities = head.probabilities(logits)
    cells = (values >= 0) & head.candidates(probabilities)
    said, true = probabilities[cells], values[cells] == 1
    if head.kind == "single":
        return said, true
    return np.maximum(said, 1 - said), (said >= LIKELY) == true
