"""Head calibration: temperatures and thresholds; labels that cannot reach the target precision are not predicted."""

import numpy as np
import pytest

from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.evaluation.metrics.selective_prediction import select_label_thresholds
from fashion_keras.tagging.model.fit import calibrate, select_head, select_thresholds
from fashion_keras.tagging.model.heads import LinearHead, applies_mask, run_head

EYE = np.eye(3, dtype=np.float32)
SURE = 0.94 * np.eye(3) + 0.02


def head(kind="single", weights=EYE, decay=0.1, thresholds=None):
    names = ("a", "b", "c")[: len(weights)]
    never = np.full(len(weights), np.inf) if thresholds is None else np.array(thresholds)
    return LinearHead("colour", kind, names, ("shoe",), weights, np.zeros(len(weights), np.float32), decay, 1.0, never)


def drawn(count, scale, seed=0):
    """Features [n, 3] whose classes are drawn from softmax(scale * features), as values [n, 3]."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 3)).astype(np.float32)
    odds = np.exp(scale * features.astype(np.float64))
    chances = odds / odds.sum(axis=1, keepdims=True)
    codes = (chances.cumsum(axis=1) < random.uniform(size=(count, 1))).sum(axis=1)
    return features, np.eye(3, dtype=np.int8)[codes]


def drawn_labels(count, scale, seed=0):
    """Features [n, 3] with three labels, each drawn from sigmoid(scale * features)."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 3)).astype(np.float32)
    return features, (random.uniform(size=(count, 3)) < 1 / (1 + np.exp(-scale * features))).astype(np.int8)


def calibrated(heads, selection, proof, target_precision=0.95):
    features, values = (np.concatenate(parts) for parts in zip(selection, proof, strict=True))
    rows = np.split(np.arange(len(values)), [len(selection[0])])
    return calibrate(heads, features, values, *rows, target_precision)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_select_head_calibrates_confidence(scale):
    fitted = select_head([head()], *drawn(4000, scale))
    assert fitted.temperature == pytest.approx(1 / scale, rel=0.1)
    features, values = drawn(4000, scale, seed=1)
    probabilities = fitted.probabilities(fitted.logits(features))
    correct = values[np.arange(4000), probabilities.argmax(axis=1)] == 1
    assert expected_calibration_error(probabilities.max(axis=1), correct) < 0.03


@pytest.mark.parametrize(("kind", "draw"), [("single", drawn), ("multi", drawn_labels)])
def test_predicted_labels_reach_the_target_precision(kind, draw):
    fitted = calibrated([head(kind)], draw(1000, 5.0), draw(3000, 5.0, seed=2))
    features, values = draw(20000, 5.0, seed=1)
    predicted = fitted.decide(fitted.probabilities(fitted.logits(features)))
    assert predicted.any(axis=1).mean() > 0.2
    for label in range(3):
        assert (values[predicted[:, label], label] == 1).mean() >= 0.95


def test_calibrate_takes_the_selected_head_and_changes_nothing_but_thresholds():
    """Weight decay and temperature are chosen on other products than those that show the precision."""
    selection = drawn(500, 3.0)
    fitted = select_head([head()], *selection)
    shown = calibrated([head()], selection, drawn(900, 3.0, seed=1), 0.8)
    assert (shown.temperature, shown.weight_decay) == (fitted.temperature, fitted.weight_decay)
    assert np.isinf(fitted.thresholds).all()
    assert np.isfinite(shown.thresholds).any()


def test_thresholds_miss_the_target_no_more_often_than_stated_when_decays_are_chosen_elsewhere():
    """Heads whose top label is right in 89 of 100: a threshold for 90 % may be found in 5 % of draws, no more.

    Of eight heads that carry no information, the luckiest on the proof products themselves is found far more often.
    """
    random, draws = np.random.default_rng(0), 150
    always_first = np.array([[1, 0]], np.int8)
    chosen_elsewhere = chosen_on_proof = 0
    for _ in range(draws):
        values = np.where(random.random((400, 1)) < 0.89, always_first, 1 - always_first).astype(np.int8)
        scores = random.uniform(0.5, 1, (8, 400))
        probabilities = np.stack([scores, 1 - scores], axis=2)
        limits = np.array([select_thresholds(head(weights=EYE[:2]), each, values, 0.9)[0] for each in probabilities])
        chosen_elsewhere += np.isfinite(limits[0])  # the first: whatever chose it did not see these values
        chosen_on_proof += np.isfinite(limits).any()
    assert chosen_elsewhere / draws <= 0.05 + 2 * (0.05 * 0.95 / draws) ** 0.5
    assert chosen_on_proof > 3 * chosen_elsewhere


def test_select_head_takes_the_decay_with_the_least_loss():
    good, bad = head(decay=1e-3), head(weights=EYE[::-1].copy(), decay=1e-1)
    assert select_head([bad, good], *drawn(300, 3.0)).weight_decay == 1e-3


