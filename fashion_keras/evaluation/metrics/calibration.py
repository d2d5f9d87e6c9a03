"""Calibration of n rows and k classes or labels: temperatures fitted on validation rows, reliability, Brier score."""

from collections.abc import Callable

import numpy as np

from fashion_keras.evaluation.metrics import classification, validation
from fashion_keras.support.errors import InputError, unknown_name_error

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
OBJECTIVES = ("softmax", "sigmoid", "top_label")
_BRACKETS = 13  # temperatures that bracket the minimum before it is refined


def fit_temperature(
    logits: np.ndarray, targets: np.ndarray, known: np.ndarray, objective: str = "softmax", prior_errors: int = 0
) -> float:
    """Return the temperature in 0.05..20 with the least `temperature_loss`; 1 where none is better than 1.

    Accuracy does not change (Guo et al. 2017, arXiv:1706.04599, section 4.2).
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - half a second that help must not wait for

    loss = _loss_of_factor(logits, targets, known, objective, prior_errors)

    def loss_of_log(log_temperature: float) -> float:
        return loss(1 / np.exp(log_temperature))

    grid = np.linspace(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE), _BRACKETS)
    best = int(np.argmin([loss_of_log(log_temperature) for log_temperature in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, _BRACKETS - 1)]
    result = minimize_scalar(loss_of_log, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(result.x)) if result.fun < loss(1.0) else 1.0


def temperature_loss(
    temperature: float,
    logits: np.ndarray,
    targets: np.ndarray,
    known: np.ndarray,
    objective: str = "softmax",
    prior_errors: int = 0,
) -> float:
    """Return the mean negative log-likelihood of `targets` when logits are divided by a temperature.

    Args:
        temperature: above 0.
        logits [n, k], targets [n, k] in {0, 1}, known [n, k] bool: of validation rows; unknown cells are left out.
        objective: "softmax": -log p of the true class, over rows with all cells known and exactly one positive.
            "sigmoid": -log p of each known cell. "top_label": log loss of whether the most probable class is right,
            over rows that know that cell; "softmax" leaves the confidence of many classes too high (Gupta & Ramdas
            2022, arXiv:2107.08353), and has no term for a row whose true label is not a class.
        prior_errors: wrong predictions of median confidence that are added to "sigmoid" or "top_label": with one, n
            correct predictions of n make a confidence of n / (n + 1), not of 1.
    """
    return _loss_of_factor(logits, targets, known, objective, prior_errors)(1 / temperature)


def reliability(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rows [bins] int, confidence [bins], accuracy [bins]) of `confidence` [n] in 0..1 and `correct` [n] bool.

    Means within each bin of `classification.expected_calibration_error`; NaN in an empty one.
    """
    confidence, correct = validation.rows(confidence=confidence, correct=correct)
    places = classification.confidence_bins(confidence, bins)
    rows, sums, hits = (np.bincount(places, weights, minlength=bins) for weights in (None, confidence, correct))
    return rows, validation.ratio(sums, rows), validation.ratio(hits, rows)


def brier_score(probability: np.ndarray, positive: np.ndarray) -> float:
    """Return the mean of (`probability` [n] in 0..1 - `positive` [n] bool)^2: 0 is perfect, 1 is sure and wrong."""
    from sklearn.metrics import brier_score_loss  # noqa: PLC0415 - a second that help must not wait for

    probability, positive = validation.rows(probability=probability, positive=positive)
    # A float32 softmax may exceed 1 by rounding, which scikit-learn refuses.
    clipped = np.clip(validation.unit("probability", probability).astype(np.float64), 0, 1)
    return float(brier_score_loss(positive.astype(bool), clipped))


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Return log(sum(exp(logits))) [n] float64 of the rows of `logits` [n, k], however large they are."""
    logits = np.asarray(logits, dtype=np.float64)
    peak = logits.max(axis=1)
    return peak + np.log(np.sum(np.exp(logits - peak[:, None]), axis=1))


def _loss_of_factor(
    logits: np.ndarray, targets: np.ndarray, known: np.ndarray, objective: str, prior_errors: int
) -> Callable[[float], float]:
    """Return the function factor -> `temperature_loss` of logits * factor."""
    if objective not in OBJECTIVES:
        raise unknown_name_error("objective", objective, OBJECTIVES)
    positive, known = validation.cells(targets, known)
    logits = validation.table("logits", logits, known.shape).astype(np.float64)
    if objective == "softmax":
        usable = known.all(axis=1) & (positive.sum(axis=1) == 1)
        _require_known(usable)
        logits, own = logits[usable], logits[usable][positive[usable]]
        return lambda factor: float(np.mean(log_sum_exp(logits * factor) - own * factor))
    if objective == "sigmoid":
        _require_known(known)
        margins, correct = np.abs(logits[known]), (logits[known] >= 0) == positive[known]
        return lambda factor: _log_loss(margins * factor, correct, prior_errors)
    rows, best = np.arange(len(logits)), logits.argmax(axis=1)
    usable = known[rows, best]
    _require_known(usable)
    peaks, correct, others = logits[rows, best][usable], positive[rows, best][usable], logits.copy()
    others[rows, best] = -np.inf
    others = others[usable]
    return lambda factor: _log_loss(peaks * factor - log_sum_exp(others * factor), correct, prior_errors)


def _log_loss(margins: np.ndarray, correct: np.ndarray, prior_errors: int) -> float:
    """Return the mean log loss of predictions whose confidence has the logits `margins` [n], with errors added."""
    losses = np.logaddexp(0, np.where(correct, -margins, margins))
    added = prior_errors * np.logaddexp(0, np.median(margins))
    return float((losses.sum() + added) / (len(margins) + prior_errors))


def _require_known(usable: np.ndarray) -> None:
    if not usable.any():
        raise InputError("no known label to fit a temperature on")
