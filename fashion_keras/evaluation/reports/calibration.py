"""Calibration of a classifier: temperatures and thresholds of its label groups, fitted on the validation part."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup, group_slices, target_slices
from fashion_keras.evaluation.metrics import calibration, classification, multilabel
from fashion_keras.models.predictions import Predictions, probabilities


def calibrate_groups(
    groups: Sequence[LabelGroup], logits: NDArray[np.float32], truth: NDArray[np.int64]
) -> tuple[LabelGroup, ...]:
    """Return the groups with temperatures, and thresholds of highest F1 for multi-valued ones, by the validation part.

    A group without a known label keeps temperature 1; a label that no product has is never predicted. `logits` [n, K]
    float32 and packed targets `truth` [n, C] are of all groups.
    """
    labels, packed = group_slices(groups), target_slices(groups)
    return tuple(_calibrate(group, logits[:, labels[group.name]], truth[:, packed[group.name]]) for group in groups)


def ece_before_after(before: Predictions, after: Predictions) -> dict[str, dict[str, Any]]:
    """Return group -> temperature, ece_before and ece_after: the calibration errors without and with calibration."""
    return {
        calibrated.groups[0].name: {
            "temperature": calibrated.groups[0].temperature,
            "ece_before": _calibration_error(raw),
            "ece_after": _calibration_error(calibrated),
        }
        for raw, calibrated in zip(before.split(), after.split(), strict=True)
    }


def confidence_and_correct(head: Predictions) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the confidence [m] and correctness [m] bool of each prediction in one group whose truth is known.

    The prediction of a single-valued group is its best class; of a multi-valued one each label is a prediction of its
    own, whose confidence is the probability that the label is there.
    """
    if head.groups[0].kind == "multi":
        known = head.true_labels >= 0
        return head.probabilities[known], head.true_labels[known] == 1
    head = head.take(head.known)
    return head.probabilities.max(axis=1), head.codes == head.true_codes


def _calibrate(group: LabelGroup, logits: NDArray[np.float32], truth: NDArray[np.int64]) -> LabelGroup:
    values = group.indicators(truth)
    known = values >= 0
    if known.any():
        group = replace(group, temperature=calibration.fit_temperature(logits, values, known, group.activation))
    if group.kind == "single":
        return group
    thresholds = multilabel.best_thresholds(values, known, probabilities((group,), logits))
    return replace(group, thresholds=tuple(None if np.isinf(value) else float(value) for value in thresholds))


def _calibration_error(head: Predictions) -> float | None:
    confidence, correct = confidence_and_correct(head)
    return classification.expected_calibration_error(confidence, correct) if len(confidence) else None
