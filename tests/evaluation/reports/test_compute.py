"""Scores of several heads, of their confidence and of their levels, against arithmetic done by hand."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.evaluation.reports.calibration import calibrate_groups, confidence_and_correct, ece_before_after
from fashion_keras.evaluation.reports.compute import (
    compute_scores,
    fold_statistics,
    hierarchy_metrics,
    mean_accuracy_interval,
    summarize_folds,
)
from fashion_keras.models.predictions import Predictions, probabilities

PATHS = (("Apparel", "Topwear", "Shirts"), ("Footwear", "Shoes", "Flats"), ("Footwear", "Shoes", "Heels"))
LEAVES = LabelGroup("article_type", "single", ("Shirts", "Flats", "Heels"), PATHS)
MASTERS = LabelGroup("master_category", "single", ("Apparel", "Footwear"), (("Apparel",), ("Footwear",)))
PATTERN = LabelGroup("pattern", "multi", ("Floral", "Striped"), (("Floral",), ("Striped",)), "sigmoid")
# Four images: leaf 2 of 3 right, master 3 of 4 right, pattern 3 of 4 known cells right.
TRUTH = np.array([[0, 0, 1, 0], [1, 1, 0, -1], [2, 1, -1, -1], [-1, 1, -1, 1]])
SHARES = np.array(
    [
        [0.6, 0.3, 0.1, 0.9, 0.1, 0.9, 0.2],
        [0.1, 0.2, 0.7, 0.2, 0.8, 0.4, 0.9],
        [0.1, 0.2, 0.7, 0.6, 0.4, 0.1, 0.1],
        [0.2, 0.5, 0.3, 0.3, 0.7, 0.6, 0.3],
    ],
    np.float32,
)
PREDICTIONS = Predictions(np.arange(4), SHARES, (LEAVES, MASTERS, PATTERN), TRUTH)
KNOWN = {"train": {"article_type": 30, "master_category": 40, "pattern": 20}}
COUNTS = {"article_type": [10, 10, 10], "master_category": [10, 30], "pattern": [12, 8]}
PRODUCTS = np.arange(4)


@pytest.fixture(scope="module")
def report():
    return compute_scores(PREDICTIONS, COUNTS, KNOWN, PRODUCTS)


def test_each_head_is_judged_on_what_is_known_of_it(report):
    groups = report["groups"]
    assert {name: group["test"]["accuracy"] for name, group in groups.items()} == pytest.approx(
        {"article_type": 2 / 3, "master_category": 3 / 4, "pattern": 3 / 4}
    )
    assert {name: group["counts"]["test"] for name, group in groups.items()} == {
        "article_type": 3,
        "master_category": 4,
        "pattern": 3,
    }
    assert groups["pattern"]["counts"]["train"] == 20
    # Given: Floral to image 0, rightly; Striped to none of the known, and image 3 has it.
    assert groups["pattern"]["test"]["micro"]["precision"] == 1
    assert groups["pattern"]["test"]["micro"]["recall"] == 0.5
    assert groups["pattern"]["test"]["macro_f1"] == 0.5


def test_the_accuracy_of_a_run_is_the_mean_over_its_single_valued_heads(report):
    assert report["test"]["accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    only = compute_scores(PREDICTIONS.group("pattern"), COUNTS, {}, PRODUCTS)
    assert only["test"]["accuracy"] == pytest.approx(3 / 4)
    assert only["test"]["top_3"] is None


def test_all_labels_are_one_multi_label_task_too(report):
    # Known cells: Shirts, Apparel, Floral; Heels (not), Footwear; Heels, Apparel (not); Footwear. Striped is missed.
    assert report["labels"]["given"]["micro"]["precision"] == pytest.approx(6 / 8)
    assert report["labels"]["given"]["micro"]["recall"] == pytest.approx(6 / 9)
    # Of seven labels, top 8 are all: 9 are there among 21 known cells.
    assert report["labels"]["top_8"]["micro"]["precision"] == pytest.approx(9 / 21)
    assert report["labels"]["top_8"]["groups"]["pattern"]["micro_f1"] == pytest.approx(2 * 2 / (2 + 4))
    assert [row["name"] for row in report["per_class"]][-1] == "pattern: Striped"


def test_a_head_of_which_nothing_is_known_has_no_scores():
    truth = np.where(np.arange(4) < 1, -1, TRUTH)
    scores = compute_scores(replace(PREDICTIONS, truth=truth), COUNTS, {}, PRODUCTS)
    assert scores["groups"]["article_type"]["test"] is None
    assert scores["test"]["accuracy"] == pytest.approx(3 / 4)


def test_the_interval_of_a_mean_over_heads():
    right = np.array([[1, 0], [1, 1]] * 200)
    known = np.ones((400, 2), int)
    low, high = mean_accuracy_interval(right, known)
    # One head is always right, the other half the time: 0.75 with a deviation of 0.25 / sqrt(400).
    assert (low, high) == pytest.approx((0.75 - 1.96 * 0.0125, 0.75 + 1.96 * 0.0125), abs=0.004)
    assert mean_accuracy_interval(right * 0 + 1, known) == [1.0, 1.0]


def test_levels_that_contradict_are_counted_and_joint_answers_scored():
    scores = hierarchy_metrics(PREDICTIONS)
    # Image 2 says Heels and Apparel.
    assert scores["contradictions"] == 0.25
    accuracy = scores["accuracy"]
    assert accuracy["article_type"] == {"rows": 3, "separate": pytest.approx(2 / 3), "joint": pytest.approx(2 / 3)}
    # 0.7 * 0.4 for Heels is more than 0.1 * 0.6 for Shirts: the joint answer of image 2 is right.
    assert accuracy["master_category"] == {"rows": 4, "separate": 0.75, "joint": 1.0}
    assert accuracy["sub_category"] == {"rows": 3, "separate": None, "joint": 1.0}


def test_no_hierarchy_without_article_types_or_their_parents():
    assert hierarchy_metrics(PREDICTIONS.group("pattern")) is None
    flat = replace(LEAVES, paths=tuple((name,) for name in LEAVES.classes))
    assert hierarchy_metrics(Predictions(np.arange(4), SHARES[:, :3], (flat,), TRUTH[:, :1])) is None


def test_confidence_of_a_class_and_of_a_label():
    confidence, right = confidence_and_correct(PREDICTIONS.group("article_type"))
    assert confidence.tolist() == pytest.approx([0.6, 0.7, 0.7])
    assert right.tolist() == [True, False, True]
    confidence, right = confidence_and_correct(PREDICTIONS.group("pattern"))
    assert confidence.tolist() == pytest.approx([0.9, 0.2, 0.4, 0.3])
    assert right.tolist() == [True, False, False, True]


def predicted(groups, logits, truth):
    return Predictions(np.arange(len(logits)), probabilities(groups, logits), groups, truth)


def test_each_group_gets_its_temperature_and_thresholds():
    # Of four sure answers one is wrong: softmax says 3/4 where 2 / T = log 3. Marks: right from 1 on.
    logits = np.array([[2, 0, 3, -1], [2, 0, 1, -1], [2, 0, 0, -1], [2, 0, -9, -1]], np.float32)
    truth = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, -1]])
    first = (MASTERS, PATTERN)
    masters, pattern = fitted = calibrate_groups(first, logits, truth)
    assert masters.temperature == pytest.approx(2 / log(3), rel=1e-3)
    assert pattern.thresholds[0] == pytest.approx(1 / (1 + np.exp(-1 / pattern.temperature)), rel=1e-5)
    assert pattern.thresholds[1] is None
    assert masters.thresholds == ()
    scores = ece_before_after(predicted(first, logits, truth), predicted(fitted, logits, truth))
    assert scores["master_category"]["ece_before"] == pytest.approx(1 / (1 + np.exp(-2)) - 0.75, abs=1e-6)
    assert scores["master_category"]["ece_after"] == pytest.approx(0, abs=1e-3)


def test_a_group_that_validation_knows_nothing_of_stays_as_it_is():
    truth, logits = np.array([[0, -1, -1], [1, -1, -1]]), np.eye(4, dtype=np.float32)[:2]
    masters, pattern = fitted = calibrate_groups((MASTERS, PATTERN), logits, truth)
    assert pattern.temperature == 1
    assert pattern.thresholds == (None, None)
    assert masters.temperature > 0
    scores = ece_before_after(predicted((MASTERS, PATTERN), logits, truth), predicted(fitted, logits, truth))
    assert scores["pattern"] == {"temperature": 1.0, "ece_before": None, "ece_after": None}


def test_spread_of_a_sample():
    """Deviations -3, -1, 4 percent points: variance 26 / 2."""
    assert fold_statistics([0.67, 0.69, 0.74]) == {
        "best_fold": 3, "best": 0.74, "mean": pytest.approx(0.70), "standard_deviation": pytest.approx(13**0.5 / 100),
    }  # fmt: skip


def test_the_first_of_equal_folds_is_the_best():
    assert fold_statistics([0.5, 0.75, 0.75])["best_fold"] == 2


def test_summarize_folds_leaves_out_scores_that_a_fold_lacks():
    rows = [
        {"accuracy": 0.5, "macro_f1": 0.25, "mean_probability": None},
        {"accuracy": 1.0, "macro_f1": 0.5, "mean_probability": 0.5},
    ]
    summary = summarize_folds(rows, ("accuracy", "macro_f1", "mean_probability", "gender.accuracy"))
    assert summary.keys() == {"accuracy", "macro_f1"}
    assert [summary[name]["best_fold"] for name in summary] == [2, 2]
