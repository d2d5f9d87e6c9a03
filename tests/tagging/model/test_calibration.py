"""Temperatures and thresholds: what is given keeps the promise, what cannot keep it is not given."""

import numpy as np
import pytest

from fashion_keras.evaluation.metrics.classification import expected_calibration_error
from fashion_keras.tagging.model.calibration import calibrate_head, thresholds
from fashion_keras.tagging.model.heads import LinearHead, applies_mask, run_head

EYE = np.eye(3, dtype=np.float32)
SURE = 0.94 * np.eye(3) + 0.02


def head(kind="single", weights=EYE, decay=0.1, thresholds=None):
    names = ("a", "b", "c")[: len(weights)]
    never = np.full(len(weights), np.inf) if thresholds is None else np.array(thresholds)
    return LinearHead("colour", kind, names, ("shoe",), weights, np.zeros(len(weights), np.float32), decay, 1.0, never)


def drawn(count, scale, seed=0):
    """Vectors [n, 3] whose classes are drawn from softmax(scale * vectors), as values [n, 3]."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 3)).astype(np.float32)
    odds = np.exp(scale * vectors.astype(np.float64))
    chances = odds / odds.sum(axis=1, keepdims=True)
    codes = (chances.cumsum(axis=1) < random.uniform(size=(count, 1))).sum(axis=1)
    return vectors, np.eye(3, dtype=np.int8)[codes]


def drawn_labels(count, scale, seed=0):
    """Vectors [n, 3] with three labels, each drawn from sigmoid(scale * vectors)."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 3)).astype(np.float32)
    return vectors, (random.uniform(size=(count, 3)) < 1 / (1 + np.exp(-scale * vectors))).astype(np.int8)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_temperature_makes_confidence_true(scale):
    found = calibrate_head([head()], *drawn(4000, scale), 0.95)
    assert found.temperature == pytest.approx(1 / scale, rel=0.1)
    vectors, values = drawn(4000, scale, seed=1)
    probabilities = found.probabilities(found.logits(vectors))
    right = values[np.arange(4000), probabilities.argmax(axis=1)] == 1
    assert expected_calibration_error(probabilities.max(axis=1), right) < 0.03


@pytest.mark.parametrize(("kind", "draw"), [("single", drawn), ("multi", drawn_labels)])
def test_what_is_given_keeps_the_promise(kind, draw):
    found = calibrate_head([head(kind)], *draw(3000, 5.0), 0.95)
    vectors, values = draw(20000, 5.0, seed=1)
    given = found.decide(found.probabilities(found.logits(vectors)))
    assert given.any(axis=1).mean() > 0.2
    for label in range(3):
        assert (values[given[:, label], label] == 1).mean() >= 0.95


def test_of_heads_with_different_decays_the_one_that_explains_validation_is_taken():
    good, bad = head(decay=1e-3), head(weights=EYE[::-1].copy(), decay=1e-1)
    assert calibrate_head([bad, good], *drawn(300, 3.0), 0.95).weight_decay == 1e-3


def test_too_few_to_show_it_give_nothing():
    """58 right of 58 do not show a precision of 95 %, 59 of 59 do."""
    for count, first in ((58, np.inf), (59, 0.5)):
        vectors, values = np.repeat(EYE[:1], count, axis=0), np.repeat(EYE[:1].astype(np.int8), count, axis=0)
        lowest = thresholds(head(), head().probabilities(vectors), values, 0.95)
        assert lowest[0] == pytest.approx(first, abs=0.1)


def test_rare_labels_share_a_threshold():
    """Of 40 and 30 products, all right, neither label could keep the promise alone; together they do."""
    codes = np.repeat([0, 1, 2], [100, 40, 30])
    lowest = thresholds(head(), SURE[codes], EYE.astype(np.int8)[codes], 0.95)
    assert np.isfinite(lowest).all()
    codes = np.repeat([0, 1], [100, 40])
    assert np.isinf(thresholds(head(), SURE[codes], EYE.astype(np.int8)[codes], 0.95)[1:]).all()


def test_labels_that_are_taken_together_share_a_threshold():
    """Of 40 answers b, four are wrong; of all 400 together, that is few enough."""
    codes = np.repeat([0, 1], [360, 40])
    values = EYE.astype(np.int8)[codes]
    values[-4:] = EYE[0]
    assert np.isfinite(thresholds(head(), SURE[codes], values, 0.95)).tolist() == [True, False, False]
    assert np.isfinite(thresholds(head(), SURE[codes], values, 0.95, together=True)).all()


def test_another_label_than_the_heads_counts_as_wrong():
    codes = np.zeros(100, int)
    values = EYE.astype(np.int8)[codes]
    values[::4] = 0
    assert np.isinf(thresholds(head(), SURE[codes], values, 0.95)[0])


def test_without_validation_products_nothing_is_given():
    found = calibrate_head([head()], np.empty((0, 3), np.float32), np.empty((0, 3), np.int8), 0.95)
    assert np.isinf(found.thresholds).all()
    assert found.temperature == 1.0


def test_what_is_not_likelier_than_not_is_never_given():
    """Whatever is promised: of labels that most products have, even the least likely would keep it."""
    found = calibrate_head([head("multi")], drawn_labels(3000, 9.0)[0], np.ones((3000, 3), np.int8), 0.5)
    assert (found.thresholds >= 0.5).all()


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_where_all_answers_are_right_it_is_as_sure_as_their_number_allows(kind):
    codes = np.arange(60) % 3
    found = calibrate_head([head(kind)], 4 * EYE[codes] - 2, EYE.astype(np.int8)[codes], 0.95)
    answers = 60 if kind == "single" else 180
    confidence = found.probabilities(found.logits(4 * EYE[codes] - 2)).max()
    assert confidence == pytest.approx(answers / (answers + 1), abs=0.002)


def test_a_softmax_gives_one_label_at_most_and_none_that_is_not_the_most_probable():
    probabilities = np.array([[0.6, 0.4, 0.0], [0.4, 0.3, 0.3]])
    single, multi = head(thresholds=[0.5, 0.3, 0.9]), head("multi", thresholds=[0.5, 0.3, 0.9])
    assert single.decide(probabilities).tolist() == [[True, False, False], [False, False, False]]
    assert multi.decide(probabilities).tolist() == [[True, True, False], [False, True, False]]


def test_a_head_is_asked_of_its_types_only():
    gate = head("multi", thresholds=[0.5, 0.5, 0.5])
    accepted = np.array([[True, False, False], [False, False, True], [False, False, False], [True, True, False]])
    passed = applies_mask(("a", "b"), gate, accepted)
    assert passed.tolist() == [True, False, False, True]
    said = run_head(head("multi", thresholds=[0, 0, 0]), np.ones((4, 3), np.float32), passed)
    assert said.given.any(axis=1).tolist() == [True, False, False, True]
