"""What a tagger's answers are worth on test products: precision of what it gives, coverage, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.calibration import binary_brier
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.intervals import clopper_pearson_interval
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels

DRAWS = 100

Scored = tuple[NDArray[np.float64], NDArray[np.bool_]]


@dataclass(frozen=True)
class HeadEvaluation:
    """A head that was asked about n test products: the question with what is known, and what it said."""

    head: LinearHead
    question: AttributeLabels
    said: HeadOutput

    @property
    def asked(self) -> NDArray[np.bool_]:
        """asked [n] bool: the products that the gate let in and of which something is known."""
        return self.said.passed & (self.question.values >= 0).any(axis=1)

    def confidence(self, temperature: float | None = None) -> Scored:
        """Return (confidence [m], correct [m] bool) of all that is said and known of products that were asked about.

        Of a softmax, the most probable label of each product; of sigmoids, the probability of each known label and
        whether the product has it. At the head's own temperature unless another is given.
        """
        head = self.head if temperature is None else replace(self.head, temperature=temperature)
        probabilities, values = head.probabilities(self.said.logits[self.asked]), self.question.values[self.asked]
        cells = (values >= 0) & head.candidates(probabilities)
        return probabilities[cells], values[cells] == 1

    def best(self) -> Scored:
        """Return `top_prediction` of the products that were asked about."""
        return top_prediction(self.said.probabilities[self.asked], self.question.values[self.asked])


def top_prediction(probabilities: NDArray[np.float64], values: NDArray[np.int8]) -> Scored:
    """Return (confidence [n], correct [n] bool) of the most probable label of each row, among those that are known.

    Where none is, as with products that do not have the attribute, of the most probable label, which is wrong.
    `probabilities` [n, k], `values` [n, k] in 1, 0, -1.
    """
    known = values >= 0
    best = np.where(known | ~known.any(axis=1, keepdims=True), probabilities, -1).argmax(axis=1)
    rows = np.arange(len(best))
    return probabilities[rows, best], values[rows, best] == 1


def precision_with_interval(right: int, given: int) -> dict[str, Any]:
    """Return given, right, precision and precision_ci95 (Clopper & Pearson 1934); None where nothing was given."""
    if not given:
        return {"given": 0, "right": 0, "precision": None, "precision_ci95": None}
    between = clopper_pearson_interval(np.array(right), np.array(given)).tolist()
    return {"given": given, "right": right, "precision": right / given, "precision_ci95": between}


def precision_against_target(right: int, given: int, promise: float) -> dict[str, Any]:
    """Return `interval`, and what became of the promise.

    It is "kept" when the precision is as promised, "within the interval" when it is lower and chance may explain that,
    else "broken"; None where nothing was given.

    >>> precision(94, 100, 0.95)["promise"], precision(80, 100, 0.95)["promise"]
    ('within the interval', 'broken')
    """
    found = precision_with_interval(right, given)
    if not given:
        return {**found, "promise": None}
    kept = "kept" if right / given >= promise else "within the interval"
    return {**found, "promise": kept if found["precision_ci95"][1] >= promise else "broken"}


def evaluate_gate(trial: HeadEvaluation, promise: float) -> dict[str, Any]:
    """Return how the gate does.

    products, rejected; of_no_type: products of no type that it knows, and how many of those are rejected; `precision`
    of all that is accepted as a type; accuracy and `calibration` of the validators; types: per product type its test
    products, the share of them that is accepted, and `interval` of what is accepted as it, which alone has no promise.
    """
    gate, values, given = trial.head, trial.question.values, trial.said.given
    known, truth, rejected = values >= 0, values == 1, ~given.any(axis=1)
    stray = ~truth.any(axis=1)
    hits, products = (given & truth).sum(axis=0).tolist(), truth.sum(axis=0).tolist()
    accepted = (given & known).sum(axis=0).tolist()
    return {
        "products": len(values),
        "rejected": int(rejected.sum()),
        "of_no_type": int(stray.sum()),
        "of_no_type_rejected": int((stray & rejected).sum()),
        **precision_against_target(sum(hits), sum(accepted), promise),
        "threshold": _finite(gate.thresholds[0]),
        "weight_decay": gate.weight_decay,
        "temperature": gate.temperature,
        **_accuracy(trial),
        "types": [
            {
                "name": name,
                "products": products[at],
                "accepted": share(hits[at], products[at]),
                **precision_with_interval(hits[at], accepted[at]),
            }
            for at, name in enumerate(gate.classes)
        ],
    }


def evaluate_attribute(trial: HeadEvaluation, promise: float) -> dict[str, Any]:
    """Return how a head does.

    known: products with a known label; covered and coverage: those of them that are given one; `precision` of the given
    labels of which that is known; given_unknown: labels given to products of its types of which it is not; given_to_
    others: to products of other types, all of them wrong; accuracy of the best label and `calibration` of what is known
    and passes the gate; classes: of each label.
    """
    head, question = trial.head, trial.question
    known, applies = question.values >= 0, question.applies[:, None]
    given = trial.said.given & known
    right = given & (question.values == 1)
    products, covered = int(known.any(axis=1).sum()), int(given.any(axis=1).sum())
    return {
        "name": head.name,
        "kind": head.kind,
        "applies_to": list(head.applies_to),
        "known": products,
        "covered": covered,
        "coverage": share(covered, products),
        **precision_against_target(int(right.sum()), int(given.sum()), promise),
        "given_unknown": int((trial.said.given & ~known & applies).sum()),
        "given_to_others": int((trial.said.given & ~applies).sum()),
        "weight_decay": head.weight_decay,
        "temperature": head.temperature,
        **_accuracy(trial),
        "classes": _classes(head, given.sum(axis=0).tolist(), right.sum(axis=0).tolist(), promise),
    }


def evaluate_overall(
    trials: Sequence[HeadEvaluation], rows: Sequence[dict[str, Any]], promise: float
) -> dict[str, Any]:
    """Return known, covered, coverage, `precision` and `calibration` of all attributes together."""
    sums = {name: sum(row[name] for row in rows) for name in ("known", "covered", "given_unknown", "given_to_others")}
    right, given = (sum(row[name] for row in rows) for name in ("right", "given"))
    return {
        **sums,
        "coverage": share(sums["covered"], sums["known"]),
        **precision_against_target(right, given, promise),
        **calibration(trials),
    }


def calibration(trials: Sequence[HeadEvaluation]) -> dict[str, float | None]:
    """Return ece_before and ece, before and after the temperature, ece_by_chance and brier of all answers together.

    ece_by_chance is what confidence that is true would score on average: with few answers, not 0 (DRAWS draws).
    """
    heard = [trial for trial in trials if trial.asked.any()]
    if not heard:
        return dict.fromkeys(("ece_before", "ece", "ece_by_chance", "brier"))
    before, after = (
        tuple(map(np.concatenate, zip(*[trial.confidence(value) for trial in heard], strict=True)))
        for value in (1.0, None)
    )
    random = np.random.default_rng(0)
    chance = [expected_calibration_error(after[0], random.random(len(after[0])) < after[0]) for _ in range(DRAWS)]
    return {
        "ece_before": expected_calibration_error(*before),
        "ece": expected_calibration_error(*after),
        "ece_by_chance": float(np.mean(chance)),
        "brier": binary_brier(*after),
    }


def share(part: float, whole: float) -> float | None:
    """Return part / whole; None where there is no whole."""
    return validation.or_none(float(validation.ratio(np.array(part), np.array(whole))))


def _accuracy(trial: HeadEvaluation) -> dict[str, float | None]:
    right = trial.best()[1]
    return {"accuracy": share(int(right.sum()), len(right)), **calibration([trial])}


def _classes(head: LinearHead, given: list[int], right: list[int], promise: float) -> list[dict[str, Any]]:
    lines = zip(head.classes, head.thresholds, right, given, strict=True)
    return [
        {"name": name, "threshold": _finite(lowest), **precision_against_target(hits, count, promise)}
        for name, lowest, hits, count in lines
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
