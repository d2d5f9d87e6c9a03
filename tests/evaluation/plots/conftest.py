"""Figures are caught before they are written, so that a test can look at what they hold."""

import pytest

from fashion_keras.evaluation.plots import style


@pytest.fixture
def figures(monkeypatch):
    """The matplotlib figures that would have been written."""
    saved = []
    monkeypatch.setattr(style, "save", lambda figure, _: saved.append(figure))
    return saved
