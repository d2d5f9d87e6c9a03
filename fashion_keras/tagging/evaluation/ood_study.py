"""Table 4 of gutierrez2019: products of other types come to an attribute's head; what do regularising and a gate do?"""

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
    """What one head says of n products that belong and m that do not.

    Attributes:
        confidence [n + m]: in the most probable label.
        correct [n + m] bool: whether that is right; never for an outlier.
        strange [n + m] bool: whether it is an outlier.
        passed [n + m] bool: whether the gate lets it in.
    """

    confidence: Floats
    correct: NDArray[np.bool_]
    strange: NDArray[np.bool_]
    passed: NDArray[np.bool_]

    def draw(self, random: np.random.Generator) -> "OODMixture":
        """Return the mix with as many of its outliers, at random, as make SHARE of it; all if there are fewer."""
        own, others = np.flatnonzero(~self.strange), np.flatnonzero(self.strange)
        wanted = min(len(others), outliers_for(len(own)))
        return self.take(np.concatenate([own, random.choice(others, wanted, replace=False)]))

    def take(self, rows: NDArray[np.int64]) -> "OODMixture":
        """Return the mix of these rows."""
        return OODMixture(self.confidence[rows], self.correct[rows], self.strange[rows], self.passed[rows])

    @property
    def gated(self) -> "OODMixture":
        """Those that the gate lets in."""
        return self.take(np.flatnonzero(self.passed))


def outliers_for(products: int) -> int:
    """Return how many outliers make SHARE of a mix with so many products that belong."""
    return round(SHARE / (1 - SHARE) * products)


def ood_study(models: dict[str, Sequence[OODMixture]], tagger: str, seed: int) -> dict[str, Any]:
    """Return Table 4, the cut of outlier errors, and the curves of its figure.

    Every attribute of which outliers exist has a mix of its own, and its own threshold, the mean confidence; a row sums
    them up, and is the mean over DRAWS draws of outliers.

    Args:
        models: name -> the mixes of its heads, one per attribute, the same products for all models.
        tagger: the model whose gate is judged: its outlier errors with the gate, at the coverage that the gate and the
            mean confidence leave, against those of as many images without it, the most confident.
        seed: of the draws.
    """
    rows = []
    for name, mixes in models.items():
        drawn = _draws(mixes, seed)
        rows.append({"model": name, "validator": False, **_sum_up(drawn, _row)})
        rows.append({"model": name, "validator": True, **_sum_up(drawn, _gated_row)})
    drawn = _draws(models[tagger], seed)
    with_gate = next(row for row in rows if row["model"] == tagger and row["validator"])["outlier_errors"]
    without = _sum_up(drawn, _as_many)["outlier_errors"]
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


def curve(mixes: Sequence[OODMixture], validator: bool, seed: int) -> tuple[Floats, Floats]:
    """Return (coverage [50], share [50]), each in 0..1: of the images given a label, the most confident, the outliers.

    Over all mixes and draws together, each mix cut at the coverages of GRID as far as the gate leaves them.
    """
    released, strange, images = np.zeros(len(GRID)), np.zeros(len(GRID)), 0
    for mix in (one for drawn in _draws(mixes, seed) for one in drawn):
        kept = mix.gated if validator else mix
        counts = np.minimum(np.round(GRID * len(mix.confidence)).astype(int), len(kept.confidence))
        errors = np.append(0, np.cumsum(kept.strange[np.argsort(-kept.confidence, kind="stable")]))
        released += counts
        strange += errors[counts]
        images += len(mix.confidence)
    return released / images, validation.ratio(strange, released)


def _draws(mixes: Sequence[OODMixture], seed: int) -> list[list[OODMixture]]:
    return [[mix.draw(np.random.default_rng((seed, draw))) for mix in mixes] for draw in range(DRAWS)]


def _row(mix: OODMixture) -> dict[str, float]:
    return _table(mix, mix)


def _gated_row(mix: OODMixture) -> dict[str, float]:
    return _table(mix.gated, mix)


def _table(kept: OODMixture, mix: OODMixture) -> dict[str, float]:
    own = ~kept.strange
    if not own.any():
        return dict.fromkeys(("confidence", "released", "errors", "outlier_errors"), 0.0) | {"images": len(mix.strange)}
    away = len(mix.strange) - len(own)
    row = mean_threshold_errors(kept.confidence[own], kept.correct[own], kept.confidence[~own], away)
    sums = {name: row[name] for name in ("released", "errors", "outlier_errors")}
    return {**sums, "confidence": row["mean_confidence"] * len(mix.strange), "images": len(mix.strange)}


def _as_many(mix: OODMixture) -> dict[str, float]:
    """As many images as gate and mean confidence release, the most confident of all, without the gate."""
    count = int(_gated_row(mix)["released"])
    first = mix.take(np.argsort(-mix.confidence, kind="stable")[:count])
    return {
        "released": count,
        "errors": float(np.sum(~first.correct)),
        "outlier_errors": float(np.sum(first.strange)),
        "confidence": float(np.sum(first.confidence)),
        "images": len(mix.strange),
    }


def _sum_up(draws: Sequence[Sequence[OODMixture]], row: Callable[[OODMixture], dict[str, float]]) -> dict[str, float]:
    """Return a row of the table: sums over mixes, means over draws, and the shares of the released."""
    found = [row(mix) for mixes in draws for mix in mixes]
    sums = {name: sum(one[name] for one in found) / len(draws) for name in found[0]}
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
