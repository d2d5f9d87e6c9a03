"""Calibration of zero-shot classification finds the temperature and floor that made the data."""

import numpy as np

from fashion_keras.training.encoder.zero_shot import calibrate_zero_shot


def test_calibrate_zero_shot_finds_the_temperature_that_drew_the_labels():
    random = np.random.default_rng(0)
    cosines = random.uniform(-0.2, 0.8, size=(4000, 6)).astype(np.float32)
    shares = np.exp(cosines / 0.1)
    codes = np.array([random.choice(6, p=row / row.sum()) for row in shares])
    calibration = calibrate_zero_shot(cosines, codes, np.arange(4000) % 2 == 0)
    # With half of the labels left out, none of these has the share of those that are missing.
    assert 0.07 < calibration.temperature < 0.14
    assert calibration.ece < 0.05
    assert 0 < calibration.coverage < 1
    assert calibration.precision > 1 / 6


def test_calibrate_zero_shot_answers_rightly_where_cosines_are_clear():
    codes = np.arange(400) % 4
    cosines = np.where(np.arange(4) == codes[:, None], 0.9, 0.1).astype(np.float32)
    calibration = calibrate_zero_shot(cosines, codes, np.arange(400) < 200)
    assert 0.1 < calibration.floor < 0.9
    assert calibration.accuracy == calibration.precision == 1
