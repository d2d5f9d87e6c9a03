"""Leakage: taggers are evaluated on products that the encoder was not trained on, or the overlap is counted."""

import numpy as np
import pytest

from fashion_keras.catalog.columns import Columns
from fashion_keras.catalog.product_hashes import group_products
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sampling import hold_out
from fashion_keras.tagging import train_tagger
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.train_tagger import held_out_fractions, leakage_warning, split_for_tagger
from tests.helpers.shop import toy_encoder


@pytest.fixture(scope="module")
def catalog(shop):
    return read_catalog(shop)


def test_leakage_warning_counts_evaluation_images():
    assert leakage_warning("vgg19", np.zeros(10, bool)) == ""
    assert "vgg19 was trained on 2 of the 10 validation and test images" in leakage_warning("vgg19", np.arange(10) < 2)


def test_split_for_tagger_holds_out_what_an_encoder_training_holds_out(catalog):
    split = split_for_tagger(catalog, TaggerConfig(hold_out=0.3), np.zeros(len(catalog), bool))
    train, held_out = hold_out(catalog, 0.3, 0)
    assert split.train.tolist() == train.tolist()
    assert sorted([*split.validation, *split.test]) == held_out.tolist()
    assert 0.35 < len(split.test) / len(held_out) < 0.65


def test_split_for_tagger_divides_what_the_training_of_the_encoder_held_out(catalog):
    config = TaggerConfig(hold_out=0.3)
    trained = np.ones(len(catalog), bool)
    trained[hold_out(catalog, 0.3)[1]] = False
    split = split_for_tagger(catalog, config, trained)
    parts = np.concatenate([split.validation, split.test])
    assert not trained[parts].any()
    assert sorted(parts.tolist()) == np.flatnonzero(~trained).tolist()
    assert 0.35 < len(split.test) / len(parts) < 0.65


def test_split_for_tagger_divides_products(catalog):
    """Titles of the shop occur once; here each product has two images."""
    titles = catalog.columns["product_display_name"].copy()
    titles[1::2] = titles[: len(titles) - 1 : 2]
    twins = read_with_titles(catalog, titles)
    split = split_for_tagger(twins, TaggerConfig(hold_out=0.5), np.zeros(len(twins), bool))
    hashes = twins.product_groups
    parts = [set(hashes[rows]) for rows in (split.train, split.selection, split.proof, split.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(set(hashes))
    assert len(split.proof) == len(parts[2]), "the proof has one image per product"
    assert len(split.proof) < len(split.validation) - len(split.selection)
    assert abs(len(split.selection) / len(split.validation) - 0.2) < 0.08


def read_with_titles(catalog, titles):
    from dataclasses import replace

    columns = Columns({**catalog.columns, "product_display_name": titles})
    return replace(catalog, columns=columns, product_groups=group_products(catalog.skus.tolist(), titles.tolist()))


def test_split_for_tagger_does_not_depend_on_the_order_of_rows(catalog):
    order = np.random.default_rng(0).permutation(len(catalog))
    trained = np.arange(len(catalog)) % 2 == 0
    split = split_for_tagger(catalog, TaggerConfig(), trained)
    shuffled = split_for_tagger(catalog.take(order), TaggerConfig(), trained[order])
    for name, rows in split.parts.items():
        assert set(catalog.image_ids[rows]) == set(catalog.image_ids[order][shuffled.parts[name]])


def test_split_for_tagger_evaluates_on_products_that_the_encoder_was_not_trained_on(catalog):
    trained = ~np.isin(np.arange(len(catalog)), hold_out(catalog, 0.3, seed=5)[1])  # another split than this one
    split = split_for_tagger(catalog, TaggerConfig(hold_out=0.25), trained)
    held_out = np.concatenate([split.validation, split.test])
    assert not trained[held_out].any()
    assert len(held_out) / len(catalog) == pytest.approx(0.25, abs=0.04)


def test_held_out_fractions_by_hand():
    def fractions(n_others, hold_out=0.2, exclude_trained=False):
        config = TaggerConfig(hold_out=hold_out, exclude_trained=exclude_trained)
        return held_out_fractions(np.arange(100) >= n_others, config)

    assert fractions(100) == (0.2, 0.0)
    assert fractions(40) == (pytest.approx(0.5), 0.0)
    assert fractions(15) == (1.0, 0.0)
    assert fractions(4) == (1.0, pytest.approx(0.16 / 0.96))  # too few others: topped up, and counted
    assert fractions(4, exclude_trained=True) == (1.0, 0.0)
    assert fractions(0, exclude_trained=True) == (0.0, 0.0)


def train(shop, folder, **options):
    taxonomy = shop.parent / "shop.yaml"
    return train_tagger.train_tagger(
        TaggerConfig(
            data=shop, taxonomy=taxonomy, encoder="toy", hold_out=0.5, weight_decays="1e-2", out=folder, **options
        )
    )


def test_train_tagger_counts_the_overlap_and_warns(shop, catalog, monkeypatch, tmp_path):
    hashes = catalog.product_groups
    monkeypatch.setattr(train_tagger, "load_encoder", lambda name, weights: toy_encoder())
    monkeypatch.setattr(train_tagger, "encoder_training_products", lambda name, weights: frozenset(hashes))
    report = train(shop, tmp_path / "all").report
    evaluated = report["counts"]["validation"] + report["counts"]["test"]
    assert report["trained_images"] == {"catalog": 697, "evaluated": evaluated}
    assert f"toy was trained on {evaluated} of the {evaluated} validation and test images" in report["warnings"][0]
    with pytest.raises(train_tagger.InputError, match=r"none is left for selection with --hold-out 0\.5"):
        train(shop, tmp_path / "none", exclude_trained=True)
    monkeypatch.setattr(train_tagger, "encoder_training_products", lambda name, weights: frozenset(hashes[:300]))
    report = train(shop, tmp_path / "some", exclude_trained=True).report
    assert (report["trained_images"]["evaluated"], report["warnings"]) == (0, [])
