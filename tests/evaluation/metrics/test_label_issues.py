"""Label issues, on probabilities whose scores are worked out by hand."""

import numpy as np
import pytest

from fashion_keras.evaluation.metrics.label_issues import (  # fmt: skip
    LOW_CONFIDENCE,
    NEAR_DUPLICATE,
    SAME_TITLE,
    LabelIssue,
    conflicting_pairs,
    low_self_confidence,
    pairs_within,
    rank_issues,
    self_confidence,
)
from fashion_keras.support.errors import InputError

CODES = np.array([0, 0, 1, 2])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.4, 0.3], [0.25, 0.7, 0.05]])


def test_self_confidence_is_the_probability_of_the_given_label():
    # The same four numbers as cleanlab 2.9.0, get_label_quality_scores(CODES, PROBABILITIES, method="self_confidence").
    assert self_confidence(PROBABILITIES, CODES).tolist() == [0.7, 0.1, 0.4, 0.05]


def test_low_self_confidence_lists_labels_less_probable_than_another():
    issues = low_self_confidence(PROBABILITIES, CODES)
    assert [(issue.row, issue.suggested, issue.reason, issue.other) for issue in issues] == [
        (1, 1, LOW_CONFIDENCE, None),
        (3, 1, LOW_CONFIDENCE, None),
    ]
    assert [issue.score for issue in issues] == pytest.approx([0.9, 0.95])


def test_conflicting_pairs_lists_the_label_less_probable_on_both_products():
    # Rows 1 and 2: label 0 has 0.1 + 0.3, label 1 has 0.6 + 0.4. Rows 0 and 3: label 0 has 0.95, label 2 has 0.15.
    issues = conflicting_pairs(np.array([[0, 1], [1, 2], [0, 3]]), PROBABILITIES, CODES, SAME_TITLE)
    assert [(issue.row, issue.suggested, issue.other) for issue in issues] == [(1, 1, 2), (3, 0, 0)]
    assert [issue.score for issue in issues] == pytest.approx([1 / 1.4, 0.95 / 1.1])


def test_conflicting_pairs_with_zero_probabilities_are_undecided():
    (issue,) = conflicting_pairs(np.array([[0, 1]]), np.array([[0, 0, 1.0]] * 2), np.array([0, 1]), NEAR_DUPLICATE)
    assert issue.score == 0.5


def test_conflicting_pairs_of_no_pairs_are_none():
    assert conflicting_pairs(np.empty((0, 2), int), PROBABILITIES, CODES, NEAR_DUPLICATE) == []
    assert pairs_within(np.array([3, 1, 2])).tolist() == []


def test_rank_issues_lists_a_product_once_and_certain_issues_first():
    listed = [
        LabelIssue(4, 1, 0.9, LOW_CONFIDENCE),
        LabelIssue(5, 1, 0.99, LOW_CONFIDENCE),
        LabelIssue(4, 2, 0.95, SAME_TITLE, 6),
        LabelIssue(7, 0, 0.6, NEAR_DUPLICATE, 8),
        LabelIssue(7, 3, 1.0, LOW_CONFIDENCE),
    ]
    ranked = rank_issues(listed)
    assert [(issue.row, issue.reason) for issue in ranked] == [
        (7, NEAR_DUPLICATE),
        (5, LOW_CONFIDENCE),
        (4, SAME_TITLE),
    ]
    assert rank_issues([]) == []


@pytest.mark.parametrize("codes", [[0, 0, 1], [0, 0, 1, 3], [0, -1, 1, 2]])
def test_self_confidence_refuses_labels_without_a_column(codes):
    with pytest.raises(InputError):
        self_confidence(PROBABILITIES, np.array(codes))
