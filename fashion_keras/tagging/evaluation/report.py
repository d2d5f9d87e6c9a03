"""Tagger report: scores on test products; figures of reliability, risk against coverage, and the product-type gate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from fashion_keras.evaluation.metrics.calibration import reliability
from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.selective_prediction import area_under_coverage_risk, coverage_risk
from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.curves import plot_coverage_risk, plot_reliability
from fashion_keras.tagging.evaluation.metrics import HeadEvaluation, evaluate_attribute, evaluate_gate, evaluate_tags
from fashion_keras.tagging.evaluation.ood_study import (
    TAGGER,
    OODMixture,
    curve,
    evaluate_ood_scores,
    ood_mixtures,
    ood_study,
)
from fashion_keras.tagging.model.heads import Features, LinearHead
from fashion_keras.tagging.model.labels import Integers, TaggerLabels
from fashion_keras.tagging.model.tagger import Tagger

Part = tuple[TaggerLabels, Features]
Curve = tuple[str, np.ndarray, np.ndarray, tuple[float, float]]

STATEMENT = (
    "Each label with its own threshold is a statement of its own: at 95 % confidence, one in 20 may miss the target by "
    "chance. Labels predicted seldom share one and reach the target together; so do all product types of the gate."
)


def evaluate_tagger(
    tagger: Tagger,
    candidates: Sequence[Sequence[LinearHead]],
    train: Part,
    test: Part,
    products: Integers,
    seed: int,
    folder: Path,
    data: str = "",
) -> dict[str, Any]:
    """Evaluate a tagger on test products; draw reliability, coverage and risk, and the gate into a folder.

    Args:
        candidates: per attribute, its heads of all weight decays.
        train, test: labels and features [n, d] of the training and the test images.
        products [n]: that each test image shows.
        seed: of drawn outliers.
        data: the catalog, for the titles of figures.

    Returns:
        target_precision, statement (what the target applies to), gate, attributes, together (see `TagScores`),
        outlier_scores and table_4 (see `ood_study`), None where no attribute has an outlier.
    """
    labels, features = test
    types, outputs = tagger.predict_heads(features)
    gate = HeadEvaluation(tagger.gate, labels.gate, types, products)
    heads = zip(tagger.heads, labels.attributes, outputs, strict=True)
    evaluations = [HeadEvaluation(head, attribute, output, products) for head, attribute, output in heads]
    draw_confidence(folder, evaluations, data)
    models = ood_mixtures(gate, evaluations, candidates, features)
    table = ood_study(models, seed) if models else None
    if table:
        draw_gate(folder, models, table["rows"], seed, data)
    return {
        "target_precision": tagger.target_precision,
        "statement": STATEMENT,
        "gate": evaluate_gate(gate, tagger.target_precision),
        "attributes": [evaluate_attribute(evaluation, tagger.target_precision) for evaluation in evaluations],
        "together": asdict(evaluate_tags(evaluations, tagger.target_precision)),
        "outlier_scores": evaluate_ood_scores(gate, evaluations, *train, features),
        "table_4": table,
    }


def draw_confidence(folder: Path, evaluations: Sequence[HeadEvaluation], data: str = "") -> None:
    """Draw reliability_NN_ATTRIBUTE.png for each attribute with evaluated products, and coverage_risk.png of all.

    Of more than 12 attributes, those with the most evaluated products are in the latter.
    """
    scorable = [evaluation for evaluation in evaluations if evaluation.evaluated.any()]
    for number, evaluation in enumerate(scorable, 1):
        name, scores = evaluation.head.name, evaluation.confidence()
        path = folder / f"reliability_{number:02}_{re.sub(r'[^0-9a-z]+', '_', name.lower())}.png"
        error = expected_calibration_error(*scores)
        plot_reliability(path, name, *reliability(*scores), error, run=str(folder), data=data)
    largest = sorted(scorable, key=lambda evaluation: -evaluation.evaluated.sum())[: len(style.CURVES)]
    curves = []
    for evaluation in largest:
        scores = evaluation.best()
        curves.append((evaluation.head.name, *coverage_risk(*scores)[:2], area_under_coverage_risk(*scores)))
    if curves:
        images = int(largest[0].evaluated.sum())
        plot_coverage_risk(folder / "coverage_risk.png", curves, str(folder), images, data)


def draw_gate(
    folder: Path,
    models: Mapping[str, Sequence[OODMixture]],
    table: Sequence[Mapping[str, Any]],
    seed: int,
    data: str = "",
) -> None:
    """Draw gate.png, of `ood_study` and the rows of its table: each model without the gate, the tagger with it, too."""
    points = {(row["model"], row["validator"]): (row["coverage"], row["outlier_error_share"]) for row in table}
    without = {name: (name, *curve(mixtures, False, seed), points[name, False]) for name, mixtures in models.items()}
    ungated = without.pop(TAGGER)
    with_gate = (f"{TAGGER}, with its gate", *curve(models[TAGGER], True, seed), points[TAGGER, True])
    plot_gate(folder / "gate.png", [*without.values()], ungated, with_gate, str(folder), data=data)


def plot_gate(
    path: Path,
    decays: Sequence[Curve],
    without: Curve,
    with_gate: Curve,
    run: str = "",
    images: int | None = None,
    data: str = "",
) -> None:
    """Plot the share of outliers among the labeled images, against coverage, into a PNG file.

    A curve is (name, coverage [t], outlier share [t], the point of the mean confidence): of other weight decays without
    a gate, of the tagger without and with its gate. `run`, `images` and `data` are for the title.
    """
    axes = style.new_axes(6.5, 4)
    lines = [{**line, "linewidth": 1.3} for line in style.curve_styles(len(decays))]
    lines += [{"color": style.INK, "linewidth": 1.8, "linestyle": (0, (3, 2))}]
    lines += [{"color": style.INK, "linewidth": 2.8, "linestyle": "-"}]
    handles, names = [], []
    for (name, coverage, share, point), line in zip([*decays, without, with_gate], lines, strict=True):
        handles += axes.plot(coverage, share, **line)
        names.append(style.short_name(name))
        axes.plot(*point, "o", color=line["color"], markersize=6, clip_on=False)
    style.legend(axes, handles, names, "dot: threshold at\nthe mean confidence")
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage: share of images that are given a label")
    axes.set_ylabel("outliers among them")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    caption = "outliers are products of other types; lower is better at equal coverage"
    style.style_axes(axes, "Outliers among the images given a label", style.context("", run, images, data), caption)
    style.save(axes.figure, path)
