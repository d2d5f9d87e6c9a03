"""Indexes tagged by a tagger: tags, states and outlier scores by hand, and those of the command `tag`."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_keras import InputError, build_index
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.features import embeddings
from fashion_keras.monitoring.precision import attribute_columns
from fashion_keras.monitoring.side import load_side
from fashion_keras.monitoring.tagged import tag_side
from fashion_keras.tagging.config import TagConfig
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.manifest import EncoderReference, save_heads
from fashion_keras.tagging.tag_catalog import tag_catalog
from tests.helpers.catalogs import read_rows
from tests.helpers.drift_sides import WIDTH, make_index, records
from tests.helpers.shop import TAXONOMY, toy_encoder
from tests.tagging.conftest import shop, toy, trained  # noqa: F401 - fixtures


def head(name, classes, kind, axes, threshold):
    """A head whose logit of each class is twice the embedding along one axis."""
    weights = 2 * np.eye(WIDTH, dtype=np.float32)[list(axes)]
    thresholds = np.full(len(classes), threshold)
    return LinearHead(name, kind, classes, ("watch",), weights, np.zeros(len(classes), np.float32), 0, 1, thresholds)


@pytest.fixture
def tagger(tmp_path):
    """Accepts what points along axis 0 as a watch; gives the dial that axes 1 and 2 point to."""
    (tmp_path / "shop.yaml").write_text(TAXONOMY)
    heads = [head("gate", ("watch",), "multi", (0,), 0.6), head("dial", ("Dark", "Light"), "single", (1, 2), 0.7)]
    (tmp_path / "tagger").mkdir()
    encoder = EncoderReference("fashion_small", "auto", "abc")
    save_heads(tmp_path / "tagger", heads, encoder, 0.9, load_taxonomy(tmp_path / "shop.yaml"))
    return tmp_path / "tagger"


def index_of(folder, *directions, skus=None):
    values = np.zeros((len(directions), WIDTH), np.float32)
    for row, direction in enumerate(directions):
        values[row, : len(direction)] = direction
    images = records(values / np.linalg.norm(values, axis=1, keepdims=True), ("Men",))
    return make_index(folder, images if skus is None else replace(images, skus=np.array(skus)))


def test_tags_by_hand(tagger, tmp_path):
    place = index_of(tmp_path / "index", (1, 1), (1, 0.1, 0.1), (0, 1), (1, 0, 2))
    side = tag_side(load_side(place), tagger)
    # Softmax of two logits that differ by 2 / sqrt(2): 0.80; the third is no watch; of the fourth the gate's is 0.71.
    assert side.tags["dial"].labels.tolist() == ["Dark", "", "", "Light"]
    assert side.tags["dial"].states.tolist() == ["released", "abstained", "gated", "released"]
    gate = 1 / (1 + np.exp(-2 * np.array([1 / 2**0.5, 1 / 1.02**0.5, 0, 1 / 5**0.5])))
    np.testing.assert_allclose(side.outlier_scores, 1 - gate, atol=1e-6)
    assert attribute_columns(side, tagger) == {"dial": "dial"}


def test_a_product_is_tagged_by_the_mean_of_its_images(tagger, tmp_path):
    place = index_of(tmp_path / "index", (1, 1), (1, 0, 1), (1, 1), skus=["1", "1", "2"])
    side = tag_side(load_side(place), tagger)
    assert side.tags["dial"].states.tolist() == ["abstained", "abstained", "released"]


def test_a_tagger_of_another_encoder_is_refused(tagger, tmp_path):
    side = replace(load_side(index_of(tmp_path / "index", (1, 1))), encoder="vgg19", encoder_identity="xyz")
    with pytest.raises(InputError, match=r"trained on embeddings of fashion_small \(abc\), .* those of vgg19 \(xyz\)"):
        tag_side(side, tagger)


@pytest.mark.slow
def test_tags_are_those_of_the_command(shop, toy, trained, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_: toy_encoder())
    build_index(shop, encoder="toy", out=tmp_path / "index")
    side = tag_side(load_side(tmp_path / "index"), trained.folder)
    tag_catalog(TagConfig(data=str(shop), tagger=str(trained.folder), out=str(tmp_path / "tags")))
    rows = {row["sku"]: row for row in read_rows(tmp_path / "tags" / "tags.csv")}
    assert set(side.tags) == {"dial", "cloth", "gender"}
    for number, sku in enumerate(side.skus.tolist()):
        for name, tags in side.tags.items():
            assert tags.labels[number] == rows[sku][name]
            abstained = name in rows[sku]["abstained"].split("|")
            expected = "released" if rows[sku][name] else "abstained" if abstained else "gated"
            assert tags.states[number] == expected
    without_type = np.array([not rows[sku]["product_types"] for sku in side.skus.tolist()])
    assert side.outlier_scores[without_type].mean() > 2 * side.outlier_scores[~without_type].mean()
