"""Batch runs by the toy encoder."""

import pytest

from fashion_keras.batch import encode, shards
from fashion_keras.batch.config import EncodeConfig
from tests.helpers.batch_shop import write_products
from tests.helpers.shop import toy_encoder


@pytest.fixture
def toy(monkeypatch):
    """`--encoder NAME` is the toy encoder of that identity; a batch has eight images."""
    monkeypatch.setattr(encode, "load_encoder", lambda name, *_: toy_encoder(name))
    monkeypatch.setattr(shards, "_BATCH", 8)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory):
    """40 products with 79 images: the folder and the rows of its table; not to be changed."""
    return write_products(tmp_path_factory.mktemp("catalog") / "shop", 40)


@pytest.fixture
def run_encode(toy):
    """Run `features encode` in this process, with four shards."""

    def call(data, out, **settings):
        settings = {"encoder": "toy-1", "shards": 4, **settings}
        return encode.encode_catalog(EncodeConfig(data=str(data), out=str(out), **settings))

    return call
