"""Tagger report: scores on test products, and figures."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.tagging.evaluation.metrics import (
    HeadEvaluation,
    evaluate_attribute,
    evaluate_gate,
    evaluate_tags,
)
from fashion_keras.tagging.evaluation.ood_study import evaluate_ood_scores, ood_mixtures, ood_study
from fashion_keras.tagging.evaluation.plots import draw_confidence, draw_gate
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.labels import TaggerLabels
from fashion_keras.tagging.model.tagger import Tagger

STATEMENT = (
    "Each label with its own threshold is a statement of its own: at 95 % confidence, one in 20 may miss the target by "
    "chance. Rare labels share a threshold and reach the target together; so do all product types of the gate."
)


Part = tuple[TaggerLabels, NDArray[np.float32]]


def evaluate_tagger(
    tagger: Tagger,
    candidates: Sequence[Sequence[LinearHead]],
    train: Part,
    test: Part,
    products: NDArray[np.int64],
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """Evaluate a tagger on test products; draw reliability, coverage and risk, and the gate into a folder.

    Args:
        tagger: to evaluate.
        candidates: per attribute, its heads of all weight decays.
        train, test: labels and features [n, d] of the training and the test images.
        products [n]: that each test image shows.
        seed: of drawn outliers.
        folder: receives the figures.

    Returns:
        target_precision, statement (what the target applies to), gate (see `evaluate_gate`), attributes (see
        `evaluate_attribute`), together (see `TagScores`), outlier_scores {attribute: {score: {auroc, fpr95}}} and
        table_4 (see `ood_study`), None where no attribute has an outlier.
    """
    labels, features = test
    types, outputs = tagger.predict_heads(features)
    gate = HeadEvaluation(tagger.gate, labels.gate, types, products)
    heads = zip(tagger.heads, labels.attributes, outputs, strict=True)
    evaluations = [HeadEvaluation(head, attribute, output, products) for head, attribute, output in heads]
    draw_confidence(folder, evaluations)
    models = ood_mixtures(gate, evaluations, candidates, features)
    table = ood_study(models, seed) if models else None
    if table:
        draw_gate(folder, models, table["rows"], seed)
    return {
        "target_precision": tagger.target_precision,
        "statement": STATEMENT,
        "gate": evaluate_gate(gate, tagger.target_precision),
        "attributes": [evaluate_attribute(evaluation, tagger.target_precision) for evaluation in evaluations],
        "together": asdict(evaluate_tags(evaluations, tagger.target_precision)),
        "outlier_scores": evaluate_ood_scores(gate, evaluations, *train, features),
        "table_4": table,
    }
