"""Head calibration: weight decay and temperature on selection products, thresholds on proof products.

Weight decay and temperature are chosen on the selection products alone, so that the order in which thresholds are then
tested on the proof products is fixed before a label is used.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.calibration import fit_temperature, temperature_loss
from fashion_keras.evaluation.metrics.selective_prediction import (
    min_samples,
    select_label_thresholds,
    select_pooled_threshold,
)
from fashion_keras.tagging.model.heads import LinearHead

MIN_PROBABILITY = 0.5
_PRIOR_ERRORS = 1  # n correct predictions of n then give a confidence of n / (n + 1), not of 1

Floats = NDArray[np.float64]


def select_head(heads: Sequence[LinearHead], features: NDArray[np.float32], values: NDArray[np.int8]) -> LinearHead:
    """Return the head with the least calibrated loss, with its temperature; the first where nothing is known.

    The temperature is fitted to the predictions that are used: the top label of a softmax, each label of sigmoids.

    Args:
        heads: of one attribute, trained with different weight decays.
        features [n, d], values [n, k]: of selection products; n may be 0.
    """
    known, targets = values >= 0, values == 1
    if not known.any():
        return replace(heads[0], temperature=1.0)
    losses, fitted = [], []
    for head in heads:
        cells = head.logits(features), targets, known
        objective = "top_label" if head.kind == "single" else "sigmoid"
        temperature = fit_temperature(*cells, objective, _PRIOR_ERRORS)
        fitted.append(replace(head, temperature=temperature))
        losses.append(temperature_loss(temperature, *cells, objective, _PRIOR_ERRORS))
    return fitted[int(np.argmin(losses))]


def with_thresholds(
    head: LinearHead,
    features: NDArray[np.float32],
    values: NDArray[np.int8],
    target_precision: float,
    pooled: bool = False,
) -> LinearHead:
    """Return the head with `select_thresholds` of proof products: their features [n, d] and values [n, k]; n may be 0.

    Its temperature was fitted on other products.
    """
    probabilities = head.probabilities(head.logits(features))
    return replace(head, thresholds=select_thresholds(head, probabilities, values, target_precision, pooled))


def select_thresholds(
    head: LinearHead, probabilities: Floats, values: NDArray[np.int8], target_precision: float, pooled: bool = False
) -> Floats:
    """Return [k]: the lowest probability at which each label reaches the target precision; infinite where none does.

    Each label has its own threshold (see `select_threshold`), and its own chance of 5 % to miss the target. Labels that
    are predicted fewer than `min_samples` times share one, at which they reach the target together; so do all labels if
    `pooled`. A label with a probability below 0.5 is never predicted. `probabilities` and `values` (1, 0, or -1 for not
    known) are [n, k], of products that head and temperature were not chosen on.
    """
    known, positive = (values >= 0) & head.candidates(probabilities), values == 1
    if not known.any():
        return np.full(len(head.classes), np.inf)
    own = select_label_thresholds(probabilities, positive, known, target_precision)
    lowest = np.array([label.threshold for label in own])
    likely = (known & (probabilities >= MIN_PROBABILITY)).sum(axis=0)
    shared = (likely < min_samples(target_precision)) | pooled
    if shared.any():
        pool = select_pooled_threshold(probabilities, positive, known, shared, target_precision)
        lowest[shared] = pool.threshold
    return np.maximum(lowest, MIN_PROBABILITY)
