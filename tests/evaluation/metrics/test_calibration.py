"""Temperatures where the answer is known in closed form, reliability and Brier scores by hand and by scikit-learn."""

import math

import numpy as np
import pytest

from fashion_keras.evaluation.metrics import calibration, classification


def logits_of(temperature, n=4000, k=5, seed=0):
    """Logits whose softmax at that temperature is the chance of each class, and a class drawn so for each row."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((n, k))
    chance = np.exp(logits / temperature)
    return logits, (rng.random((n, 1)) > np.cumsum(chance / chance.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)


def one_hot(truth, k):
    """Targets and known cells [n, k] of class codes; a code of -1 is not known."""
    truth = np.asarray(truth)
    return (truth[:, None] == np.arange(k)).astype(int), np.repeat(truth[:, None] >= 0, k, axis=1)


def fit(logits, truth, objective="softmax", **options):
    logits = np.asarray(logits)
    return calibration.fit_temperature(logits, *one_hot(truth, logits.shape[1]), objective, **options)


def test_fit_temperature_by_hand():
    # Three of four right, and softmax([2, 0] / T) is 3/4 where 2 / T = log 3.
    assert fit([[2.0, 0.0]] * 4, [0, 0, 0, 1]) == pytest.approx(2 / math.log(3), rel=1e-4)


@pytest.mark.parametrize("objective", ["softmax", "top_label"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_fit_temperature_recovers_the_temperature_and_calibrates(temperature, objective):
    logits, truth = logits_of(temperature)
    fitted = fit(logits, truth, objective)
    assert fitted == pytest.approx(temperature, rel=0.1)
    p = np.exp(logits / fitted)
    p /= p.sum(axis=1, keepdims=True)
    if objective == "softmax":  # where the loss is least, its slope is 0: the expected logit is that of the true class
        assert np.sum(p * logits) / len(p) == pytest.approx(logits[np.arange(len(p)), truth].mean(), rel=1e-3)
    assert classification.expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == truth) < 0.025


@pytest.mark.parametrize("objective", calibration.OBJECTIVES)
def test_fit_temperature_is_the_minimum_of_its_loss(objective):
    logits, truth = logits_of(3.0, n=200)
    cells = one_hot(truth, 5)
    fitted = calibration.fit_temperature(logits, *cells, objective)
    losses = [calibration.temperature_loss(t, logits, *cells, objective) for t in np.geomspace(0.05, 20, 500)]
    assert calibration.temperature_loss(fitted, logits, *cells, objective) <= min(losses) + 1e-9


def test_temperature_loss_of_the_top_label_by_hand():
    # Softmax of log [3, 1, 1] is [0.6, 0.2, 0.2]: two rows are right, one is wrong, of one the cell is not known.
    logits, targets = np.log([[3.0, 1.0, 1.0]] * 4), np.array([[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]])
    known = np.array([[True] * 3] * 3 + [[False, True, True]])
    expected = -(2 * math.log(0.6) + math.log(0.4)) / 3
    assert calibration.temperature_loss(1.0, logits, targets, known, "top_label") == pytest.approx(expected)
    with_prior = -(2 * math.log(0.6) + 2 * math.log(0.4)) / 4  # one error of the median confidence, 0.6, added
    assert calibration.temperature_loss(1.0, logits, targets, known, "top_label", 1) == pytest.approx(with_prior)


@pytest.mark.parametrize("objective", ["sigmoid", "top_label"])
def test_fit_temperature_with_a_prior_error_is_not_surer_than_the_rows_allow(objective):
    logits = np.array([[3.0, -3.0]] * 9)
    fitted = fit(logits, [0] * 9, objective, prior_errors=1)
    margin, rows = (3.0, 18) if objective == "sigmoid" else (6.0, 9)
    assert 1 / (1 + np.exp(-margin / fitted)) == pytest.approx(rows / (rows + 1), abs=1e-4)


def test_fit_temperature_uses_known_rows_only():
    logits = np.array([[2.0, 0.0]] * 4 + [[9.0, 0.0]] * 3)
    assert fit(logits, [0, 0, 0, 1, -1, -1, -1]) == pytest.approx(2 / math.log(3), rel=1e-4)


def test_fit_temperature_survives_logits_that_overflow_exp():
    assert fit([[2002.0, 2000.0]] * 4, [0, 0, 0, 1]) == pytest.approx(2 / math.log(3), rel=1e-4)


def test_fit_temperature_stays_within_its_limits_and_is_1_where_logits_carry_nothing():
    logits = np.array([[2.0, 0.0]] * 4)
    assert fit(logits, [0, 0, 0, 0]) < 0.1  # there the loss is 0
    assert fit(logits, [1, 1, 1, 1]) == pytest.approx(20, rel=1e-3)
    assert fit(np.zeros((4, 2)), [0, 1, 0, 1]) == 1.0


def test_fit_temperature_of_sigmoids_by_hand():
    # Of the known cells, three of four agree with the sign of their logit of size 2; the unknown cell does not.
    logits = np.array([[2.0, -2.0], [2.0, 2.0], [50.0, 0.0]])
    targets = np.array([[1, 0], [1, 0], [0, 0]])
    known = np.array([[1, 1], [1, 1], [0, 1]], dtype=bool)
    fitted = calibration.fit_temperature(logits, targets, known, "sigmoid")
    assert fitted == pytest.approx(2 / math.log(3), rel=1e-4)  # the logit of 0 fits at any temperature


def test_fit_temperature_of_sigmoids_is_the_softmax_temperature_of_two_classes():
    logits, truth = logits_of(1.7, k=2)
    both = fit(logits, truth)
    known = np.ones((len(truth), 1), dtype=bool)
    single = calibration.fit_temperature(np.diff(logits, axis=1), truth[:, None], known, "sigmoid")
    assert single == pytest.approx(both, rel=1e-4)


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


def test_brier_score_by_hand():
    # (0.1^2 + 0.6^2) / 2; a float32 softmax may exceed 1 by rounding
    assert calibration.brier_score(np.array([0.9, 0.6]), np.array([True, False])) == pytest.approx(0.37 / 2)
    assert calibration.brier_score(np.array([1 + 1e-7], np.float32), np.array([True])) == 0.0


def test_log_sum_exp_by_hand_and_where_exp_overflows():
    sums = calibration.log_sum_exp([[0, 0], [1000, 1000], [-1000, -1001]])
    np.testing.assert_allclose(sums, [math.log(2), 1000 + math.log(2), -1000 + math.log1p(math.exp(-1))])


TWO = np.eye(2)
CELLS = np.ones((2, 2), dtype=bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.fit_temperature(TWO, TWO, ~CELLS), "no known label to fit"),
        (lambda: calibration.fit_temperature(TWO, TWO, ~CELLS, "sigmoid"), "no known label to fit"),
        (lambda: calibration.fit_temperature(TWO, TWO, ~CELLS, "top_label"), "no known label to fit"),
        (lambda: calibration.fit_temperature(TWO, TWO, CELLS, "top-label"), "unknown objective 'top-label'.*top_label"),
        (lambda: calibration.fit_temperature(TWO, TWO + 1, CELLS), "must be 0 or 1"),
        (lambda: calibration.fit_temperature(TWO * np.nan, TWO, CELLS), "logits has values .* finite"),
        (lambda: calibration.fit_temperature(TWO[:1], TWO, CELLS), r"logits of shape \(2, 2\)"),
        (lambda: calibration.reliability([], []), "confidence is empty"),
        (lambda: calibration.reliability([1.5], [True]), r"confidence must be in 0\.\.1"),
        (lambda: calibration.brier_score([2.0], [True]), r"probability must be in 0\.\.1"),
        (lambda: calibration.brier_score([0.5], [True, False]), "one value per row"),
    ],
)
def test_calibration_refuses_input_in_one_line(call, message):
    with pytest.raises(calibration.InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
