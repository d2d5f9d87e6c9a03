"""Learning-rate range test: smoothing and suggestion on hand-made curves."""

import numpy as np
import pytest

from fashion_keras.evaluation.metrics.learning_rate import smooth_losses, suggest_learning_rate
from fashion_keras.support.errors import InputError

RATES = np.geomspace(1e-6, 1, 61)


def test_smooth_losses_weighs_the_last_most():
    # (0.8 * 0.2 * 4 + 0.2 * 2) / (1 - 0.64) = 1.04 / 0.36
    np.testing.assert_allclose(smooth_losses(np.array([4.0, 2.0])), [4, 1.04 / 0.36])
    np.testing.assert_allclose(smooth_losses(np.full(30, 3.0)), 3)


def test_suggestion_is_where_the_loss_falls_fastest():
    # A step down around 1e-3, then up from 1e-1 on: smoothing delays it by some steps of a tenth of a decade.
    decades = np.log10(RATES)
    losses = 2 - 1 / (1 + np.exp(-8 * (decades + 3))) + np.maximum(decades + 1, 0) * 5
    assert 1e-3 <= suggest_learning_rate(RATES, losses) <= 4e-3


def test_suggestion_does_not_lie_behind_the_lowest_loss():
    losses = np.where(RATES < 1e-3, 2 - np.arange(61) / 61, 9.0)
    losses[-5:] = [8, 6, 4, 3, 2.5]
    assert suggest_learning_rate(RATES, losses) < 1e-3


def test_suggestion_refuses_losses_that_never_fall():
    with pytest.raises(InputError, match="does not fall"):
        suggest_learning_rate(RATES, np.arange(61.0))
    with pytest.raises(InputError, match="7 steps are too few"):
        suggest_learning_rate(RATES[:7], np.arange(7.0))


def test_suggestion_needs_eight_rates():
    assert suggest_learning_rate(RATES[:8], np.arange(8.0)[::-1]) in RATES[:8]


def test_suggestion_is_per_factor_of_the_rate():
    # Both falls take one step, but the first is of a hundredth of a decade and the second of a whole one.
    rates = np.array([1e-4, 1.1e-4, 1.2e-4, 1.3e-4, 1.4e-4, 1.43e-4, 1e-3, 1e-2, 1e-1])
    losses = np.array([9.0, 9.0, 9.0, 9.0, 9.0, 8.0, 8.0, 6.0, 6.0])
    assert suggest_learning_rate(rates, losses) == pytest.approx(1.43e-4, rel=0.03)
