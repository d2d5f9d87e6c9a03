"""Tagger metrics, on numbers that can be checked by hand."""

import numpy as np
import pytest

from fashion_keras.tagging.evaluation.metrics import (
    HeadEvaluation,
    against_target,
    evaluate_attribute,
    evaluate_gate,
    evaluate_tags,
    precision_with_interval,
    top_prediction,
)
from fashion_keras.tagging.evaluation.ood_study import evaluate_ood_scores, ood_mask
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels, TaggerLabels


def evaluation(probabilities, values, applies, accepted, kind="single", lowest=0.8, name="dial"):
    """A head that predicts the labels of at least `lowest`, on images of a product each."""
    probabilities, values = np.array(probabilities), np.array(values, np.int8)
    classes = ("a", "b")[: values.shape[1]]
    layer = np.eye(len(classes), dtype=np.float32), np.zeros(len(classes), np.float32)
    head = LinearHead(name, kind, classes, ("watch",), *layer, 0.1, 1.0, np.full(len(classes), lowest))
    logits = np.log(probabilities) if kind == "single" else np.log(probabilities / (1 - probabilities))
    accepted = np.array(accepted, bool)
    output = HeadOutput(accepted, logits, probabilities, head.decide(probabilities) & accepted[:, None])
    labels = AttributeLabels(name, kind, classes, ("watch",), values, np.array(applies, bool))
    return HeadEvaluation(head, labels, output, np.arange(len(values)))


SINGLE = evaluation(
    [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.9, 0.1], [0.95, 0.05], [0.9, 0.1], [0.9, 0.1]],
    [[1, 0], [0, 1], [0, 1], [0, 1], [0, 0], [-1, -1], [-1, -1], [1, 0]],
    applies=[1, 1, 1, 1, 1, 1, 0, 1],
    accepted=[1, 1, 1, 1, 1, 1, 1, 0],
)


def test_evaluate_attribute_scores_tags_whose_truth_is_known():
    row = evaluate_attribute(SINGLE, 0.95)
    # Tags go to rows 0, 1, 3 and 4; right are 0 and 3: row 4 has a label that is no class. The gate rejects row 7.
    assert (row["known"], row["covered"], row["given"], row["right"]) == (6, 4, 4, 2)
    assert (row["coverage"], row["precision"], row["target"]) == (pytest.approx(4 / 6), 0.5, "within interval")
    assert (row["given_unknown"], row["given_to_others"]) == (1, 1)
    assert [(label["name"], label["given"], label["right"]) for label in row["classes"]] == [("a", 3, 1), ("b", 1, 1)]
    # Of the five that are accepted and known: 0.9 right, 0.8 wrong, 0.7 right, 0.9 right, 0.9 wrong.
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["ece"] == row["ece_before"] == pytest.approx((3 * 0.9 - 2 + 0.8 + 0.3) / 5)
    assert row["brier"] == pytest.approx((0.01 + 0.64 + 0.09 + 0.01 + 0.81) / 5)


def test_evaluate_attribute_counts_labels_of_a_multi_valued_attribute_separately():
    row = evaluate_attribute(
        evaluation(
            [[0.9, 0.9], [0.9, 0.6], [0.2, 0.9], [0.9, 0.9]],
            [[1, 1], [1, 0], [0, -1], [0, 1]],
            applies=[1, 1, 1, 1], accepted=[1, 1, 1, 1], kind="multi",
        ),
        0.5,
    )  # fmt: skip
    assert (row["known"], row["covered"], row["given"], row["right"], row["given_unknown"]) == (4, 3, 5, 4, 1)
    # The best of the known labels: both of row 0, a of row 1, a of row 2 (b is not known), a of row 3, wrong.
    assert row["accuracy"] == 0.5
    assert row["brier"] == pytest.approx((4 * 0.01 + 0.36 + 0.04 + 0.81) / 7)


def test_evaluate_attribute_without_known_labels_has_no_scores():
    row = evaluate_attribute(evaluation([[0.9, 0.1]], [[-1, -1]], applies=[1], accepted=[1]), 0.95)
    assert [row[name] for name in ("coverage", "precision", "target", "accuracy", "ece")] == [None] * 5


def test_evaluate_tags_pools_attributes():
    row, both = evaluate_attribute(SINGLE, 0.95), evaluate_tags([SINGLE, SINGLE], 0.95)
    assert (both.known, both.given, both.right, both.precision) == (12, 8, 4, 0.5)
    assert both.ece == pytest.approx(row["ece"])
    # Two tags for each of four products, alike: no more evidence than one.
    assert both.precision_ci95 == pytest.approx(row["precision_ci95"])


