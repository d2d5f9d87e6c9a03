"""Figures of a tagger: reliability of each attribute, risk against coverage, and the product-type gate."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.metrics.calibration import reliability
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.selective_prediction import area_under_coverage_risk, coverage_risk
from fashion_keras.evaluation.plots.curves import plot_coverage_risk, plot_reliability
from fashion_keras.evaluation.plots.style import CURVES
from fashion_keras.tagging.evaluation.metrics import HeadEvaluation
from fashion_keras.tagging.evaluation.ood_study import OODMixture, curve
from fashion_keras.tagging.evaluation.plots_gate import plot_gate


def draw_confidence(folder: Path, trials: Sequence[HeadEvaluation], run: str = "") -> None:
    """Draw reliability_NN_ATTRIBUTE.png for each attribute with evaluated products, and coverage_risk.png of all.

    Of more than 12 attributes, those with the most evaluated products are in the latter.

    Args:
        folder: receives the figures.
        trials: the evaluation of each attribute's head.
        run: tagger folder, for the titles.
    """
    evaluated = [trial for trial in trials if trial.evaluated.any()]
    for number, trial in enumerate(evaluated, 1):
        scores = trial.confidence()
        path = folder / f"reliability_{number:02}_{re.sub(r'[^0-9a-z]+', '_', trial.head.name.lower())}.png"
        error = expected_calibration_error(*scores)
        plot_reliability(path, trial.head.name, *reliability(*scores), error, run=run)
    largest = sorted(evaluated, key=lambda trial: -trial.evaluated.sum())[: len(CURVES)]
    curves = []
    for trial in largest:
        scores = trial.best()
        curves.append((trial.head.name, *coverage_risk(*scores)[:2], area_under_coverage_risk(*scores)))
    if curves:
        plot_coverage_risk(folder / "coverage_risk.png", curves, run, int(largest[0].evaluated.sum()))


def draw_gate(
    folder: Path,
    models: Mapping[str, Sequence[OODMixture]],
    tagger: str,
    table: Sequence[Mapping[str, Any]],
    seed: int,
    run: str = "",
) -> None:
    """Draw gate.png: every model without the gate, and the tagger's with it.

    Args:
        folder: receives the figure.
        models: name -> a mixture of products and outliers for each attribute.
        tagger: name of the model that has the gate.
        table: rows of `ood_study`.
        seed: of the drawn outliers.
        run: tagger folder, for the title.
    """
    points = {(row["model"], row["validator"]): (row["coverage"], row["outlier_error_share"]) for row in table}
    without = {name: (name, *curve(mixtures, False, seed), points[name, False]) for name, mixtures in models.items()}
    ungated = without.pop(tagger)
    with_gate = (f"{tagger}, with its gate", *curve(models[tagger], True, seed), points[tagger, True])
    plot_gate(folder / "gate.png", [*without.values()], ungated, with_gate, run)
