"""Embeddings in 8 bits: what is stored, and the nearest by them against NumPy."""

import numpy as np
import pytest

from fashion_keras.search import quantized
from fashion_keras.search.quantized import nearest_codes, quantization_scale, quantize


def test_quantize_rounds_and_limits():
    scale = quantization_scale(np.array([[0.1, -0.5], [0.25, 0.0]], np.float32))
    assert scale == 254
    codes = quantize(np.array([[0.5, -0.5, 0.1, 0.9, -0.002]], np.float32), scale)
    assert codes.dtype == np.int8
    assert codes.tolist() == [[127, -127, 25, 127, -1]]


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_nearest_codes_equals_numpy(share, monkeypatch):
    monkeypatch.setattr(quantized, "_BLOCK_ROWS", 64)
    random = np.random.default_rng(0)
    codes = random.integers(-127, 128, (2000, 48)).astype(np.int8)
    query = random.integers(-127, 128, 48).astype(np.int8)
    rows = np.flatnonzero(random.random(2000) < share)
    scores = codes.astype(int) @ query.astype(int)
    expected = rows[np.argsort(-scores[rows], kind="stable")[:20]]
    assert nearest_codes(codes, query, rows, 20).tolist() == sorted(expected)
    assert nearest_codes(codes, query, rows[:5], 20).tolist() == rows[:5].tolist()
    assert nearest_codes(codes, query, rows[:0], 20).tolist() == []
