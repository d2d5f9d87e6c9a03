"""Label issues: which labels [n] of a catalog may be wrong, by out-of-fold probabilities [n, k]."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fashion_keras.evaluation.metrics import validation

LOW_CONFIDENCE, NEAR_DUPLICATE, SAME_TITLE = "self_confidence", "near_duplicate", "same_title"
REASONS = (NEAR_DUPLICATE, SAME_TITLE, LOW_CONFIDENCE)

# Keeps the comparison of two labels defined where both have probability 0.
_EPSILON = 1e-12


@dataclass(frozen=True)
class LabelIssue:
    """A label that may be wrong, with probability `score`: the product's row, and the code of a better label.

    `reason` is one of REASONS; `other` is the row of the product whose label contradicts it.
    """

    row: int
    suggested: int
    score: float
    reason: str
    other: int | None = None


def self_confidence(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return [n] float64 in 0..1: the probability of each product's label (Northcutt et al. 2021, arXiv:1911.00068)."""
    codes, probabilities = validation.scored(codes, probabilities)
    return validation.unit("probabilities", probabilities)[np.arange(len(codes)), codes]


def low_self_confidence(probabilities: np.ndarray, codes: np.ndarray) -> list[LabelIssue]:
    """Return an issue for each label that is not the most probable one; the score is 1 - self-confidence."""
    scores, best = 1 - self_confidence(probabilities, codes), np.argmax(probabilities, axis=1)
    rows = np.flatnonzero(best != codes).tolist()
    return [LabelIssue(row, int(best[row]), float(scores[row]), LOW_CONFIDENCE) for row in rows]


def conflicting_pairs(pairs: np.ndarray, probabilities: np.ndarray, codes: np.ndarray, reason: str) -> list[LabelIssue]:
    """Return an issue for each of `pairs` [m, 2] int whose products have different labels, of which one must be wrong.

    It is the label that is less probable on both products together; the score is the other label's share of the sum.
    """
    codes, probabilities = validation.scored(codes, probabilities)
    issues = []
    for pair in pairs[codes[pairs[:, 0]] != codes[pairs[:, 1]]].tolist():
        sums = probabilities[pair][:, codes[pair]].sum(axis=0) + _EPSILON
        suspect = int(sums[0] > sums[1])  # of the pair, the place of the less probable label; the first in a tie
        row, other = pair[suspect], pair[1 - suspect]
        issues.append(LabelIssue(row, int(codes[other]), float(sums[1 - suspect] / sums.sum()), reason, other))
    return issues


def pairs_within(groups: np.ndarray) -> np.ndarray:
    """Return [m, 2] int: every pair of rows with the same number in `groups` [n] int, the lower row first."""
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    pairs = [np.stack(np.triu_indices(len(rows), 1), axis=1) for rows in members]
    return np.concatenate([rows[pair] for rows, pair in zip(members, pairs, strict=True)])


def rank_issues(issues: Iterable[LabelIssue]) -> list[LabelIssue]:
    """Return the strongest issue of each product, the strongest first: near-duplicates, then by score."""
    strongest: dict[int, LabelIssue] = {}
    for issue in sorted(issues, key=lambda issue: (issue.reason != NEAR_DUPLICATE, -issue.score, issue.row)):
        strongest.setdefault(issue.row, issue)
    return list(strongest.values())
