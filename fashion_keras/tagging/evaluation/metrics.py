"""Tagger metrics on test products: precision of the predicted tags, coverage, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.calibration import brier_score
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels

CHANCE_DRAWS = 100

Scored = tuple[NDArray[np.float64], NDArray[np.bool_]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class HeadEvaluation:
    """A head on n test images: its labels with their values, its output, and the product that each image shows."""

    head: LinearHead
    labels: AttributeLabels
    output: HeadOutput
    products: NDArray[np.int64]

    @property
    def evaluated(self) -> Mask:
        """evaluated [n] bool: the images that the gate accepts and that have a known label."""
        return self.output.accepted & (self.labels.values >= 0).any(axis=1)

    def confidence(self, temperature: float | None = None) -> Scored:
        """Return (confidence [m], correct [m] bool) of all predictions on evaluated images whose truth is known.

        Of a softmax, the most probable label of each image; of sigmoids, the probability of each known label and
        whether the image has it. At the head's own temperature unless another is given.
        """
        head = self.head if temperature is None else replace(self.head, temperature=temperature)
        probabilities = head.probabilities(self.output.logits[self.evaluated])
        values = self.labels.values[self.evaluated]
        cells = (values >= 0) & head.candidates(probabilities)
        return probabilities[cells], values[cells] == 1

    def best(self) -> Scored:
        """Return `top_prediction` of the evaluated images."""
        return top_prediction(self.output.probabilities[self.evaluated], self.labels.values[self.evaluated])

    def precision(self, cells: Mask) -> dict[str, Any]:
        """Return `precision_with_interval` of the tags that are `cells` [n, k] bool; their truth is known."""
        rows, _ = np.nonzero(cells)
        return precision_with_interval(self.labels.values[cells] == 1, self.products[rows])


@dataclass(frozen=True, kw_only=True)
class OverallScores:
    """Scores of all attributes together.

    Attributes:
        known, covered, coverage: known labels of the test images, those of them with a tag, and their share.
        given, right, precision, precision_ci95, target: see `against_target`.
        given_unknown, given_to_others: see `evaluate_attribute`.
        ece_before, ece, ece_by_chance, brier: see `calibration`.
    """

    known: int
    covered: int
    coverage: float | None
    given: int
    right: int
    precision: float | None
    precision_ci95: tuple[float, ...] | None
    target: str | None
    given_unknown: int
    given_to_others: int
    ece_before: float | None
    ece: float | None
    ece_by_chance: float | None
    brier: float | None


def top_prediction(probabilities: NDArray[np.float64], values: NDArray[np.int8]) -> Scored:
    """Return (confidence [n], correct [n] bool) of the most probable label of each row, among those that are known.

    Where no label is known (a product without the attribute), the most probable label is taken, and is wrong.
    `probabilities` [n, k], `values` [n, k] in 1, 0, -1.
    """
    known = values >= 0
    best = np.where(known | ~known.any(axis=1, keepdims=True), probabilities, -1).argmax(axis=1)
    rows = np.arange(len(best))
    return probabilities[rows, best], values[rows, best] == 1


def precision_with_interval(correct: Mask, products: NDArray[np.int64]) -> dict[str, Any]:
    """Return given, right, precision and precision_ci95 of m tags; None where there are none.

    Args:
        correct [m] bool: whether each tag is.
        products [m]: tags with an equal entry are of one product; the interval resamples products.
    """
    if not len(correct):
        return {"given": 0, "right": 0, "precision": None, "precision_ci95": None}
    right = int(correct.sum())
    interval = list(accuracy_interval(correct, products))
    return {"given": len(correct), "right": right, "precision": right / len(correct), "precision_ci95": interval}


def against_target(score: dict[str, Any], target_precision: float) -> dict[str, Any]:
    """Return `precision_with_interval`'s values, and the key "target".

    It is "met" when the precision reaches the target, "within interval" when it is lower and the interval reaches it,
    else "missed"; None where there are no tags.

    >>> against_target({"precision": 0.94, "precision_ci95": [0.90, 0.97]}, 0.95)["target"]
    'within interval'
    """
    if score["precision"] is None:
        return {**score, "target": None}
    below = "within interval" if score["precision_ci95"][1] >= target_precision else "missed"
    return {**score, "target": "met" if score["precision"] >= target_precision else below}


def evaluate_gate(evaluation: HeadEvaluation, target_precision: float) -> dict[str, Any]:
    """Return the scores of the gate.

    products, rejected; of_no_type: images of none of its types, and how many of those are rejected; `against_target` of
    all accepted types together, which alone have a target; accuracy and `calibration` of the validators; types: per
    product type its test images, the share of them that is accepted, and `precision_with_interval` of what is accepted.
    """
    gate, values, predicted = evaluation.head, evaluation.labels.values, evaluation.output.predicted
    known, truth, rejected = values >= 0, values == 1, ~predicted.any(axis=1)
    of_no_type = ~truth.any(axis=1)
    hits, images = (predicted & truth).sum(axis=0).tolist(), truth.sum(axis=0).tolist()
    return {
        "products": len(values),
        "rejected": int(rejected.sum()),
        "of_no_type": int(of_no_type.sum()),
        "of_no_type_rejected": int((of_no_type & rejected).sum()),
        **against_target(evaluation.precision(predicted & known), target_precision),
        "threshold": _finite(gate.thresholds[0]),
        "weight_decay": gate.weight_decay,
        "temperature": gate.temperature,
        **_accuracy(evaluation),
        "types": [
            {
                "name": name,
                "products": images[code],
                "accepted": share(hits[code], images[code]),
                **evaluation.precision(_only(predicted & known, code)),
            }
            for code, name in enumerate(gate.classes)
        ],
    }


def evaluate_attribute(evaluation: HeadEvaluation, target_precision: float) -> dict[str, Any]:
    """Return the scores of an attribute's head.

    known: images with a known label; covered and coverage: those of them that get a label; `against_target` of the
    predicted labels whose truth is known; given_unknown: labels predicted for images of its types whose truth is not
    known; given_to_others: for images of other types, all of them wrong; accuracy of the best label and `calibration`,
    of images with a known label that the gate accepts; classes: per label.
    """
    head, labels, predicted = evaluation.head, evaluation.labels, evaluation.output.predicted
    known, applies = labels.values >= 0, labels.applies[:, None]
    given = predicted & known
    images, covered = int(known.any(axis=1).sum()), int(given.any(axis=1).sum())
    return {
        "name": head.name,
        "kind": head.kind,
        "applies_to": list(head.applies_to),
        "known": images,
        "covered": covered,
        "coverage": share(covered, images),
        **against_target(evaluation.precision(given), target_precision),
        "given_unknown": int((predicted & ~known & applies).sum()),
        "given_to_others": int((predicted & ~applies).sum()),
        "weight_decay": head.weight_decay,
        "temperature": head.temperature,
        **_accuracy(evaluation),
        "classes": [
            {
                "name": name,
                "threshold": _finite(head.thresholds[code]),
                **against_target(evaluation.precision(_only(given, code)), target_precision),
            }
            for code, name in enumerate(head.classes)
        ],
    }


def evaluate_overall(
    evaluations: Sequence[HeadEvaluation], rows: Sequence[dict[str, Any]], target_precision: float
) -> OverallScores:
    """Return the scores of all attributes together; `rows` are those of `evaluate_attribute`."""
    sums = {name: sum(row[name] for row in rows) for name in ("known", "covered", "given_unknown", "given_to_others")}
    cells = [evaluation.output.predicted & (evaluation.labels.values >= 0) for evaluation in evaluations]
    correct = [each.labels.values[given] == 1 for each, given in zip(evaluations, cells, strict=True)]
    products = [each.products[np.nonzero(given)[0]] for each, given in zip(evaluations, cells, strict=True)]
    pooled = precision_with_interval(np.concatenate(correct), np.concatenate(products))
    coverage = share(sums["covered"], sums["known"])
    return OverallScores(
        **sums, coverage=coverage, **against_target(pooled, target_precision), **calibration(evaluations)
    )


def calibration(evaluations: Sequence[HeadEvaluation]) -> dict[str, float | None]:
    """Return ece_before and ece, before and after the temperature, ece_by_chance and brier of all predictions together.

    ece_by_chance is the mean ECE of perfectly calibrated confidence: with few predictions, not 0 (CHANCE_DRAWS draws).
    """
    scorable = [evaluation for evaluation in evaluations if evaluation.evaluated.any()]
    if not scorable:
        return dict.fromkeys(("ece_before", "ece", "ece_by_chance", "brier"))
    before, after = (
        tuple(map(np.concatenate, zip(*[each.confidence(value) for each in scorable], strict=True)))
        for value in (1.0, None)
    )
    random = np.random.default_rng(0)
    chance = [
        expected_calibration_error(after[0], random.random(len(after[0])) < after[0]) for _ in range(CHANCE_DRAWS)
    ]
    return {
        "ece_before": expected_calibration_error(*before),
        "ece": expected_calibration_error(*after),
        "ece_by_chance": float(np.mean(chance)),
        "brier": brier_score(*after),
    }


def share(part: float, whole: float) -> float | None:
    """Return part / whole; None where there is no whole."""
    return validation.or_none(float(validation.ratio(np.array(part), np.array(whole))))


def _accuracy(evaluation: HeadEvaluation) -> dict[str, float | None]:
    correct = evaluation.best()[1]
    return {"accuracy": share(int(correct.sum()), len(correct)), **calibration([evaluation])}


def _only(cells: Mask, code: int) -> Mask:
    """Return `cells` [n, k] bool with all columns but one False."""
    return cells & (np.arange(cells.shape[1]) == code)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
