"""Out-of-distribution study: scores that tell outliers apart; errors with and without a gate (gutierrez2019, Table 4).

Outliers of an attribute are images that are known to be of other types than those that have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.out_of_distribution import (
    auroc,
    energy,
    false_positives_at_95,
    fit_gaussians,
    mahalanobis,
    mean_threshold_errors,
    neighbor_similarity,
)
from fashion_keras.tagging.evaluation.metrics import HeadEvaluation, top_prediction
from fashion_keras.tagging.model.heads import Features, Floats, LinearHead, Mask
from fashion_keras.tagging.model.labels import AttributeLabels, Integers, TaggerLabels

NEIGHBORS = 10
TAGGER = "tagger"  # the model whose gate is evaluated
SHARE = 0.2  # of the mix, outliers
DRAWS = 20
GRID = np.linspace(0.02, 1, 50)


def ood_mask(gate: AttributeLabels, labels: AttributeLabels) -> Mask:
    """Return [n] bool: the images that are outliers of an attribute."""
    types = [gate.classes.index(name) for name in labels.applies_to]
    return ~labels.applies & (gate.values[:, types] == 0).all(axis=1)


def evaluate_ood_scores(
    gate: HeadEvaluation,
    evaluations: Sequence[HeadEvaluation],
    labels: TaggerLabels,
    train: Features,
    features: Features,
) -> dict[str, dict[str, dict[str, float]]]:
    """Return attribute -> score -> auroc and fpr95: how well it separates products with the attribute from outliers.

    The scores are of the head's logits (max probability; energy, of sigmoids summed over labels: JointEnergy, Wang et
    al. 2021, arXiv:2109.14162), of normalized features (k-NN, Mahalanobis), and the validators' largest logit.
    `labels` and `train` [m, d] are labels and features of the training images, `features` [n, d] of the test images.
    """
    train, features = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (train, features))
    kinds = labels.gate.values == 1
    codes = np.where(kinds.any(axis=1), kinds.argmax(axis=1), kinds.shape[1])
    results = {}
    for evaluation, attribute in zip(evaluations, labels.attributes, strict=True):
        inside, outside = evaluation.labels.applies, ood_mask(gate.labels, evaluation.labels)
        if not inside.any() or not outside.any():
            continue
        logits, own, own_codes = evaluation.output.logits, train[attribute.applies], codes[attribute.applies]
        types = [gate.head.classes.index(name) for name in evaluation.head.applies_to]
        scores = {
            "max probability": evaluation.output.probabilities.max(axis=1),
            "energy": energy(logits) if attribute.kind == "single" else np.logaddexp(0, logits).sum(axis=1),
            "k-NN": neighbor_similarity(own, features, min(NEIGHBORS, len(own))),
            "Mahalanobis": mahalanobis(fit_gaussians(own, own_codes), features),
            "validator": gate.output.logits[:, types].max(axis=1),
        }
        results[attribute.name] = {
            name: {
                "auroc": auroc(values[inside], values[outside]),
                "fpr95": false_positives_at_95(values[inside], values[outside]),
            }
            for name, values in scores.items()
        }
    return results


@dataclass(frozen=True)
class OODMixture:
    """Predictions of one head for n images of its product types and m outliers, images of other types.

    Each array [n + m]: confidence of the most probable label; whether that is right, never for an outlier; whether the
    image is an outlier; whether the gate accepts it.
    """

    confidence: Floats
    correct: Mask
    outlier: Mask
    accepted: Mask

    def take(self, rows: Integers | Mask) -> "OODMixture":
        """Return the mixture of these rows, indices or a mask."""
        return OODMixture(*(values[rows] for values in vars(self).values()))

    def draw(self, random: np.random.Generator) -> "OODMixture":
        """Return the mixture with as many of its outliers, at random, as make SHARE of it; all if there are fewer."""
        inliers, outliers = np.flatnonzero(~self.outlier), np.flatnonzero(self.outlier)
        count = min(len(outliers), outliers_for(len(inliers)))
        return self.take(np.concatenate([inliers, random.choice(outliers, count, replace=False)]))

    def behind_gate(self, validator: bool) -> "OODMixture":
        """Return the images that the gate accepts; all without a validator."""
        return self.take(self.accepted) if validator else self

    def count_outliers(self) -> Integers:
        """Return [n + m + 1]: the number of outliers among the 0, 1, 2, ... most confident images."""
        return np.append(0, np.cumsum(self.outlier[np.argsort(-self.confidence, kind="stable")]))


def ood_mixtures(
    gate: HeadEvaluation,
    evaluations: Sequence[HeadEvaluation],
    candidates: Sequence[Sequence[LinearHead]],
    features: Features,
) -> dict[str, list[OODMixture]]:
    """Return model -> the mixtures of its heads, for each attribute with outliers: TAGGER, and one per weight decay.

    `candidates` are the heads of all weight decays of each attribute; `features` [n, d] are of the test images.
    """
    models: dict[str, list[OODMixture]] = {}
    for evaluation, heads in zip(evaluations, candidates, strict=True):
        outliers, known = ood_mask(gate.labels, evaluation.labels), evaluation.known.any(axis=1)
        if not outliers.any() or not outliers_for(int(known.sum())):
            continue
        rows = known | outliers
        named = {f"weight decay {head.weight_decay:g}": head for head in heads} | {TAGGER: evaluation.head}
        for name, head in named.items():
            probabilities = head.probabilities(head.logits(features[rows]))
            scored = top_prediction(probabilities, evaluation.labels.values[rows])
            models.setdefault(name, []).append(OODMixture(*scored, outliers[rows], evaluation.output.accepted[rows]))
    return models


def outliers_for(products: int) -> int:
    """Return the number of outliers that are SHARE of a mixture with that many products."""
    return round(SHARE / (1 - SHARE) * products)


def ood_study(models: Mapping[str, Sequence[OODMixture]], seed: int) -> dict[str, Any]:
    """Return Table 4, and the reduction of outlier errors by the gate of TAGGER at equal coverage.

    Every attribute has its own mixture and its own threshold, the mean confidence; a row of the table is the sum over
    attributes, averaged over DRAWS draws of outliers with `seed`. At equal coverage, the tagger's outlier errors with
    the gate are compared with those of as many images without it, the most confident.
    """
    rows = [
        {"model": name, "validator": validator, **_row(mixtures, validator, seed)}
        for name, mixtures in models.items()
        for validator in (False, True)
    ]
    with_gate = next(row for row in rows if row["model"] == TAGGER and row["validator"])["outlier_errors"]
    drawn = _draws(models[TAGGER], seed)
    without = sum(int(each.count_outliers()[_sums(each, True)[2]]) for each in drawn) / DRAWS
    return {
        "outlier_share": SHARE,
        "draws": DRAWS,
        "rows": rows,
        "equal_coverage": {
            "outlier_errors_without": without,
            "outlier_errors_with": with_gate,
            "cut": 1 - with_gate / without if without else None,
        },
    }


def curve(mixtures: Sequence[OODMixture], validator: bool, seed: int) -> tuple[Floats, Floats]:
    """Return (coverage [50], share [50]), each in 0..1: of the most confident images, those that are outliers.

    Over all mixtures and draws together, each cut at the coverages of GRID as far as the gate leaves them.
    """
    released, outliers, images = np.zeros(len(GRID)), np.zeros(len(GRID)), 0
    for mixture in _draws(mixtures, seed):
        errors = mixture.behind_gate(validator).count_outliers()
        counts = np.minimum(np.round(GRID * len(mixture.outlier)).astype(int), len(errors) - 1)
        released += counts
        outliers += errors[counts]
        images += len(mixture.outlier)
    return released / images, validation.ratio(outliers, released)


def _draws(mixtures: Sequence[OODMixture], seed: int) -> list[OODMixture]:
    """Return DRAWS draws of each mixture."""
    return [mixture.draw(np.random.default_rng((seed, draw))) for draw in range(DRAWS) for mixture in mixtures]


def _sums(mixture: OODMixture, validator: bool) -> tuple[float, ...]:
    """Return mean confidence times images, images, released, errors and outlier errors of one mixture."""
    remaining, images = mixture.behind_gate(validator), len(mixture.outlier)
    inside, confidence = ~remaining.outlier, remaining.confidence
    if not inside.any():
        return 0, images, 0, 0, 0
    row = mean_threshold_errors(confidence[inside], remaining.correct[inside], confidence[~inside])
    return row["mean_confidence"] * images, images, row["released"], row["errors"], row["outlier_errors"]


def _row(mixtures: Sequence[OODMixture], validator: bool, seed: int) -> dict[str, float]:
    """Return a row of the table: sums over mixtures, means over draws, and the shares of the released."""
    sums = np.sum([_sums(mixture, validator) for mixture in _draws(mixtures, seed)], axis=0) / DRAWS
    confidence, images, released, errors, outlier_errors = sums.tolist()
    return {
        "mean_confidence": confidence / images,
        "images": images,
        "released": released,
        "errors": errors,
        "error_share": errors / max(released, 1e-9),
        "outlier_errors": outlier_errors,
        "outlier_error_share": outlier_errors / max(released, 1e-9),
        "coverage": released / images,
    }
