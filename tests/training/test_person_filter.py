"""A person detector, and what other runs make of it: a filter before them, a feature in them."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras import InputError, load_classifier, load_encoder, read_catalog, train
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.validation import check_images
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import backbone_of, build_network, load_network
from fashion_keras.models.pretrained_weights import initialize
from fashion_keras.models.serialization import load_spec
from fashion_keras.training.dataset_prep import prepare
from fashion_keras.training.strategies import cacheable_boundary, get_strategy, set_trainable
from tests.helpers.runs import evaluate_run

pytestmark = pytest.mark.slow  # several runs


@pytest.fixture(scope="module")
def catalog(sample):
    """The products with a whole image."""
    found = read_catalog(sample)
    return found.reject(check_images(found.paths))


@pytest.fixture(scope="module")
def detector(run, tiny_config, tmp_path_factory):
    """A detector of clothes, as far as drawings go: a head on what the tiny run's network says."""
    frozen = replace(tiny_config, weights=str(run.folder), strategy="frozen", limit=200, epochs=3)
    return train(replace(frozen, task="person", out=str(tmp_path_factory.mktemp("person") / "run"))).folder


@pytest.fixture(scope="module")
def config(tiny_config, detector):
    return replace(tiny_config, task="master_category", min_images=20, limit=200, person_input=str(detector))


@pytest.fixture(scope="module")
def joined(run, config, tmp_path_factory):
    """A frozen network beside the detector; the detector's own folder is gone afterwards."""
    home = tmp_path_factory.mktemp("joined")
    lent = shutil.copytree(config.person_input, home / "lent")
    changes = {"weights": str(run.folder), "strategy": "frozen", "epochs": 3, "person_input": str(lent)}
    finished = train(replace(config, **changes, out=str(home / "run")))
    shutil.rmtree(lent)
    return finished


@pytest.fixture(scope="module")
def networks(run, detector):
    """The tiny run's network as it is, and with the detector in it."""
    spec, theirs = load_network(detector)
    plain = load_spec(run.folder)[0]
    network = build_network(replace(plain, person=spec))
    network.get_layer("person").layer.set_weights(theirs.get_weights())
    return build_network(plain), network


def shares(folder, paths):
    """The probability [n] of a person that a detector predicts for each image."""
    return load_classifier(folder).predict(paths).probabilities[:, 0]


def assert_same_detector(folder, detector):
    inner = load_network(folder)[1].get_layer("person").layer
    for ours, theirs in zip(inner.get_weights(), load_network(detector)[1].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_filter_persons_rejects_and_counts_persons(config, detector, catalog):
    prepared = prepare(replace(config, person_input=None, person_filter=str(detector), limit=None))
    reasons = Counter(row.reason for row in prepared.catalog.rejected)
    seen = shares(detector, catalog.paths) >= 0.5
    assert reasons["the person filter predicts a person"] == seen.sum() > 0
    assert set(prepared.catalog.image_ids) <= set(catalog.image_ids[~seen])
    assert sum(prepared.counts.values()) == catalog.inputs


def test_person_input_appends_the_probability_to_the_pooled_features(networks, detector, catalog):
    network, paths = networks[1], catalog.paths[:6]
    pixels = decode_batch(paths, load_spec(detector)[0].image_spec).astype(np.float32)
    pooled = keras.Model(network.input, network.get_layer("pool").output).predict_on_batch(pixels)
    features = backbone_of(network).predict_on_batch(pixels)
    assert pooled.shape == (6, features.shape[-1] + 1)
    np.testing.assert_allclose(pooled[:, :-1], features.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(pooled[:, -1], shares(detector, paths), atol=1e-5)


@pytest.mark.parametrize("name", ["frozen", "last_n:4", "last_block", "full"])
def test_set_trainable_leaves_the_detector_frozen(networks, name):
    strategy = get_strategy(name)
    block = get_backbone("custom_cnn").last_frozen()
    plain, joined = (
        set_trainable(network, strategy, strategy.phases[0], block, pretrained=False) for network in networks
    )
    assert joined == plain
    assert not networks[1].get_layer("person").trainable_weights
    cut = cacheable_boundary(networks[1], strategy, strategy.phases[0], block)
    assert cut == ("pool" if name == "frozen" else None)


def test_run_with_person_input_contains_its_detector(joined, detector, catalog):
    assert_same_detector(joined.folder, detector)
    assert json.loads((joined.folder / "model.json").read_text())["person"]["task"] == "person"
    paths = catalog.paths[:40]
    compiled, by_keras = (load_classifier(joined.folder, name).predict(paths) for name in ("openvino", "tensorflow"))
    np.testing.assert_allclose(compiled.probabilities, by_keras.probabilities, atol=1e-5)
    assert evaluate_run(joined.folder).test["accuracy"] == joined.accuracy
    assert load_encoder(joined.folder).embed(paths[:2]).shape == (
        2,
        1922,
    )  # two poolings of 960 channels and the probability


@pytest.mark.study
def test_train_of_a_whole_network_leaves_the_detector_unchanged(config, detector, catalog, tmp_path):
    run = train(replace(config, epochs=1, task="gender,master_category", out=str(tmp_path / "run")))
    assert_same_detector(run.folder, detector)
    paths = catalog.paths[:40]
    compiled, by_keras = (load_classifier(run.folder, name).logits(paths) for name in ("openvino", "tensorflow"))
    np.testing.assert_allclose(compiled, by_keras, atol=1e-4)


def test_initialize_takes_the_backbone_of_a_run_with_a_detector(joined):
    spec, theirs = load_network(joined.folder)
    network, _ = initialize(replace(spec, person=None), str(joined.folder))
    for ours, other in zip(backbone_of(network).get_weights(), backbone_of(theirs).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("option", ["person_filter", "person_input"])
def test_person_options_refuse_a_run_that_is_no_detector(config, run, option, tmp_path):
    plain = replace(config, person_input=None, out=str(tmp_path / "run"))
    with pytest.raises(InputError, match="no finished run here"):
        train(replace(plain, **{option: str(tmp_path / "nothing")}))
    with pytest.raises(InputError, match="a run of --task article_type; a person detector is a run of --task person"):
        train(replace(plain, **{option: str(run.folder)}))
    assert not (tmp_path / "run").exists()


def test_person_input_refuses_a_detector_of_another_image_size(config, tmp_path):
    with pytest.raises(InputError, match="32x32 pad, in a network of 64x48 pad: train one with --image-size 64x48"):
        train(replace(config, image_size="64x48", out=str(tmp_path / "run")))
