"""Tagger report: scores on test products, and figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.tagging.evaluation.metrics import (
    HeadEvaluation,
    TagScores,
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


@dataclass(frozen=True)
class EvalPart:
    """A part of the catalog: labels of n images, their features [n, d], and the product [n] that each shows."""

    labels: TaggerLabels
    features: NDArray[np.float32]
    products: NDArray[np.int64]


def evaluate_tagger(
    tagger: Tagger, candidates: Sequence[Sequence[LinearHead]], train: EvalPart, test: EvalPart, seed: int, folder: Path
) -> dict[str, Any]:
    """Evaluate a tagger on test products; draw reliability, coverage and risk, and the gate into a folder.

    Args:
        tagger: to evaluate.
        candidates: per attribute, its heads of all weight decays.
        train: what it was trained on, which outliers are compared with.
        test: what it is evaluated on.
        seed: of drawn outliers.
        folder: receives the figures.

    Returns:
        target_precision, statement (what the target applies to), gate (see `evaluate_gate`), attributes (see
        `evaluate_attribute`), together (see `TagScores`), outlier_scores {attribute: {score: {auroc, fpr95}}} and
        table_4 (see `ood_study`), None where no attribute has an outlier.
    """
    types, outputs = tagger.predict_heads(test.features)
    gate = HeadEvaluation(tagger.gate, test.labels.gate, types, test.products)
    heads = zip(tagger.heads, test.labels.attributes, outputs, strict=True)
    evaluations = [HeadEvaluation(head, labels, output, test.products) for head, labels, output in heads]
    draw_confidence(folder, evaluations)
    models = ood_mixtures(gate, evaluations, candidates, test.features)
    table = ood_study(models, seed) if models else None
    if table:
        draw_gate(folder, models, table["rows"], seed)
    return {
        "target_precision": tagger.target_precision,
        "statement": STATEMENT,
        "gate": evaluate_gate(gate, tagger.target_precision),
        "attributes": [evaluate_attribute(evaluation, tagger.target_precision) for evaluation in evaluations],
        "together": asdict(evaluate_tags(evaluations, tagger.target_precision)),
        "outlier_scores": _outlier_scores(gate, evaluations, train, test.features),
        "table_4": table,
    }


def read_overall_scores(folder: Path) -> TagScores:
    """Return the scores of all attributes together from the report.json of a tagger's folder.

    Raises:
        InputError: when it is missing or damaged; names file and key.
    """
    path = folder / "report.json"
    return dataclass_from_json(TagScores, read_json(path).get("together"), path, "together")


def _outlier_scores(
    gate: HeadEvaluation, evaluations: Sequence[HeadEvaluation], train: EvalPart, features: NDArray[np.float32]
) -> dict[str, Any]:
    kinds = train.labels.gate.values == 1
    codes = np.where(kinds.any(axis=1), kinds.argmax(axis=1), kinds.shape[1])
    results = {}
    for evaluation, labels in zip(evaluations, train.labels.attributes, strict=True):
        rows = labels.applies
        results[labels.name] = evaluate_ood_scores(gate, evaluation, train.features[rows], codes[rows], features)
    return {name: scores for name, scores in results.items() if scores}