def test_select_thresholds_predicts_nothing_on_too_few_products():
    """58 right of 58 do not show a precision of 95 %, 59 of 59 do."""
    for count, first in ((58, np.inf), (59, 0.5)):
        logits, values = np.repeat(EYE[:1], count, axis=0), np.repeat(EYE[:1].astype(np.int8), count, axis=0)
        lowest = select_thresholds(head(), head().probabilities(logits), values, 0.95)
        assert lowest[0] == pytest.approx(first, abs=0.1)


def test_select_thresholds_pools_rare_labels():
    """Of 40 and 30 products, all right, neither label reaches the target alone; together they do."""
    codes = np.repeat([0, 1, 2], [240, 40, 30])
    lowest = select_thresholds(head(), SURE[codes], EYE.astype(np.int8)[codes], 0.95)
    assert np.isfinite(lowest).all()
    codes = np.repeat([0, 1], [240, 40])
    assert np.isinf(select_thresholds(head(), SURE[codes], EYE.astype(np.int8)[codes], 0.95)[1:]).all()


def test_select_thresholds_pools_labels_of_which_no_error_would_be_forgiven():
    """108 of 110 predictions are right of either label: alone neither shows 95 %, 216 of 220 together do."""
    codes = np.repeat([0, 1], [110, 110])
    values = EYE.astype(np.int8)[codes]
    values[[0, 1, -2, -1]] = EYE.astype(np.int8)[2]
    probabilities, known = SURE[codes], np.eye(3, dtype=bool)[codes]
    alone = select_label_thresholds(probabilities, values == 1, known, 0.95)
    assert [label.n_released for label in alone] == [0, 0, 0]
    lowest = select_thresholds(head(), probabilities, values, 0.95)
    assert np.isfinite(lowest[:2]).all()


def test_select_thresholds_pools_all_labels_on_request():
    """Of 40 predictions b, four are wrong; of all 400 together, that is few enough."""
    codes = np.repeat([0, 1], [360, 40])
    values = EYE.astype(np.int8)[codes]
    values[-4:] = EYE[0]
    assert np.isfinite(select_thresholds(head(), SURE[codes], values, 0.95)).tolist() == [True, False, False]
    assert np.isfinite(select_thresholds(head(), SURE[codes], values, 0.95, pooled=True)).all()


def test_select_thresholds_counts_labels_that_are_no_class_as_wrong():
    codes = np.zeros(100, int)
    values = EYE.astype(np.int8)[codes]
    values[::4] = 0
    assert np.isinf(select_thresholds(head(), SURE[codes], values, 0.95)[0])


def test_calibration_without_products_predicts_nothing():
    none = np.empty((0, 3), np.float32), np.empty((0, 3), np.int8)
    fitted = calibrated([head()], none, none)
    assert np.isinf(fitted.thresholds).all()
    assert fitted.temperature == 1.0


def test_thresholds_are_at_least_one_half():
    """Of labels that most products have, even the least probable would reach the target."""
    part = drawn_labels(3000, 9.0)[0], np.ones((3000, 3), np.int8)
    assert (calibrated([head("multi")], part, part, 0.5).thresholds >= 0.5).all()


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_select_head_is_as_sure_as_the_number_of_correct_predictions_allows(kind):
    codes = np.arange(60) % 3
    fitted = select_head([head(kind)], 4 * EYE[codes] - 2, EYE.astype(np.int8)[codes])
    predictions = 60 if kind == "single" else 180
    confidence = fitted.probabilities(fitted.logits(4 * EYE[codes] - 2)).max()
    assert confidence == pytest.approx(predictions / (predictions + 1), abs=0.002)


def test_decide_predicts_at_most_the_most_probable_label_of_a_softmax():
    probabilities = np.array([[0.6, 0.4, 0.0], [0.4, 0.3, 0.3]])
    single, multi = head(thresholds=[0.5, 0.3, 0.9]), head("multi", thresholds=[0.5, 0.3, 0.9])
    assert single.decide(probabilities).tolist() == [[True, False, False], [False, False, False]]
    assert multi.decide(probabilities).tolist() == [[True, True, False], [False, True, False]]


def test_run_head_predicts_for_accepted_images_only():
    gate = head("multi", thresholds=[0.5, 0.5, 0.5])
    accepted = np.array([[True, False, False], [False, False, True], [False, False, False], [True, True, False]])
    has_attribute = applies_mask(("a", "b"), gate, accepted)
    assert has_attribute.tolist() == [True, False, False, True]
    output = run_head(head("multi", thresholds=[0, 0, 0]), np.ones((4, 3), np.float32), has_attribute)
    assert output.predicted.any(axis=1).tolist() == [True, False, False, True]
