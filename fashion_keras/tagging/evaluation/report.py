"""A tagger on test products: what report.json says of it, and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.tagging.evaluation.metrics import (
    HeadEvaluation,
    evaluate_attribute,
    evaluate_gate,
    evaluate_overall,
    top_prediction,
)
from fashion_keras.tagging.evaluation.ood_scores import evaluate_ood_scores, gate_score, head_scores, vector_scores
from fashion_keras.tagging.evaluation.ood_study import OODMixture, ood_study, outliers_for
from fashion_keras.tagging.evaluation.plots import draw_confidence, draw_gate
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels, TaggerLabels
from fashion_keras.tagging.model.tagger import Tagger

TAGGER = "tagger"


@dataclass(frozen=True)
class EvalPart:
    """Some of the products: the questions to n of them, and their vectors [n, d]."""

    questions: TaggerLabels
    vectors: NDArray[np.float32]


def evaluate_tagger(
    tagger: Tagger, candidates: Sequence[Sequence[LinearHead]], train: EvalPart, test: EvalPart, seed: int, folder: Path
) -> dict[str, Any]:
    """Judge a tagger on test products, and draw reliability, coverage and risk, and the gate into a folder.

    Args:
        tagger: what is judged.
        candidates: per attribute, its heads of all weight decays.
        train: what it was trained on, which outliers are compared with.
        test: what it is judged on.
        seed: of drawn outliers.
        folder: receives the figures.

    Returns:
        promise, gate (see `evaluate_gate`), attributes (see `evaluate_attribute`), together (see `evaluate_overall`),
        outlier_scores {attribute: {score: {auroc, fpr95}}} and table_4 (see `ood_study`), None where no attribute can
        meet an outlier.
    """
    types, answers = tagger.predict_heads(test.vectors)
    gate = HeadEvaluation(tagger.gate, test.questions.gate, types)
    heads = zip(tagger.heads, test.questions.attributes, answers, strict=True)
    trials = [HeadEvaluation(head, question, said) for head, question, said in heads]
    rows = [evaluate_attribute(trial, tagger.promise) for trial in trials]
    draw_confidence(folder, trials)
    return {
        "promise": tagger.promise,
        "gate": evaluate_gate(gate, tagger.promise),
        "attributes": rows,
        "together": evaluate_overall(trials, rows, tagger.promise),
        "outlier_scores": _outlier_scores(gate, trials, train, test),
        "table_4": _table_4(gate, trials, candidates, test.vectors, seed, folder),
    }


def ood_mask(gate: AttributeLabels, question: AttributeLabels) -> NDArray[np.bool_]:
    """Return [n] bool: the products that are known to be of other types than those that a question applies to."""
    types = [gate.classes.index(name) for name in question.applies_to]
    return ~question.applies & (gate.values[:, types] == 0).all(axis=1)


def _outlier_scores(
    gate: HeadEvaluation, trials: Sequence[HeadEvaluation], train: EvalPart, test: EvalPart
) -> dict[str, Any]:
    kinds = train.questions.gate.values == 1
    codes = np.where(kinds.any(axis=1), kinds.argmax(axis=1), kinds.shape[1])
    found = {}
    for trial, own in zip(trials, train.questions.attributes, strict=True):
        inside, outside = trial.question.applies, ood_mask(gate.question, trial.question)
        if not inside.any() or not outside.any():
            continue
        scores = {
            **head_scores(trial.head, trial.said),
            **vector_scores(train.vectors[own.applies], codes[own.applies], test.vectors),
            **gate_score(gate.head, gate.said, trial.question.applies_to),
        }
        found[trial.head.name] = evaluate_ood_scores(scores, inside, outside)
    return found


def _table_4(
    gate: HeadEvaluation,
    trials: Sequence[HeadEvaluation],
    candidates: Sequence[Sequence[LinearHead]],
    vectors: NDArray[np.float32],
    seed: int,
    folder: Path,
) -> dict[str, Any] | None:
    models: dict[str, list[OODMixture]] = {}
    for trial, heads in zip(trials, candidates, strict=True):
        strange = ood_mask(gate.question, trial.question)
        if not strange.any() or not outliers_for(int((trial.question.values >= 0).any(axis=1).sum())):
            continue
        named = {f"weight decay {head.weight_decay:g}": head for head in heads} | {TAGGER: trial.head}
        for name, head in named.items():
            models.setdefault(name, []).append(_mix(head, trial, vectors, strange))
    if not models:
        return None
    table = ood_study(models, TAGGER, seed)
    draw_gate(folder, models, TAGGER, table["rows"], seed)
    return table


def _mix(
    head: LinearHead, trial: HeadEvaluation, vectors: NDArray[np.float32], strange: NDArray[np.bool_]
) -> OODMixture:
    """Return what a head says of the products with a known label, and of all strangers."""
    rows = (trial.question.values >= 0).any(axis=1) | strange
    probabilities = head.probabilities(head.logits(vectors[rows]))
    return OODMixture(
        *top_prediction(probabilities, trial.question.values[rows]), strange[rows], trial.said.passed[rows]
    )
