"""Out-of-distribution study (Table 4 of gutierrez2019): outlier errors with weight decay, and with a gate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.out_of_distribution import mean_threshold_errors

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
        outlier [n + m] bool: whether it is an outlier.
        accepted [n + m] bool: whether the gate accepts it.
    """

    confidence: Floats
    correct: NDArray[np.bool_]
    outlier: NDArray[np.bool_]
    accepted: NDArray[np.bool_]

    def draw(self, random: np.random.Generator) -> "OODMixture":
        """Return the mixture with as many of its outliers, at random, as make SHARE of it; all if there are fewer."""
        inliers, outliers = np.flatnonzero(~self.outlier), np.flatnonzero(self.outlier)
        count = min(len(outliers), outliers_for(len(inliers)))
        return self.take(np.concatenate([inliers, random.choice(outliers, count, replace=False)]))

    def take(self, rows: NDArray[np.int64]) -> "OODMixture":
        """Return the mixture of these rows."""
        return OODMixture(self.confidence[rows], self.correct[rows], self.outlier[rows], self.accepted[rows])

    @property
    def gated(self) -> "OODMixture":
        """The images that the gate accepts."""
        return self.take(np.flatnonzero(self.accepted))


def outliers_for(products: int) -> int:
    """Return the number of outliers that are SHARE of a mixture with `products` images of the head's types."""
    return round(SHARE / (1 - SHARE) * products)


def ood_study(models: dict[str, Sequence[OODMixture]], tagger: str, seed: int) -> dict[str, Any]:
    """Return Table 4, and the reduction of outlier errors at equal coverage.

    Every attribute with outliers has its own mixture and its own threshold, the mean confidence; a row of the table is
    the sum over attributes, averaged over DRAWS draws of outliers.

    Args:
        models: name -> the mixtures of its heads, one per attribute, the same products for all models.
        tagger: the model whose gate is evaluated: its outlier errors with the gate, at the coverage that the gate and
            the mean confidence leave, against those of as many images without it, the most confident.
        seed: of the draws.
    """
    rows = []
    for name, mixtures in models.items():
        drawn = _draws(mixtures, seed)
        rows.append({"model": name, "validator": False, **_sum_up(drawn, _row)})
        rows.append({"model": name, "validator": True, **_sum_up(drawn, _gated_row)})
    drawn = _draws(models[tagger], seed)
    with_gate = next(row for row in rows if row["model"] == tagger and row["validator"])["outlier_errors"]
    without = _sum_up(drawn, _same_count_row)["outlier_errors"]
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
    for mixture in (drawn for draw in _draws(mixtures, seed) for drawn in draw):
        remaining = mixture.gated if validator else mixture
        counts = np.minimum(np.round(GRID * len(mixture.confidence)).astype(int), len(remaining.confidence))
        errors = np.append(0, np.cumsum(remaining.outlier[np.argsort(-remaining.confidence, kind="stable")]))
        released += counts
        outliers += errors[counts]
        images += len(mixture.confidence)
    return released / images, validation.ratio(outliers, released)


def _draws(mixtures: Sequence[OODMixture], seed: int) -> list[list[OODMixture]]:
    return [[mixture.draw(np.random.default_rng((seed, draw))) for mixture in mixtures] for draw in range(DRAWS)]


def _row(mixture: OODMixture) -> dict[str, float]:
    return _table_row(mixture, mixture)


def _gated_row(mixture: OODMixture) -> dict[str, float]:
    return _table_row(mixture.gated, mixture)


def _table_row(remaining: OODMixture, mixture: OODMixture) -> dict[str, float]:
    images, inliers = len(mixture.outlier), ~remaining.outlier
    if not inliers.any():
        return dict.fromkeys(("confidence", "released", "errors", "outlier_errors"), 0.0) | {"images": images}
    confidence, rejected = remaining.confidence, images - len(inliers)
    row = mean_threshold_errors(confidence[inliers], remaining.correct[inliers], confidence[~inliers], rejected)
    sums = {name: row[name] for name in ("released", "errors", "outlier_errors")}
    return {**sums, "confidence": row["mean_confidence"] * images, "images": images}


def _same_count_row(mixture: OODMixture) -> dict[str, float]:
    """Return the row of as many images as gate and mean confidence release, the most confident, without the gate."""
    count = int(_gated_row(mixture)["released"])
    top = mixture.take(np.argsort(-mixture.confidence, kind="stable")[:count])
    return {
        "released": count,
        "errors": float(np.sum(~top.correct)),
        "outlier_errors": float(np.sum(top.outlier)),
        "confidence": float(np.sum(top.confidence)),
        "images": len(mixture.outlier),
    }


def _sum_up(draws: Sequence[Sequence[OODMixture]], row: Callable[[OODMixture], dict[str, float]]) -> dict[str, float]:
    """Return a row of the table: sums over mixtures, means over draws, and the shares of the released."""
    rows = [row(mixture) for mixtures in draws for mixture in mixtures]
    sums = {name: sum(values[name] for values in rows) / len(draws) for name in rows[0]}
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
