"""A tagger of the toy shop."""

import pytest

from fashion_keras.tagging import train_tagger
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.model import tagger
from tests.helpers.shop import TAXONOMY, toy_encoder, write_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """700 products, three of them without a usable image."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.yaml").write_text(TAXONOMY)
    return write_shop(folder / "data", 700, broken=(3, 10, 11))


@pytest.fixture
def toy(monkeypatch):
    """Every encoder name loads the toy encoder, which was trained on no product."""
    for module in (train_tagger, tagger):
        monkeypatch.setattr(module, "load_encoder", lambda name, weights: toy_encoder())
    monkeypatch.setattr(train_tagger, "encoder_training_products", lambda name, weights: frozenset())


@pytest.fixture(scope="session")
def trained(shop, tmp_path_factory):
    """A tagger of the shop: its folder and its report."""
    config = TaggerConfig(
        data=str(shop), taxonomy=str(shop.parent / "shop.yaml"), encoder="toy", target_precision=0.8, hold_out=0.5,
        weight_decays="1e-4,1e-2", out=str(tmp_path_factory.mktemp("tagger") / "one"),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_tagger, "load_encoder", lambda name, weights: toy_encoder())
        patch.setattr(train_tagger, "encoder_training_products", lambda name, weights: frozenset())
        return train_tagger.train_tagger(config)
