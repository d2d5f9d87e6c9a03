"""A tagger on test products: what report.json says of it, and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.tagging.drawing import draw_confidence, draw_gate
from fashion_keras.tagging.heads import Head
from fashion_keras.tagging.judging import Trial, best_of, judge_all, judge_attribute, judge_gate
from fashion_keras.tagging.outlier_scores import gate_score, head_scores, judge_scores, vector_scores
from fashion_keras.tagging.questions import Question, Questions
from fashion_keras.tagging.strangers import Mix, outliers_for, study
from fashion_keras.tagging.tagger import Tagger

TAGGER = "tagger"


@dataclass(frozen=True)
class Part:
    """Some of the products: the questions to n of them, and their vectors [n, d]."""

    questions: Questions
    vectors: NDArray[np.float32]


def judge_tagger(
    tagger: Tagger, candidates: Sequence[Sequence[Head]], train: Part, test: Part, seed: int, folder: Path
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
        promise, gate (see `judge_gate`), attributes (see `judge_attribute`), together (see `judge_all`), outlier_scores
        {attribute: {score: {auroc, fpr95}}} and table_4 (see `study`), None where no attribute can meet an outlier.
    """
    types, answers = tagger.answer(test.vectors)
    gate = Trial(tagger.gate, test.questions.gate, types)
    heads = zip(tagger.heads, test.questions.attributes, answers, strict=True)
    trials = [Trial(head, question, said) for head, question, said in heads]
    rows = [judge_attribute(trial, tagger.promise) for trial in trials]
    draw_confidence(folder, trials)
    return {
        "promise": tagger.promise,
        "gate": judge_gate(gate, tagger.promise),
        "attributes": rows,
        "together": judge_all(trials, rows, tagger.promise),
        "outlier_scores": _outlier_scores(gate, trials, train, test),
        "table_4": _table_4(gate, trials, candidates, test.vectors, seed, folder),
    }


def strangers_to(gate: Question, question: Question) -> NDArray[np.bool_]:
    """Return [n] bool: the products that are known to be of other types than those that a question applies to."""
    types = [gate.classes.index(name) for name in question.applies_to]
    return ~question.applies & (gate.values[:, types] == 0).all(axis=1)


def _outlier_scores(gate: Trial, trials: Sequence[Trial], train: Part, test: Part) -> dict[str, Any]:
    kinds = train.questions.gate.values == 1
    codes = np.where(kinds.any(axis=1), kinds.argmax(axis=1), kinds.shape[1])
    found = {}
    for trial, own in zip(trials, train.questions.attributes, strict=True):
        inside, outside = trial.question.applies, strangers_to(gate.question, trial.question)
        if not inside.any() or not outside.any():
            continue
        scores = {
            **head_scores(trial.head, trial.said),
            **vector_scores(train.vectors[own.applies], codes[own.applies], test.vectors),
            **gate_score(gate.head, gate.said, trial.question.applies_to),
        }
        found[trial.head.name] = judge_scores(scores, inside, outside)
    return found


def _table_4(
    gate: Trial,
    trials: Sequence[Trial],
    candidates: Sequence[Sequence[Head]],
    vectors: NDArray[np.float32],
    seed: int,
    folder: Path,
) -> dict[str, Any] | None:
    models: dict[str, list[Mix]] = {}
    for trial, heads in zip(trials, candidates, strict=True):
        strange = strangers_to(gate.question, trial.question)
        if not strange.any() or not outliers_for(int((trial.question.values >= 0).any(axis=1).sum())):
            continue
        named = {f"weight decay {head.weight_decay:g}": head for head in heads} | {TAGGER: trial.head}
        for name, head in named.items():
            models.setdefault(name, []).append(_mix(head, trial, vectors, strange))
    if not models:
        return None
    table = study(models, TAGGER, seed)
    draw_gate(folder, models, TAGGER, table["rows"], seed)
    return table


def _mix(head: Head, trial: Trial, vectors: NDArray[np.float32], strange: NDArray[np.bool_]) -> Mix:
    """Return what a head says of the products with a known label, and of all strangers."""
    rows = (trial.question.values >= 0).any(axis=1) | strange
    probabilities = head.probabilities(head.logits(vectors[rows]))
    return Mix(*best_of(probabilities, trial.question.values[rows]), strange[rows], trial.said.passed[rows])
