"""Batch runs by the toy encoder, and a tagger of the toy shop."""

import pytest

from fashion_keras.batch import encode, shards
from fashion_keras.batch.config import EncodeConfig
from fashion_keras.tagging import train_tagger
from fashion_keras.tagging.config import TagConfig, TaggerConfig
from fashion_keras.tagging.model import tagger as tagger_model
from fashion_keras.tagging.tag_catalog import tag_catalog
from tests.helpers.batch_shop import write_products
from tests.helpers.shop import TAXONOMY, toy_encoder, write_shop


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


@pytest.fixture(scope="session")
def tagger(tmp_path_factory):
    """The folder of a tagger of the toy shop."""
    folder = tmp_path_factory.mktemp("tagger")
    (folder / "shop.yaml").write_text(TAXONOMY)
    config = TaggerConfig(
        data=str(write_shop(folder / "data", 700)), taxonomy=str(folder / "shop.yaml"), encoder="toy",
        target_precision=0.8, hold_out=0.5, weight_decays="1e-4,1e-2", out=str(folder / "tagger"),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_tagger, "load_encoder", lambda name, weights: toy_encoder())
        patch.setattr(train_tagger, "encoder_training_products", lambda name, weights: frozenset())
        train_tagger.train_tagger(config)
    return folder / "tagger"


@pytest.fixture
def run_tag(toy, tagger, monkeypatch):
    """Run `tag` in this process with the tagger, in three shards."""
    monkeypatch.setattr(tagger_model, "load_encoder", lambda name, weights: toy_encoder())

    def call(data, out, **settings):
        settings = {"tagger": str(tagger), "shards": 3, **settings}
        return tag_catalog(TagConfig(data=str(data), out=str(out), **settings))

    return call


@pytest.fixture
def shop(tmp_path):
    """60 products of the toy shop that a test may change, two of them without a usable image."""
    return write_shop(tmp_path / "shop", 60, broken=(3, 10))
