"""What a classifier with several heads says: probabilities by group, heads by name, levels that never contradict."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras import load_classifier
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.builder import build_network, save_network
from fashion_keras.models.classifier import ClassifierSpec, MultiHeadSpec, make_predictions
from fashion_keras.models.heads import Head
from fashion_keras.models.hierarchy import LEVELS
from fashion_keras.models.predictions import LabelGroup
from fashion_keras.support.errors import InputError

PATHS = ("Apparel/Topwear/Shirts", "Apparel/Topwear/Tops", "Apparel/Bottomwear/Jeans", "Footwear/Shoes/Heels")
LEAVES = LabelGroup("article_type", "single", ("Shirts", "Tops", "Jeans", "Heels"), PATHS)
MIDDLE = ("Apparel/Bottomwear", "Apparel/Topwear", "Footwear/Shoes", "Footwear/Socks")
SUBS = LabelGroup("sub_category", "single", ("Bottomwear", "Topwear", "Shoes", "Socks"), MIDDLE)
MASTERS = LabelGroup("master_category", "single", ("Apparel", "Footwear"), ("Apparel", "Footwear"))
PATTERN = LabelGroup("pattern", "multi", ("Floral", "Solid", "Striped"), ("Floral", "Solid", "Striped"), "sigmoid")
COMMON = ("custom_cnn", ImageSpec(32, 32), "tf", Head("plain"))


def spec(*groups):
    return MultiHeadSpec(*COMMON, task=",".join(group.name for group in groups), groups=groups)


def said(groups, logits, truth=None):
    logits = np.array(logits, np.float32)
    return make_predictions(spec(*groups), logits, np.arange(len(logits)), truth)


def test_each_group_has_its_own_activation_and_temperature():
    groups = (replace(MASTERS, temperature=2.0), replace(PATTERN, temperature=0.5))
    found = said(groups, [[2 * np.log(3), 0, 0, np.log(3) / 2, -50]]).probabilities
    np.testing.assert_allclose(found, [[3 / 4, 1 / 4, 1 / 2, 3 / 4, 0]], atol=1e-6)
    sigmoids = said((replace(MASTERS, activation="sigmoid"),), [[np.log(3), 0]]).probabilities
    np.testing.assert_allclose(sigmoids, [[3 / 4, 1 / 2]], rtol=1e-6)


def test_one_task_and_one_head_say_the_same():
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    one = ClassifierSpec(*COMMON, "article_type", LEAVES.classes, PATHS, temperature=1.7)
    plain = make_predictions(one, logits, np.arange(5))
    head = said((replace(LEAVES, temperature=1.7),), logits).of("article_type")
    np.testing.assert_array_equal(plain.probabilities, head.probabilities)
    assert plain.names == head.names


def test_a_head_by_name():
    truth = np.array([[0, 1, -1, 0, 1], [-1, -1, 0, 0, 0]], np.int8)
    found = said((MASTERS, PATTERN), np.zeros((2, 5)), truth)
    assert found.of("master_category").truth.tolist() == [1, -1]
    assert found.part("pattern").known.tolist() == [[False, True, True], [True, True, True]]
    with pytest.raises(
        InputError, match=r"unknown head of this run 'mastercategory'; did you mean 'master_category'\?"
    ):
        found.of("mastercategory")
    with pytest.raises(InputError, match="pattern is multi-valued"):
        found.of("pattern")


def test_of_a_single_valued_group_one_label_is_given_of_others_those_from_their_thresholds_on():
    logits = [[0, 0.1, np.log(4), 0, -9]]
    assert said((MASTERS, PATTERN), logits).given.tolist() == [[False, True, True, True, False]]
    picky = replace(PATTERN, thresholds=(0.9, 0.4, None))
    answer = said((MASTERS, picky), logits).answers()[0]["heads"]
    assert [one["class"] for one in answer["pattern"]["labels"]] == ["Solid"]
    assert answer["master_category"]["class"] == "Footwear"
    assert answer["master_category"]["confidence"] == pytest.approx(1 / (1 + np.exp(-0.1)))


def test_saved_and_loaded(tmp_path):
    keras.utils.set_random_seed(0)
    ours = spec(replace(MASTERS, temperature=1.5), replace(PATTERN, thresholds=(0.25, None, 0.5)))
    network = build_network(ours)
    save_network(ours, network, tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["format"] == "fashion_keras.attributes/2"
    classifier = load_classifier(tmp_path)
    assert classifier.spec == ours
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    found = classifier.predict(pictures)
    assert found.probabilities.shape == (3, 5)
    np.testing.assert_allclose(found.of("master_category").probabilities.sum(axis=1), 1, rtol=1e-5)


def test_products_are_labelled_as_in_training_and_lacking_columns_mask_their_group():
    ours = spec(MASTERS, PATTERN, LabelGroup("season", "single", ("Summer", "Winter"), ("Summer", "Winter")))
    columns = {
        "master_category": np.array(["Footwear", "Apparel", "Toys"]),
        "product_display_name": np.array(["Red Heels", "Striped Shirt", "Bear"]),
    }
    values, reasons = ours.match(columns)
    assert values[:, :2].tolist() == [[0, 1], [1, 0], [-1, -1]]
    assert values[1, 2:5].tolist() == [0, 0, 1]
    assert (values[:, 5:] == -1).all()
    assert reasons.tolist() == ["", "", "no label of any head of the run"]


@pytest.mark.parametrize("groups", [(LEAVES,), (LEAVES, MASTERS), (PATTERN, SUBS, LEAVES, MASTERS)])
def test_joint_answers_never_contradict_each_other(groups):
    """However much the heads do: whatever they say, sharp or not, each answer lies in the one above it."""
    count = sum(len(group.classes) for group in groups)
    logits = np.random.default_rng(0).normal(size=(2000, count)) * np.repeat([0.1, 3, 30, 300], 500)[:, None]
    joint = said(groups, logits).joint()
    leaf, middle, top = (joint.said(name) for name in LEVELS)
    assert all(low.startswith(f"{high}/") for low, high in zip(leaf, middle, strict=True))
    assert all(low.startswith(f"{high}/") for low, high in zip(middle, top, strict=True))
    shares = [joint.confidence(name) for name in LEVELS]
    assert (shares[0] <= shares[1] + 1e-12).all()
    assert (shares[1] <= shares[2] + 1e-12).all()
    for name in LEVELS:
        np.testing.assert_allclose(joint.probabilities(name).sum(axis=1), 1)


def test_joint_is_the_product_of_the_heads_summed_up():
    # Leaves 0.4, 0.1, 0.1, 0.4; the heads above say shoes 3 : 1 and footwear 9 : 1.
    logits = np.log([[0.4, 0.1, 0.1, 0.4, 0.125, 0.125, 0.375, 0.375, 0.1, 0.9]])
    joint = said((LEAVES, SUBS, MASTERS), logits).joint()
    products = np.array([0.4 * 0.125 * 0.1, 0.1 * 0.125 * 0.1, 0.1 * 0.125 * 0.1, 0.4 * 0.375 * 0.9])
    np.testing.assert_allclose(joint.leaves[0], products / products.sum(), rtol=1e-5)
    assert [joint.said(name)[0] for name in LEVELS] == ["Footwear/Shoes/Heels", "Footwear/Shoes", "Footwear"]
    assert joint.confidence("master_category")[0] == pytest.approx(products[3] / products.sum())
    alone = said((LEAVES,), np.log([[0.4, 0.1, 0.1, 0.4]])).joint()
    np.testing.assert_allclose(alone.probabilities("master_category"), [[0.6, 0.4]], rtol=1e-6)


def test_without_article_types_or_their_parents_there_is_no_joint_answer():
    with pytest.raises(InputError, match="unknown head of this run 'article_type'"):
        said((MASTERS, PATTERN), np.zeros((1, 5))).joint()
    flat = replace(LEAVES, paths=LEAVES.classes)
    with pytest.raises(InputError, match="has no parents"):
        said((flat, PATTERN), np.zeros((1, 7))).joint()
    gender = ClassifierSpec(*COMMON, "gender", ("Men", "Women"), ("Men", "Women"))
    with pytest.raises(InputError, match="no hierarchy above gender"):
        make_predictions(gender, np.zeros((1, 2), np.float32), np.arange(1)).joint()
