"""Out-of-distribution study (Table 4 of gutierrez2019): outlier errors with weight decay, and with a gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.out_of_distribution import mean_threshold_errors

TAGGER = "tagger"  # the model whose gate is evaluated
SHARE = 0.2  # of the mix, outliers
DRAWS = 20
GRID = np.linspace(0.02, 1, 50)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OODMixture:
    """Predictions of one head for n images of its product types and m outliers, images of other types.

    Attributes:
        confidence [n + m]: of the most probable label.
        correct [n + m] bool: whether that is right; never for an outlier.
        outlier, accepted [n + m] bool: whether it is an outlier, and whether the gate accepts it.
    """

    confidence: Floats
    correct: NDArray[np.bool_]
    outlier: NDArray[np.bool_]
    accepted: NDArray[np.bool_]

    def take(self, rows: NDArray) -> "OODMixture":
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

    def count_outliers(self) -> NDArray[np.int64]:
        """Return [n + m + 1]: the number of outliers among the 0, 1, 2, ... most confident images."""
        return np.append(0, np.cumsum(self.outlier[np.argsort(-self.confidence, kind="stable")]))


def outliers_for(products: int) -> int:
    """Return the number of outliers that are SHARE of a mixture with `products` images of the head's types."""
    return round(SHARE / (1 - SHARE) * products)


def ood_study(models: Mapping[str, Sequence[OODMixture]], seed: int) -> dict[str, Any]:
    """Return Table 4, and the reduction of outlier errors by the gate of TAGGER at equal coverage.

    Every attribute with outliers has its own mixture and its own threshold, the mean confidence; a row of the table is
    the sum over attributes, averaged over DRAWS draws of outliers. At equal coverage, the tagger's outlier errors with
    the gate are compared with those of as many images without it, the most confident.

    Args:
        models: name -> the mixtures of its heads, one per attribute, the same products for all models.
        seed: of the draws.
    """
    rows = [
        {"model": name, "validator": validator, **_row(mixtures, validator, seed)}
        for name, mixtures in models.items()
        for validator in (False, True)
    ]
    with_gate = next(row for row in rows if row["model"] == TAGGER and row["validator"])["outlier_errors"]
    drawn = _draws(models[TAGGER], seed)
    without = sum(int(each.count_outliers()[int(_sums(each, True)["released"])]) for each in drawn) / DRAWS
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


def _sums(mixture: OODMixture, validator: bool) -> dict[str, float]:
    """Return the numbers of images of one mixture, and its mean confidence times all images."""
    remaining, images = mixture.behind_gate(validator), len(mixture.outlier)
    inside, confidence = ~remaining.outlier, remaining.confidence
    if not inside.any():
        return dict.fromkeys(("confidence", "released", "errors", "outlier_errors"), 0.0) | {"images": images}
    row = mean_threshold_errors(confidence[inside], remaining.correct[inside], confidence[~inside])
    sums = {name: row[name] for name in ("released", "errors", "outlier_errors")}
    return {**sums, "confidence": row["mean_confidence"] * images, "images": images}


def _row(mixtures: Sequence[OODMixture], validator: bool, seed: int) -> dict[str, float]:
    """Return a row of the table: sums over mixtures, means over draws, and the shares of the released."""
    rows = [_sums(mixture, validator) for mixture in _draws(mixtures, seed)]
    sums = {name: sum(values[name] for values in rows) / DRAWS for name in rows[0]}
    released = max(sums["released"], 1e-9)
    return {
        "mean_confidence": sums["confidence"] / sums["images"],
        "images": sums["images"],
        "released": sums["released"],
        "errors": sums["errors"],
        "error_share": sums["errors"] / released,
        "outlier_errors": sums["outlier_errors"],
        "outlier_error_share": sums["outlier_errors"] / released,
        "coverage": sums["released"] / sums["images"],
    }
