"""What answers are worth: numbers that can be checked by hand."""

import numpy as np
import pytest

from fashion_keras.tagging.evaluation.metrics import (
    HeadEvaluation,
    evaluate_attribute,
    evaluate_gate,
    evaluate_overall,
    precision_against_target,
    top_prediction,
)
from fashion_keras.tagging.evaluation.ood_scores import evaluate_ood_scores, gate_score, head_scores, vector_scores
from fashion_keras.tagging.evaluation.report import ood_mask
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels


def trial(probabilities, values, applies, passed, kind="single", lowest=0.8, name="dial"):
    """A head that gives the labels of at least `lowest`, and what it said of some products."""
    probabilities, values = np.array(probabilities), np.array(values, np.int8)
    classes = ("a", "b")[: values.shape[1]]
    layer = np.eye(len(classes), dtype=np.float32), np.zeros(len(classes), np.float32)
    head = LinearHead(name, kind, classes, ("watch",), *layer, 0.1, 1.0, np.full(len(classes), lowest))
    logits = np.log(probabilities) if kind == "single" else np.log(probabilities / (1 - probabilities))
    passed = np.array(passed, bool)
    said = HeadOutput(passed, logits, probabilities, head.decide(probabilities) & passed[:, None])
    return HeadEvaluation(head, AttributeLabels(name, kind, classes, ("watch",), values, np.array(applies, bool)), said)


SINGLE = trial(
    [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.9, 0.1], [0.95, 0.05], [0.9, 0.1], [0.9, 0.1]],
    [[1, 0], [0, 1], [0, 1], [0, 1], [0, 0], [-1, -1], [-1, -1], [1, 0]],
    applies=[1, 1, 1, 1, 1, 1, 0, 1],
    passed=[1, 1, 1, 1, 1, 1, 1, 0],
)


def test_an_attribute_is_judged_by_what_is_known_of_what_it_gives():
    row = evaluate_attribute(SINGLE, 0.95)
    # Given are rows 0, 1, 3 and 4; right are 0 and 3: row 4 has a label that is no class. Row 7 did not pass the gate.
    assert (row["known"], row["covered"], row["given"], row["right"]) == (6, 4, 4, 2)
    assert (row["coverage"], row["precision"], row["promise"]) == (pytest.approx(4 / 6), 0.5, "broken")
    assert (row["given_unknown"], row["given_to_others"]) == (1, 1)
    assert [(one["name"], one["given"], one["right"]) for one in row["classes"]] == [("a", 3, 1), ("b", 1, 1)]
    # Of the five that were asked and are known: 0.9 right, 0.8 wrong, 0.7 right, 0.9 right, 0.9 wrong.
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["ece"] == row["ece_before"] == pytest.approx((3 * 0.9 - 2 + 0.8 + 0.3) / 5)
    assert row["brier"] == pytest.approx((0.01 + 0.64 + 0.09 + 0.01 + 0.81) / 5)


def test_labels_of_a_multi_valued_attribute_count_one_by_one():
    row = evaluate_attribute(
        trial(
            [[0.9, 0.9], [0.9, 0.6], [0.2, 0.9], [0.9, 0.9]],
            [[1, 1], [1, 0], [0, -1], [0, 1]],
            applies=[1, 1, 1, 1], passed=[1, 1, 1, 1], kind="multi",
        ),
        0.5,
    )  # fmt: skip
    assert (row["known"], row["covered"], row["given"], row["right"], row["given_unknown"]) == (4, 3, 5, 4, 1)
    # The best of the known labels: both of row 0, a of row 1, a of row 2 (b is not known), a of row 3, wrong.
    assert row["accuracy"] == 0.5
    assert row["brier"] == pytest.approx((4 * 0.01 + 0.36 + 0.04 + 0.81) / 7)


def test_what_is_asked_of_nobody_has_no_scores():
    row = evaluate_attribute(trial([[0.9, 0.1]], [[-1, -1]], applies=[1], passed=[1]), 0.95)
    assert [row[name] for name in ("coverage", "precision", "promise", "accuracy", "ece")] == [None] * 5


