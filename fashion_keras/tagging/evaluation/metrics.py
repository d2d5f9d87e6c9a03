"""Tagger metrics on test products: precision of the predicted tags, coverage, calibration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics.calibration import brier_score
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.tagging.model.heads import Floats, HeadOutput, LinearHead, Mask
from fashion_keras.tagging.model.labels import AttributeLabels, Integers, Values

CHANCE_DRAWS = 100

Scored = tuple[Floats, Mask]


@dataclass(frozen=True)
class HeadEvaluation:
    """A head on n test images: its labels with their values, its output, and the product that each image shows."""

    head: LinearHead
    labels: AttributeLabels
    output: HeadOutput
    products: Integers

    @property
    def known(self) -> Mask:
        """[n, k] bool: the labels whose truth is known."""
        return self.labels.values >= 0

    @property
    def given(self) -> Mask:
        """[n, k] bool: the predicted labels whose truth is known."""
        return self.output.predicted & self.known

    @property
    def evaluated(self) -> Mask:
        """[n] bool: the images that the gate accepts and that have a known label."""
        return self.output.accepted & self.known.any(axis=1)

    def confidence(self, temperature: float | None = None) -> Scored:
        """Return (confidence [m], correct [m] bool) of the candidate labels of evaluated images, where they are known.

        At the head's own temperature unless another is given.
        """
        head = self.head if temperature is None else replace(self.head, temperature=temperature)
        probabilities = head.probabilities(self.output.logits[self.evaluated])
        values = self.labels.values[self.evaluated]
        cells = (values >= 0) & head.candidates(probabilities)
        return probabilities[cells], values[cells] == 1

    def best(self) -> Scored:
        """Return `top_prediction` of the evaluated images."""
        return top_prediction(self.output.probabilities[self.evaluated], self.labels.values[self.evaluated])

    def label_precision(self, code: int) -> dict[str, Any]:
        """Return `precision_with_interval` of the tags of one label."""
        rows = self.given[:, code]
        return precision_with_interval(self.labels.values[rows, code] == 1, self.products[rows])


@dataclass(frozen=True, kw_only=True)
class TagScores:
    """Scores of the tags of one attribute, or of several together.

    Attributes:
        known, covered, coverage: images with a known label, those of them that get a label, and their share.
        given, right, precision, precision_ci95, target: of the tags whose truth is known, see `against_target`.
        given_unknown: tags of images of the attribute's types whose truth is not known.
        given_to_others: tags of images of other types, all of them wrong.
        ece_before, ece, ece_by_chance, brier: see `calibration`.
    """

    known: int
    covered: int
    coverage: float | None
    given: int
    right: int
    precision: float | None
    precision_ci95: list[float] | None
    target: str | None
    given_unknown: int
    given_to_others: int
    ece_before: float | None
    ece: float | None
    ece_by_chance: float | None
    brier: float | None


def top_prediction(probabilities: Floats, values: Values) -> Scored:
    """Return (confidence [n], correct [n] bool) of each row's most probable known label, of `values` [n, k] 1, 0 or -1.

    Where no label is known (a product without the attribute), the most probable label is taken, and is wrong.
    """
    known = values >= 0
    best = np.where(known | ~known.any(axis=1, keepdims=True), probabilities, -1).argmax(axis=1)
    rows = np.arange(len(best))
    return probabilities[rows, best], values[rows, best] == 1


def precision_with_interval(correct: Mask, products: Integers) -> dict[str, Any]:
    """Return given, right, precision and precision_ci95, resampled by product, of m tags; None where there are none."""
    if not len(correct):
        return {"given": 0, "right": 0, "precision": None, "precision_ci95": None}
    right, interval = int(correct.sum()), list(accuracy_interval(correct, products))
    return {"given": len(correct), "right": right, "precision": right / len(correct), "precision_ci95": interval}


def against_target(score: dict[str, Any], target_precision: float) -> dict[str, Any]:
    """Return `precision_with_interval`'s values and target: "met", "within interval" or "missed"; None without tags.

    "within interval": the precision is lower, and the interval reaches the target.

    >>> against_target({"precision": 0.94, "precision_ci95": [0.90, 0.97]}, 0.95)["target"]
    'within interval'
    """
    if score["precision"] is None:
        return {**score, "target": None}
    below = "within interval" if score["precision_ci95"][1] >= target_precision else "missed"
    return {**score, "target": "met" if score["precision"] >= target_precision else below}


def evaluate_gate(gate: HeadEvaluation, target_precision: float) -> dict[str, Any]:
    """Return the scores of the gate: numbers of images, precision of all types together, calibration, and each type.

    of_no_type: images of none of its types. Of a type: its images, the share that is accepted, and
    `precision_with_interval` of what is accepted; only all types together have a target.
    """
    truth, predicted = gate.labels.values == 1, gate.output.predicted
    rejected, of_no_type = ~predicted.any(axis=1), ~truth.any(axis=1)
    hits, images = (predicted & truth).sum(axis=0).tolist(), truth.sum(axis=0).tolist()
    return {
        "products": len(truth),
        "rejected": int(rejected.sum()),
        "of_no_type": int(of_no_type.sum()),
        "of_no_type_rejected": int((of_no_type & rejected).sum()),
        **_pooled_precision([gate], target_precision),
        "threshold": _finite(gate.head.thresholds[0]),
        **_head_scores(gate),
        **calibration([gate]),
        "types": [
            {
                "name": name,
                "products": images[code],
                "accepted": share(hits[code], images[code]),
                **gate.label_precision(code),
            }
            for code, name in enumerate(gate.head.classes)
        ],
    }


def evaluate_attribute(evaluation: HeadEvaluation, target_precision: float) -> dict[str, Any]:
    """Return the scores of an attribute's head: `TagScores`, accuracy of the best label, and classes: per label."""
    head = evaluation.head
    return {
        "name": head.name,
        "kind": head.kind,
        "applies_to": list(head.applies_to),
        **asdict(evaluate_tags([evaluation], target_precision)),
        **_head_scores(evaluation),
        "classes": [
            {
                "name": name,
                "threshold": _finite(head.thresholds[code]),
                **against_target(evaluation.label_precision(code), target_precision),
            }
            for code, name in enumerate(head.classes)
        ],
    }


