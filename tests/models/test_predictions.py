"""Predictions of several heads: probabilities by group, heads by name, levels that never contradict."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras import load_classifier
from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.catalog.tasks import get_task
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.builder import build_network, save_network
from fashion_keras.models.classifier import ClassifierSpec, make_predictions
from fashion_keras.models.heads import Head
from fashion_keras.models.hierarchy import LEVELS
from fashion_keras.models.serialization import WEIGHTS, load_classifier_spec, write_spec
from fashion_keras.support.errors import InputError

PATHS = (
    ("Apparel", "Topwear", "Shirts"),
    ("Apparel", "Topwear", "Tops"),
    ("Apparel", "Bottomwear", "Jeans"),
    ("Footwear", "Shoes", "Heels"),
)
LEAVES = LabelGroup("article_type", "single", ("Shirts", "Tops", "Jeans", "Heels"), PATHS)
MIDDLE = (("Apparel", "Bottomwear"), ("Apparel", "Topwear"), ("Footwear", "Shoes"), ("Footwear", "Socks"))
SUBS = LabelGroup("sub_category", "single", ("Bottomwear", "Topwear", "Shoes", "Socks"), MIDDLE)
MASTERS = LabelGroup("master_category", "single", ("Apparel", "Footwear"), (("Apparel",), ("Footwear",)))
LABELS = ("Floral", "Solid", "Striped")
PATTERN = LabelGroup("pattern", "multi", LABELS, tuple((label,) for label in LABELS), "sigmoid")
COMMON = ("custom_cnn", ImageSpec(32, 32), "tf", Head("plain"))


def spec(*groups):
    return ClassifierSpec(*COMMON, task=",".join(group.name for group in groups), groups=groups)


def predict(groups, logits, truth=None):
    logits = np.array(logits, np.float32)
    return make_predictions(spec(*groups), logits, np.arange(len(logits)), truth)


def test_probabilities_use_each_groups_activation_and_temperature():
    groups = (replace(MASTERS, temperature=2.0), replace(PATTERN, temperature=0.5))
    found = predict(groups, [[2 * np.log(3), 0, 0, np.log(3) / 2, -50]]).probabilities
    np.testing.assert_allclose(found, [[3 / 4, 1 / 4, 1 / 2, 3 / 4, 0]], atol=1e-6)
    sigmoids = predict((replace(MASTERS, activation="sigmoid"),), [[np.log(3), 0]]).probabilities
    np.testing.assert_allclose(sigmoids, [[3 / 4, 1 / 2]], rtol=1e-6)


def test_group_predicts_alone_as_within_several():
    logits = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    alone = predict((replace(LEAVES, temperature=1.7),), logits[:, :4])
    head = predict((replace(LEAVES, temperature=1.7), MASTERS), logits).group("article_type")
    np.testing.assert_array_equal(alone.probabilities, head.probabilities)
    assert alone.names == head.names
    assert alone.classes == LEAVES.classes
    assert alone.to_dicts() == head.to_dicts()


def test_group_is_a_head_by_name():
    truth = np.array([[1, -1, 0, 1], [-1, 0, 0, 0]])
    predictions = predict((MASTERS, PATTERN), np.zeros((2, 5)), truth)
    assert predictions.group("master_category").true_codes.tolist() == [1, -1]
    assert predictions.group("pattern").true_labels.tolist() == [[-1, 0, 1], [0, 0, 0]]
    assert predictions.true_labels.tolist() == [[0, 1, -1, 0, 1], [-1, -1, 0, 0, 0]]
    with pytest.raises(
        InputError, match=r"unknown head of this run 'mastercategory'; did you mean 'master_category'\?"
    ):
        predictions.group("mastercategory")
    with pytest.raises(InputError, match="pattern is multi-valued"):
        _ = predictions.group("pattern").codes
    with pytest.raises(InputError, match=r"several heads, master_category, pattern: take one with \.group"):
        _ = predictions.names


def test_predicted_labels_are_the_best_class_or_those_above_their_thresholds():
    logits = [[0, 0.1, np.log(4), 0, -9]]
    predictions = predict((MASTERS, PATTERN), logits)
    assert predictions.predicted_labels.tolist() == [[False, True, True, True, False]]
    assert predictions.group("pattern").names == [("Floral", "Solid")]
    picky = replace(PATTERN, thresholds=(0.9, 0.4, None))
    heads = predict((MASTERS, picky), logits).to_dicts()[0]["heads"]
    assert [label["class"] for label in heads["pattern"]["labels"]] == ["Solid"]
    assert heads["master_category"]["class"] == "Footwear"
    assert heads["master_category"]["confidence"] == pytest.approx(1 / (1 + np.exp(-0.1)))


def test_to_frame_has_one_schema_for_one_and_several_groups():
    truth = np.array([[1, 0, -1, 1], [-1, -1, -1, -1]])
    both = predict((MASTERS, PATTERN), np.zeros((2, 5)), truth)
    frame = both.group("master_category").to_frame()
    shares = ["probability.Apparel", "probability.Footwear"]
    assert list(frame.columns) == ["id", "truth", "predicted", "confidence", *shares]
    assert frame["probability.Footwear"].tolist() == [0.5, 0.5]
    assert (frame["truth"][0], frame["truth"].isna().tolist()) == ("Footwear", [False, True])
    assert frame["confidence"].tolist() == [0.5, 0.5]
    frame = both.to_frame()
    assert list(frame.columns) == ["id"] + [
        f"master_category.{name}" for name in ("truth", "predicted", "confidence", *shares)
    ] + [f"pattern.{name}" for name in ("truth", "predicted", *(f"probability.{label}" for label in PATTERN.classes))]
    assert frame["pattern.truth"].tolist() == [["Striped"], None]
    assert frame["pattern.predicted"].tolist() == [["Floral", "Solid", "Striped"]] * 2


def test_load_spec_keeps_the_groups(tmp_path):
    keras.utils.set_random_seed(0)
    ours = spec(replace(MASTERS, temperature=1.5), replace(PATTERN, thresholds=(0.25, None, 0.5)))
    network = build_network(ours)
    save_network(ours, network, tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["format"] == "fashion_keras.model/2"
    classifier = load_classifier(tmp_path)
    assert classifier.spec == ours
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    found = classifier.predict(images)
    assert found.probabilities.shape == (3, 5)
    np.testing.assert_allclose(found.group("master_category").probabilities.sum(axis=1), 1, rtol=1e-5)


def test_encode_masks_groups_whose_columns_are_missing():
    ours = spec(MASTERS, PATTERN, LabelGroup("season", "single", ("Summer", "Winter"), (("Summer",), ("Winter",))))
    columns = {
        "master_category": np.array(["Footwear", "Apparel", "Toys"]),
        "product_display_name": np.array(["Red Heels", "Striped Shirt", "Bear"]),
    }
    targets = ours.encode(columns)
    assert targets.group("master_category").codes.tolist() == [1, 0, -1]
    assert targets.packed[1, 1:4].tolist() == [0, 0, 1]
    assert (targets.group("season").codes == -1).all()
    assert targets.reasons.tolist() == ["", "", "no label in any group"]
    with pytest.raises(InputError, match="task master_category needs the column 'master_category'"):
        ours.encode({"id": columns["product_display_name"]})


def test_load_spec_keeps_class_paths_with_a_slash(tmp_path):
    columns = {
        "master_category": np.array(["Accessories", "Accessories", "Apparel"]),
        "sub_category": np.array(["Bags", "Bags", "Topwear"]),
        "article_type": np.array(["Bags/Cases", "Handbags", "Tops"]),
    }
    targets = get_task("article_type").encode(columns)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    write_spec(spec(*targets.groups), tmp_path)
    loaded, _ = load_classifier_spec(tmp_path)
    assert loaded == spec(*targets.groups)
    assert loaded.encode(columns).codes.tolist() == targets.codes.tolist() == [0, 1, 2]


@pytest.mark.parametrize("groups", [(LEAVES,), (LEAVES, MASTERS), (PATTERN, SUBS, LEAVES, MASTERS)])
def test_joint_never_contradicts_itself(groups):
    """Whatever the heads predict, each predicted class lies in the one above it."""
    count = sum(len(group.classes) for group in groups)
    logits = np.random.default_rng(0).normal(size=(2000, count)) * np.repeat([0.1, 3, 30, 300], 500)[:, None]
    joint = predict(groups, logits).joint()
    leaf, middle, top = (joint.paths(name) for name in LEVELS)
    assert all(low[:2] == high for low, high in zip(leaf, middle, strict=True))
    assert all(low[:1] == high for low, high in zip(middle, top, strict=True))
    shares = [joint.confidence(name) for name in LEVELS]
    assert (shares[0] <= shares[1] + 1e-12).all()
    assert (shares[1] <= shares[2] + 1e-12).all()
    for name in LEVELS:
        np.testing.assert_allclose(joint.probabilities(name).sum(axis=1), 1)


def test_joint_is_the_product_of_the_heads_summed_up():
    # Leaves 0.4, 0.1, 0.1, 0.4; the heads above say shoes 3 : 1 and footwear 9 : 1.
    logits = np.log([[0.4, 0.1, 0.1, 0.4, 0.125, 0.125, 0.375, 0.375, 0.1, 0.9]])
    joint = predict((LEAVES, SUBS, MASTERS), logits).joint()
    products = np.array([0.4 * 0.125 * 0.1, 0.1 * 0.125 * 0.1, 0.1 * 0.125 * 0.1, 0.4 * 0.375 * 0.9])
    np.testing.assert_allclose(joint.leaves[0], products / products.sum(), rtol=1e-5)
    assert [joint.paths(name)[0] for name in LEVELS] == [("Footwear", "Shoes", "Heels")[:n] for n in (3, 2, 1)]
    assert joint.confidence("master_category")[0] == pytest.approx(products[3] / products.sum())
    alone = predict((LEAVES,), np.log([[0.4, 0.1, 0.1, 0.4]])).joint()
    np.testing.assert_allclose(alone.probabilities("master_category"), [[0.6, 0.4]], rtol=1e-6)


def test_joint_needs_article_types_and_their_parents():
    with pytest.raises(InputError, match="no hierarchy above master_category, pattern: only article_type has one"):
        predict((MASTERS, PATTERN), np.zeros((1, 5))).joint()
    flat = replace(LEAVES, paths=tuple((name,) for name in LEAVES.classes))
    with pytest.raises(InputError, match="has no parents"):
        predict((flat, PATTERN), np.zeros((1, 7))).joint()
