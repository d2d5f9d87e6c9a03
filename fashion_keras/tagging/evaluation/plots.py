"""The figures of a tagger: is its confidence true, what does a threshold on it cost, what does the gate do?"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.metrics.calibration import reliability
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.selective_prediction import area_under_coverage_risk, coverage_risk
from fashion_keras.evaluation.plots import labels
from fashion_keras.evaluation.plots.style import CURVES
from fashion_keras.tagging.evaluation import plots_gate
from fashion_keras.tagging.evaluation.metrics import HeadEvaluation
from fashion_keras.tagging.evaluation.ood_study import OODMixture, curve


def draw_confidence(folder: Path, trials: Sequence[HeadEvaluation]) -> None:
    """Draw reliability_NN_ATTRIBUTE.png for each attribute that was asked about, and coverage_risk.png of all.

    Of more than 12 attributes, those with the most known products are in the latter.
    """
    judged = [trial for trial in trials if trial.evaluated.any()]
    for number, trial in enumerate(judged, 1):
        said = trial.confidence()
        path = folder / f"reliability_{number:02}_{re.sub(r'[^0-9a-z]+', '_', trial.head.name.lower())}.png"
        labels.reliability(path, trial.head.name, *reliability(*said), expected_calibration_error(*said))
    largest = sorted(judged, key=lambda trial: -trial.evaluated.sum())[: len(CURVES)]
    curves = []
    for trial in largest:
        said = trial.best()
        curves.append((trial.head.name, *coverage_risk(*said)[:2], area_under_coverage_risk(*said)))
    if curves:
        labels.coverage_risk(folder / "coverage_risk.png", curves)


def draw_gate(
    folder: Path, models: Mapping[str, Sequence[OODMixture]], tagger: str, table: Sequence[Mapping[str, Any]], seed: int
) -> None:
    """Draw gate.png: every model without the gate, and the tagger's with it; `table` are the rows of `study`."""
    points = {(row["model"], row["validator"]): (row["coverage"], row["outlier_error_share"]) for row in table}
    without = {name: (name, *curve(mixes, False, seed), points[name, False]) for name, mixes in models.items()}
    ungated = without.pop(tagger)
    with_gate = (f"{tagger}, with its gate", *curve(models[tagger], True, seed), points[tagger, True])
    plots_gate.gate(folder / "gate.png", [*without.values()], ungated, with_gate)