def test_several_attributes_together():
    rows = [evaluate_attribute(SINGLE, 0.95)] * 2
    both = evaluate_overall([SINGLE, SINGLE], rows, 0.95)
    assert (both["known"], both["given"], both["right"], both["precision"]) == (12, 8, 4, 0.5)
    assert both["ece"] == pytest.approx(rows[0]["ece"])


def test_a_promise_is_kept_or_within_the_interval_or_broken():
    assert precision_against_target(19, 20, 0.95)["promise"] == "kept"
    assert precision_against_target(18, 20, 0.95)["promise"] == "within the interval"
    assert precision_against_target(10, 20, 0.95)["promise"] == "broken"
    # Clopper & Pearson for 10 of 10: the lower bound is 0.025 ** (1 / 10).
    assert precision_against_target(10, 10, 0.95)["precision_ci95"] == pytest.approx([0.025**0.1, 1])


def test_the_best_label_is_one_of_the_known():
    confidence, correct = top_prediction(
        np.array([[0.9, 0.4], [0.9, 0.4], [0.9, 0.4]]), np.array([[0, 1], [-1, 1], [-1, -1]], np.int8)
    )
    assert confidence.tolist() == [0.9, 0.4, 0.9]
    assert correct.tolist() == [False, True, False]


GATE = trial(
    [[0.9, 0.1], [0.7, 0.2], [0.9, 0.9], [0.1, 0.2], [0.9, 0.1]],
    [[1, 0], [1, 0], [0, 1], [0, 0], [0, 0]],
    applies=[1] * 5, passed=[1] * 5, kind="multi",
)  # fmt: skip


def test_the_gate_is_judged_by_what_it_accepts():
    said = evaluate_gate(GATE, 0.95)
    assert (said["products"], said["rejected"]) == (5, 2)
    assert (said["of_no_type"], said["of_no_type_rejected"]) == (2, 1)
    a, b = said["types"]
    assert (a["products"], a["accepted"], a["given"], a["precision"]) == (2, 0.5, 3, pytest.approx(1 / 3))
    assert (b["products"], b["accepted"], b["given"], b["precision"]) == (1, 1.0, 1, 1.0)


def test_strangers_are_known_to_be_of_other_types():
    gate = AttributeLabels(
        "product type", "multi", ("watch", "shoe"), (), np.array([[1, 0], [0, 1], [0, -1], [-1, 0]]), None
    )
    dial = AttributeLabels("dial", "single", ("a", "b"), ("watch",), None, np.array([True, False, False, False]))
    assert ood_mask(gate, dial).tolist() == [False, True, True, False]


def test_scores_tell_products_from_strangers():
    random = np.random.default_rng(0)
    train = (np.eye(4)[random.integers(2, size=200)] + random.normal(0, 0.1, (200, 4))).astype(np.float32)
    own = (np.eye(4)[random.integers(2, size=50)] + random.normal(0, 0.1, (50, 4))).astype(np.float32)
    others = (np.eye(4)[2 + random.integers(2, size=50)] + random.normal(0, 0.1, (50, 4))).astype(np.float32)
    both, inside = np.vstack([own, others]), np.repeat([True, False], 50)
    layer = 9 * np.eye(4, dtype=np.float32)[:2], np.zeros(2, np.float32)
    head = LinearHead("dial", "single", ("a", "b"), ("b",), *layer, 0.1, 1.0, np.full(2, 0.5))
    logits = head.logits(both)
    said = HeadOutput(np.ones(100, bool), logits, head.probabilities(logits), None)
    scores = head_scores(head, said) | vector_scores(train, np.zeros(200, int), both)
    scores |= gate_score(head, said, ("b",))
    found = evaluate_ood_scores(scores, inside, ~inside)
    assert list(found) == ["max probability", "energy", "k-NN", "Mahalanobis", "validator"]
    for name in ("max probability", "energy", "k-NN"):
        assert found[name]["auroc"] > 0.95, name
    assert found["k-NN"]["fpr95"] == 0
    # Half of its products are a, which this validator does not accept.
    assert found["validator"]["auroc"] < 0.9
