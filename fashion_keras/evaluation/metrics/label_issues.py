"""Which labels of a catalogue may be wrong: pure functions of labels and out-of-fold probabilities.

Shapes: n products, k classes, m pairs of products. `codes` [n] int is the label that each product carries;
`probabilities` [n, k] float in 0..1 must be of a classifier that did not see the product, or it repeats what it learnt.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fashion_keras.evaluation.metrics import validation

LOW_CONFIDENCE, NEAR_DUPLICATE, SAME_TITLE = "self_confidence", "near_duplicate", "same_title"
REASONS = (NEAR_DUPLICATE, SAME_TITLE, LOW_CONFIDENCE)

# Keeps a comparison of two labels defined where a classifier gives neither any chance.
_LEAST = 1e-12


@dataclass(frozen=True)
class LabelIssue:
    """A label that may be wrong.

    Attributes:
        row: of the product.
        suggested: code of the label that it should rather have.
        score: the estimated chance, in 0..1, that the label is wrong.
        reason: one of REASONS.
        other: row of the product that contradicts it, where one does.
    """

    row: int
    suggested: int
    score: float
    reason: str
    other: int | None = None


def self_confidence(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return [n] float64 in 0..1: the probability of the label that each product carries.

    Northcutt et al. 2021, arXiv:1911.00068, section 3.2, who rank labels by it.
    """
    codes, probabilities = validation.scored(codes, probabilities)
    return validation.unit("probabilities", probabilities)[np.arange(len(codes)), codes]


def low_self_confidence(probabilities: np.ndarray, codes: np.ndarray) -> list[LabelIssue]:
    """Suspect each label that is not the most probable one; the score is 1 - self-confidence."""
    scores = 1 - self_confidence(probabilities, codes)
    best = np.argmax(probabilities, axis=1)
    return [
        LabelIssue(row, int(best[row]), float(scores[row]), LOW_CONFIDENCE)
        for row in np.flatnonzero(best != codes).tolist()
    ]


def conflicting_pairs(pairs: np.ndarray, probabilities: np.ndarray, codes: np.ndarray, reason: str) -> list[LabelIssue]:
    """Suspect one product of each of `pairs` [m, 2] int that carry different labels, of which one must be wrong.

    Suspected is the label that is less probable on both products together; the score is the share of the other label in
    the sum of both, so from 0.5 on.
    """
    codes, probabilities = validation.scored(codes, probabilities)
    found = []
    for one, other in pairs[codes[pairs[:, 0]] != codes[pairs[:, 1]]].tolist():
        mine, theirs = probabilities[[one, other]][:, codes[[one, other]]].sum(axis=0) + _LEAST
        if mine > theirs:
            one, other, mine, theirs = other, one, theirs, mine
        found.append(LabelIssue(one, int(codes[other]), float(theirs / (mine + theirs)), reason, other))
    return found


def pairs_within(groups: np.ndarray) -> np.ndarray:
    """Return [m, 2] int: every pair of rows with the same number in `groups` [n] int, the lower row first.

    >>> pairs_within(np.array([7, 4, 7, 7])).tolist()
    [[0, 2], [0, 3], [2, 3]]
    """
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    pairs = [np.stack(np.triu_indices(len(rows), 1), axis=1) for rows in members]
    return np.concatenate([rows[pair] for rows, pair in zip(members, pairs, strict=True)])


def rank_issues(suspicions: Iterable[LabelIssue]) -> list[LabelIssue]:
    """Return the strongest suspicion of each product, the strongest first.

    That a picture carries two labels is certain and comes before what is merely probable; then the score counts.
    """
    order = sorted(suspicions, key=lambda one: (one.reason != NEAR_DUPLICATE, -one.score, one.row))
    strongest: dict[int, LabelIssue] = {}
    for one in order:
        strongest.setdefault(one.row, one)
    return list(strongest.values())
