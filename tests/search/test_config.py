"""Configs of the commands index and search."""

from pathlib import Path

import numpy as np
import pytest

from fashion_keras.search.config import IndexConfig, SearchConfig
from fashion_keras.search.filters import parse_filters
from fashion_keras.support.errors import InputError


def test_search_config_reads_conditions_as_filters():
    config = SearchConfig(image="a.jpg", k=np.int64(3), where=["gender=Women", "size=a=b", "gender=Girls", "note="])
    assert config.k == 3
    assert config.filters() == {"gender": ["Women", "Girls"], "size": ["a=b"], "note": [""]}


def test_search_config_reads_ranges():
    config = SearchConfig(image="AB-1/4", where=["price>=100", "price < 500", "gender=Women", "stock>0", "year<=2012"])
    assert config.filters() == {
        "price": {"gte": "100", "lt": " 500"}, "gender": ["Women"], "stock": {"gt": "0"}, "year": {"lte": "2012"},
    }  # fmt: skip
    assert parse_filters(config.filters())["price"].bounds == {"gte": 100, "lt": 500}


def test_search_config_refuses_wrong_values():
    for values, message in [
        ({}, "image and --text are missing"),
        ({"image": "a.jpg", "k": 0}, "-k must be"),
        ({"image": "a.jpg", "where": ["gender"]}, "--where is COLUMN=VALUE"),
        ({"image": "a.jpg", "where": ["=Women"]}, "--where is COLUMN=VALUE"),
        ({"image": "a.jpg", "where": [">=5"]}, "--where is COLUMN=VALUE"),
        ({"image": "a.jpg", "where": ["price>="]}, "filter on price: gte needs a number, not ''"),
        ({"image": "a.jpg", "where": ["price>cheap"]}, "filter on price: 'cheap' is no number"),
        ({"image": "a.jpg", "where": ["price>1", "price>2"]}, "'price>2': contradicts another condition on price"),
        ({"image": "a.jpg", "where": ["price>1", "price=2"]}, "'price=2': contradicts another condition on price"),
    ]:
        with pytest.raises(InputError, match=message):
            SearchConfig(**values)


def test_index_config_takes_paths_and_refuses_update_with_overwrite():
    assert IndexConfig(data=Path("a"), out=Path("b")).out == "b"
    with pytest.raises(InputError, match="give one of them"):
        IndexConfig(update=True, overwrite=True)