def test_against_target_is_met_or_within_interval_or_missed():
    scores = [{"precision": precision, "precision_ci95": [0.5, 0.96]} for precision in (0.95, 0.9)]
    assert [against_target(score, 0.95)["target"] for score in scores] == ["met", "within interval"]
    assert against_target(scores[1], 0.97)["target"] == "missed"


def test_precision_with_interval_resamples_products():
    correct = np.array([True] * 10)
    # All right: the exact lower bound over n products is 0.025 ** (1 / n).
    assert precision_with_interval(correct, np.arange(10))["precision_ci95"] == pytest.approx([0.025**0.1, 1])
    assert precision_with_interval(correct, np.arange(10) // 5)["precision_ci95"] == pytest.approx([0.025**0.5, 1])
    assert precision_with_interval(correct[:0], np.arange(0)) == {
        "given": 0, "right": 0, "precision": None, "precision_ci95": None,
    }  # fmt: skip


def test_top_prediction_is_among_the_known_labels():
    confidence, correct = top_prediction(
        np.array([[0.9, 0.4], [0.9, 0.4], [0.9, 0.4]]), np.array([[0, 1], [-1, 1], [-1, -1]], np.int8)
    )
    assert confidence.tolist() == [0.9, 0.4, 0.9]
    assert correct.tolist() == [False, True, False]


GATE = evaluation(
    [[0.9, 0.1], [0.7, 0.2], [0.9, 0.9], [0.1, 0.2], [0.9, 0.1]],
    [[1, 0], [1, 0], [0, 1], [0, 0], [0, 0]],
    applies=[1] * 5, accepted=[1] * 5, kind="multi",
)  # fmt: skip


def test_evaluate_gate_scores_what_it_accepts():
    scores = evaluate_gate(GATE, 0.95)
    assert (scores["products"], scores["rejected"]) == (5, 2)
    assert (scores["of_no_type"], scores["of_no_type_rejected"]) == (2, 1)
    a, b = scores["types"]
    assert (a["products"], a["accepted"], a["given"], a["precision"]) == (2, 0.5, 3, pytest.approx(1 / 3))
    assert (b["products"], b["accepted"], b["given"], b["precision"]) == (1, 1.0, 1, 1.0)


def test_ood_mask_is_of_images_known_to_be_of_other_types():
    gate = AttributeLabels(
        "product type", "multi", ("watch", "shoe"), (), np.array([[1, 0], [0, 1], [0, -1], [-1, 0]]), None
    )
    dial = AttributeLabels("dial", "single", ("a", "b"), ("watch",), None, np.array([True, False, False, False]))
    assert ood_mask(gate, dial).tolist() == [False, True, True, False]


def test_ood_scores_separate_products_from_outliers():
    random = np.random.default_rng(0)
    train = (np.eye(4)[random.integers(2, size=200)] + random.normal(0, 0.1, (200, 4))).astype(np.float32)
    inliers = (np.eye(4)[random.integers(2, size=50)] + random.normal(0, 0.1, (50, 4))).astype(np.float32)
    outliers = (np.eye(4)[2 + random.integers(2, size=50)] + random.normal(0, 0.1, (50, 4))).astype(np.float32)
    both, inside = np.vstack([inliers, outliers]), np.repeat([True, False], 50)
    layer = 9 * np.eye(4, dtype=np.float32)[:2], np.zeros(2, np.float32)
    head = LinearHead("dial", "single", ("a", "b"), ("b",), *layer, 0.1, 1.0, np.full(2, 0.5))
    logits = head.logits(both)
    output = HeadOutput(np.ones(100, bool), logits, head.probabilities(logits), None)
    labels = AttributeLabels("dial", "single", ("a", "b"), ("b",), np.repeat([[1, 1], [0, 0]], 50, axis=0), inside)
    scored = HeadEvaluation(head, labels, output, np.arange(100))
    rows = np.zeros(200, int)
    trained = TaggerLabels(labels.take(rows), (labels.take(rows),), {})
    results = evaluate_ood_scores(scored, [scored], trained, train, both)["dial"]
    assert list(results) == ["max probability", "energy", "k-NN", "Mahalanobis", "validator"]
    for name in ("max probability", "energy", "k-NN"):
        assert results[name]["auroc"] > 0.95, name
    assert results["k-NN"]["fpr95"] == 0
    # Half of its products are a, which this validator does not accept.
    assert results["validator"]["auroc"] < 0.9
