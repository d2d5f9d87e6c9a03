"""Suspicions about labels, on probabilities whose scores are worked out by hand."""

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
SAID = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.4, 0.3], [0.25, 0.7, 0.05]])


def test_self_confidence_is_the_probability_of_the_given_label():
    # The same four numbers as cleanlab 2.9.0, get_label_quality_scores(CODES, SAID, method="self_confidence").
    assert self_confidence(SAID, CODES).tolist() == [0.7, 0.1, 0.4, 0.05]


def test_labels_are_suspect_where_another_one_is_more_probable():
    found = low_self_confidence(SAID, CODES)
    assert [(one.row, one.suggested, one.reason, one.other) for one in found] == [
        (1, 1, LOW_CONFIDENCE, None),
        (3, 1, LOW_CONFIDENCE, None),
    ]
    assert [one.score for one in found] == pytest.approx([0.9, 0.95])


def test_of_two_labels_the_one_less_probable_on_both_products_is_suspect():
    # Rows 1 and 2: label 0 has 0.1 + 0.3, label 1 has 0.6 + 0.4. Rows 0 and 3: label 0 has 0.95, label 2 has 0.15.
    found = conflicting_pairs(np.array([[0, 1], [1, 2], [0, 3]]), SAID, CODES, SAME_TITLE)
    assert [(one.row, one.suggested, one.other) for one in found] == [(1, 1, 2), (3, 0, 0)]
    assert [one.score for one in found] == pytest.approx([1 / 1.4, 0.95 / 1.1])


def test_two_labels_without_any_chance_are_equally_suspect():
    (one,) = conflicting_pairs(np.array([[0, 1]]), np.array([[0, 0, 1.0]] * 2), np.array([0, 1]), NEAR_DUPLICATE)
    assert one.score == 0.5


def test_no_pairs_no_suspicions():
    assert conflicting_pairs(np.empty((0, 2), int), SAID, CODES, NEAR_DUPLICATE) == []
    assert pairs_within(np.array([3, 1, 2])).tolist() == []


def test_a_product_is_listed_once_and_what_is_certain_first():
    listed = [
        LabelIssue(4, 1, 0.9, LOW_CONFIDENCE),
        LabelIssue(5, 1, 0.99, LOW_CONFIDENCE),
        LabelIssue(4, 2, 0.95, SAME_TITLE, 6),
        LabelIssue(7, 0, 0.6, NEAR_DUPLICATE, 8),
        LabelIssue(7, 3, 1.0, LOW_CONFIDENCE),
    ]
    order = rank_issues(listed)
    assert [(one.row, one.reason) for one in order] == [(7, NEAR_DUPLICATE), (5, LOW_CONFIDENCE), (4, SAME_TITLE)]
    assert rank_issues([]) == []


@pytest.mark.parametrize("codes", [[0, 0, 1], [0, 0, 1, 3], [0, -1, 1, 2]])
def test_labels_that_do_not_fit_the_probabilities(codes):
    with pytest.raises(InputError):
        self_confidence(SAID, np.array(codes))
