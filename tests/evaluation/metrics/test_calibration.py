"""Temperatures where the answer is known in closed form, reliability and Brier scores by hand and by scikit-learn."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference

from fashion_keras.evaluation.metrics import calibration, classification

ALL = np.ones(4, dtype=bool)


def logits_of(temperature, n=4000, k=5, seed=0):
    """Logits whose softmax at that temperature is the chance of each class, and a class drawn so for each row."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((n, k))
    chance = np.exp(logits / temperature)
    return logits, (rng.random((n, 1)) > np.cumsum(chance / chance.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)


def test_temperature_by_hand():
    # Three of four right, and softmax([2, 0] / T) is 3/4 where 2 / T = log 3.
    found = calibration.fit_temperature(np.array([[2.0, 0.0]] * 4), np.array([0, 0, 0, 1]), ALL)
    assert found == pytest.approx(2 / math.log(3), rel=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again_and_makes_confidence_true(temperature):
    logits, truth = logits_of(temperature)
    found = calibration.fit_temperature(logits, truth, np.ones(len(truth), dtype=bool))
    assert found == pytest.approx(temperature, rel=0.1)
    # Where the loss is least, its slope is 0: the mean logit that softmax expects is the mean logit of the true class.
    p = np.exp(logits / found)
    p /= p.sum(axis=1, keepdims=True)
    assert np.sum(p * logits) / len(p) == pytest.approx(logits[np.arange(len(p)), truth].mean(), rel=1e-3)
    assert classification.expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == truth) < 0.025


def test_temperature_looks_at_known_rows_only():
    logits = np.array([[2.0, 0.0]] * 4 + [[9.0, 0.0]] * 3)
    truth = np.array([0, 0, 0, 1, -1, 1, 7])
    found = calibration.fit_temperature(logits, truth, np.array([True] * 4 + [False] * 3))
    assert found == pytest.approx(2 / math.log(3), rel=1e-4)


def test_temperature_survives_logits_that_overflow_exp():
    found = calibration.fit_temperature(np.array([[2002.0, 2000.0]] * 4), np.array([0, 0, 0, 1]), ALL)
    assert found == pytest.approx(2 / math.log(3), rel=1e-4)


def test_temperature_stays_within_its_limits_and_is_one_where_it_has_no_say():
    logits = np.array([[2.0, 0.0]] * 4)
    assert calibration.fit_temperature(logits, np.array([0, 0, 0, 0]), ALL) < 0.1  # there the loss is 0
    assert calibration.fit_temperature(logits, np.array([1, 1, 1, 1]), ALL) == pytest.approx(20, rel=1e-3)
    assert calibration.fit_temperature(np.zeros((4, 2)), np.array([0, 1, 0, 1]), ALL) == 1.0


def test_sigmoid_temperature_by_hand():
    # Of the known cells, three of four agree with the sign of their logit of size 2; the unknown cell does not.
    logits = np.array([[2.0, -2.0], [2.0, 2.0], [50.0, 0.0]])
    targets = np.array([[1, 0], [1, 0], [0, 0]])
    known = np.array([[1, 1], [1, 1], [0, 1]], dtype=bool)
    found = calibration.fit_sigmoid_temperature(logits, targets, known)
    assert found == pytest.approx(2 / math.log(3), rel=1e-4)  # the logit of 0 fits at any temperature


def test_sigmoid_temperature_is_the_softmax_temperature_of_two_classes():
    logits, truth = logits_of(1.7, k=2)
    both = calibration.fit_temperature(logits, truth, np.ones(len(truth), dtype=bool))
    ones = np.ones((len(truth), 1), dtype=bool)
    single = calibration.fit_sigmoid_temperature(np.diff(logits, axis=1), truth[:, None], ones)
    assert single == pytest.approx(both, rel=1e-4)


def test_group_temperatures_are_those_of_their_own_columns():
    logits, truth = logits_of(2.0, n=300)
    targets, known = np.eye(5, dtype=int)[truth], np.ones((300, 5), dtype=bool)
    targets[:50] = 0  # these rows have none of the labels,
    known[50:100, 1] = False  # these do not know one of them: softmax cannot use either
    usable = np.arange(300) >= 100
    groups = {"display": [0, 1, 2, 3, 4], "pattern": [3, 1]}
    assert calibration.fit_group_temperatures(logits, targets, known, groups, exclusive=["display"]) == {
        "display": calibration.fit_temperature(logits, truth, usable),
        "pattern": calibration.fit_sigmoid_temperature(logits[:, [3, 1]], targets[:, [3, 1]], known[:, [3, 1]]),
    }


def test_reliability_by_hand():
    # (0, 0.25]: 0 and 0.25, none right. (0.25, 0.5]: none. (0.5, 0.75]: 0.6, right. (0.75, 1]: 0.8, 1, one right.
    rows, confidence, accuracy = calibration.reliability(
        np.array([0.0, 0.25, 0.6, 0.8, 1.0]), np.array([False, False, True, True, False]), bins=4
    )
    assert rows.tolist() == [2, 0, 1, 2]
    np.testing.assert_allclose(confidence, [0.125, np.nan, 0.6, 0.9])
    np.testing.assert_allclose(accuracy, [0, np.nan, 1, 0.5])


def test_reliability_adds_up_to_the_calibration_error():
    rng = np.random.default_rng(2)
    confidence = np.round(rng.random(500), 2).astype(np.float32)
    correct = rng.random(500) < confidence**2
    rows, means, accuracy = calibration.reliability(confidence, correct)
    error = np.nansum(rows * np.abs(means - accuracy)) / 500
    assert error == pytest.approx(classification.expected_calibration_error(confidence, correct), abs=1e-6)
    assert error > 0.1


def test_brier_by_hand():
    # (0.5^2 + 0.3^2 + 0.2^2 = 0.38, and 1 + 1 = 2) / 2
    assert calibration.brier([[0.5, 0.3, 0.2], [1, 0, 0]], [0, 2]) == pytest.approx((0.38 + 2) / 2)
    assert calibration.brier([[0, 1]], [1]) == 0.0
    # (0.1^2 + 0.6^2) / 2
    assert calibration.binary_brier(np.array([0.9, 0.6]), np.array([True, False])) == pytest.approx(0.37 / 2)


def test_brier_agrees_with_scikit_learn():
    rng = np.random.default_rng(6)
    probabilities, truth = rng.dirichlet(np.ones(4), size=200), rng.integers(0, 4, 200)
    expected = reference.brier_score_loss(truth, probabilities, scale_by_half=False)
    assert calibration.brier(probabilities, truth) == pytest.approx(expected)
    one, positive = probabilities[:, 1], truth == 1
    expected = reference.brier_score_loss(positive, one)
    assert calibration.binary_brier(one, positive) == pytest.approx(expected)
    both = np.column_stack([1 - one, one])
    assert calibration.brier(both, positive.astype(int)) == pytest.approx(2 * expected)


def test_log_sum_exp_by_hand_and_where_exp_overflows():
    found = calibration.log_sum_exp([[0, 0], [1000, 1000], [-1000, -1001]])
    np.testing.assert_allclose(found, [math.log(2), 1000 + math.log(2), -1000 + math.log1p(math.exp(-1))])


TWO = np.eye(2)
CELLS = np.ones((2, 2), dtype=bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.fit_temperature(TWO, np.array([0, 1]), ~ALL[:2]), "one that is known; .* with 0 rows"),
        (lambda: calibration.fit_temperature(TWO, np.array([0, 1]), ALL), r"truth \(2,\), known \(4,\)"),
        (lambda: calibration.fit_temperature(TWO, np.array([0, 2]), ALL[:2]), r"truth must be whole numbers in 0\.\.1"),
        (lambda: calibration.fit_temperature(TWO * np.nan, np.array([0, 1]), ALL[:2]), "logits has values .* finite"),
        (lambda: calibration.fit_sigmoid_temperature(TWO, TWO, ~CELLS), "no known target to fit"),
        (lambda: calibration.fit_sigmoid_temperature(TWO[:1], TWO, CELLS), r"logits of shape \(2, 2\)"),
        (
            lambda: calibration.fit_group_temperatures(TWO, TWO, CELLS, {"a": [0]}, exclusive=["b"]),
            "unknown group of labels 'b'",
        ),
        (
            lambda: calibration.fit_group_temperatures(TWO, TWO, ~CELLS, {"a": [0, 1]}, exclusive=["a"]),
            "group 'a': no known label to fit",
        ),
        (
            lambda: calibration.fit_group_temperatures(TWO, TWO * 0, CELLS, {"a": [0, 1]}, exclusive=["a"]),
            "group 'a': no known label to fit",
        ),
        (lambda: calibration.fit_group_temperatures(TWO, TWO, CELLS, {"a": [2]}, exclusive=[]), "group 'a' must be"),
        (lambda: calibration.reliability([], []), "confidence is empty"),
        (lambda: calibration.reliability([1.5], [True]), r"confidence must be in 0\.\.1"),
        (lambda: calibration.brier([[2.0, -1.0]], [0]), r"probabilities must be in 0\.\.1"),
        (lambda: calibration.binary_brier([0.5], [True, False]), "one value per row"),
    ],
)
def test_input_that_cannot_be_scored_is_refused_in_one_line(call, message):
    with pytest.raises(calibration.InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
