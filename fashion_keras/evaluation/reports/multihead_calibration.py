"""Temperatures and thresholds of the groups of labels of a run, chosen on its validation part."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import calibration, classification, multilabel
from fashion_keras.models.predictions import LabelGroup, class_codes, group_slices, probabilities


def calibrate_groups(
    groups: Sequence[LabelGroup], logits: NDArray[np.float32], values: NDArray[np.int8]
) -> tuple[LabelGroup, ...]:
    """Return the groups with their temperatures, and thresholds of highest F1 for multi-valued ones, by validation.

    A group of which validation knows nothing keeps temperature 1; a label that no product has is never given.

    Args:
        groups: K labels in all.
        logits [n, K] float32: of the validation part.
        values [n, K] int8: 1 yes, 0 no, -1 not known.
    """
    known, places = values >= 0, group_slices(groups)
    columns = {name: np.arange(values.shape[1])[part] for name, part in places.items() if known[:, part].any()}
    exclusive = [group.name for group in groups if group.activation == "softmax" and group.name in columns]
    fitted = calibration.fit_group_temperatures(logits, values, known, columns, exclusive)
    groups = tuple(replace(group, temperature=fitted.get(group.name, 1.0)) for group in groups)
    best = multilabel.best_thresholds(values, known, probabilities(groups, logits))
    limits = [None if np.isinf(value) else float(value) for value in best]
    return tuple(
        replace(group, thresholds=tuple(limits[places[group.name]])) if group.kind == "multi" else group
        for group in groups
    )


def ece_before_after(
    before: Sequence[LabelGroup], after: Sequence[LabelGroup], logits: NDArray[np.float32], values: NDArray[np.int8]
) -> dict[str, dict[str, Any]]:
    """Return group -> temperature, ece_before and ece_after: the calibration errors without and with it."""
    errors = [_errors(groups, logits, values) for groups in (before, after)]
    return {
        group.name: {"temperature": group.temperature, "ece_before": first, "ece_after": second}
        for group, first, second in zip(after, *errors, strict=True)
    }


def confidence_and_correct(
    group: LabelGroup, shares: NDArray[np.float32], values: NDArray[np.int8]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the confidence [m] of each answer whose truth is known, and whether it is right [m] bool.

    Of a single-valued group the answer is its best class; of a multi-valued one each label is a question of its own,
    its probability the confidence that it is there. Shares and values are [n, k].
    """
    if group.kind == "multi":
        return shares[values >= 0], values[values >= 0] == 1
    truth = class_codes(values)
    rows = truth >= 0
    return shares[rows].max(axis=1), shares[rows].argmax(axis=1) == truth[rows]


def _errors(groups: Sequence[LabelGroup], logits: NDArray[np.float32], values: NDArray[np.int8]) -> list[float | None]:
    shares = probabilities(groups, logits)
    places = zip(groups, group_slices(groups).values(), strict=True)
    said = [confidence_and_correct(group, shares[:, part], values[:, part]) for group, part in places]
    return [classification.expected_calibration_error(*one) if len(one[0]) else None for one in said]