def evaluate_tags(evaluations: Sequence[HeadEvaluation], target_precision: float) -> TagScores:
    """Return the scores of the tags of these attributes together."""
    known = covered = given_unknown = given_to_others = 0
    for evaluation in evaluations:
        predicted, applies = evaluation.output.predicted, evaluation.labels.applies[:, None]
        known += int(evaluation.known.any(axis=1).sum())
        covered += int(evaluation.given.any(axis=1).sum())
        given_unknown += int((predicted & ~evaluation.known & applies).sum())
        given_to_others += int((predicted & ~applies).sum())
    return TagScores(
        known=known,
        covered=covered,
        coverage=share(covered, known),
        given_unknown=given_unknown,
        given_to_others=given_to_others,
        **_pooled_precision(evaluations, target_precision),
        **calibration(evaluations),
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
    random, confidence = np.random.default_rng(0), after[0]
    draws = (random.random(len(confidence)) < confidence for _ in range(CHANCE_DRAWS))
    return {
        "ece_before": expected_calibration_error(*before),
        "ece": expected_calibration_error(*after),
        "ece_by_chance": float(np.mean([expected_calibration_error(confidence, correct) for correct in draws])),
        "brier": brier_score(*after),
    }


def share(part: int, whole: int) -> float | None:
    """Return part / whole; None where there is no whole."""
    return part / whole if whole else None


def _pooled_precision(evaluations: Sequence[HeadEvaluation], target_precision: float) -> dict[str, Any]:
    correct = np.concatenate([each.labels.values[each.given] == 1 for each in evaluations])
    products = np.concatenate([each.products[np.nonzero(each.given)[0]] for each in evaluations])
    return against_target(precision_with_interval(correct, products), target_precision)


def _head_scores(evaluation: HeadEvaluation) -> dict[str, float | None]:
    head, correct = evaluation.head, evaluation.best()[1]
    accuracy = share(int(correct.sum()), len(correct))
    return {"weight_decay": head.weight_decay, "temperature": head.temperature, "accuracy": accuracy}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
