"""Configs of the commands index and search."""

from pathlib import Path

import numpy as np
import pytest

from fashion_keras.search.config import IndexConfig, SearchConfig
from fashion_keras.support.errors import InputError


def test_search_config_reads_conditions_as_filters():
    config = SearchConfig(image="a.jpg", k=np.int64(3), where=["gender=Women", "size=a=b", "gender=Girls", "note="])
    assert config.k == 3
    assert config.filters() == {"gender": ["Women", "Girls"], "size": ["a=b"], "note": [""]}


def test_search_config_refuses_wrong_values():
    for values, message in [
        ({}, "image is missing"),
        ({"image": "a.jpg", "k": 0}, "-k must be"),
        ({"image": "a.jpg", "where": ["gender"]}, "--where is COLUMN=VALUE"),
        ({"image": "a.jpg", "where": ["=Women"]}, "--where is COLUMN=VALUE"),
    ]:
        with pytest.raises(InputError, match=message):
            SearchConfig(**values)


def test_index_config_takes_paths_and_refuses_update_with_overwrite():
    assert IndexConfig(data=Path("a"), out=Path("b")).out == "b"
    with pytest.raises(InputError, match="give one of them"):
        IndexConfig(update=True, overwrite=True)
