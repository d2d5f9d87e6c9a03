"""Indexes tagged by a tagger: the same tags as the command `tag` gives."""

import numpy as np
import pytest

from fashion_keras import InputError, build_index
from fashion_keras.features import embeddings
from fashion_keras.monitoring.side import load_side
from fashion_keras.monitoring.tagged import tag_side
from fashion_keras.tagging.config import TagConfig
from fashion_keras.tagging.tag_catalog import tag_catalog
from tests.helpers.catalogs import read_rows
from tests.helpers.drift_sides import directions, make_index, records
from tests.helpers.shop import toy_encoder
from tests.tagging.conftest import shop, toy, trained  # noqa: F401 - fixtures


@pytest.fixture
def side(shop, toy, trained, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_: toy_encoder())
    build_index(shop, encoder="toy", out=tmp_path / "index")
    return tag_side(load_side(tmp_path / "index"), trained.folder)


def test_tags_are_those_of_the_command(side, shop, trained, tmp_path):  # noqa: F811
    tag_catalog(TagConfig(data=str(shop), tagger=str(trained.folder), out=str(tmp_path / "tags")))
    rows = {row["sku"]: row for row in read_rows(tmp_path / "tags" / "tags.csv")}
    assert set(side.tags) == {"dial", "cloth", "gender"}
    states = set()
    for number, sku in enumerate(side.skus.tolist()):
        for name, tags in side.tags.items():
            assert tags.labels[number] == rows[sku][name]
            abstained = name in rows[sku]["abstained"].split("|")
            expected = "released" if rows[sku][name] else "abstained" if abstained else "gated"
            assert tags.states[number] == expected
            states.add(expected)
    assert states == {"released", "abstained", "gated"}
    # Products of no type of the tagger are farther out than the others.
    without_type = np.array([not rows[sku]["product_types"] for sku in side.skus.tolist()])
    assert side.outlier_scores[without_type].mean() > 2 * side.outlier_scores[~without_type].mean()


def test_a_tagger_of_another_encoder_is_refused(trained, tmp_path):  # noqa: F811
    place = make_index(tmp_path / "index", records(directions(50, 0), ("Men",)))
    with pytest.raises(InputError, match="trained on embeddings of toy .* holds those of fashion_small"):
        tag_side(load_side(place), trained.folder)
