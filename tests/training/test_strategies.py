"""Strategies: which layers learn."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras.features.runtime import parity_images
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.backbones import BACKBONES, get_backbone
from fashion_keras.models.builder import build_network, submodel_from, submodel_until
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import Head
from fashion_keras.support.errors import InputError
from fashion_keras.training.strategies import cacheable_boundary, get_strategy, set_trainable

SPEC = ClassifierSpec("custom_cnn", ImageSpec(32, 32), "tf", Head("plain"), "gender", ("a", "b"), ("a", "b"))


def thawed(name, pretrained=True, backbone="custom_cnn", phase=0):
    network = build_network(replace(SPEC, backbone=backbone))
    strategy = get_strategy(name)
    names = set_trainable(network, strategy, strategy.phases[phase], get_backbone(backbone).last_frozen(), pretrained)
    return network, names


def test_frozen_trains_the_head_alone():
    network, names = thawed("frozen")
    assert names == []
    assert [weight.path for weight in network.trainable_weights] == ["logits/kernel", "logits/bias"]


def test_last_block_of_a_pretrained_network_keeps_batch_normalisation_frozen():
    network, names = thawed("last_block")
    assert names == ["stage5_conv1", "stage5_shortcut", "stage5_conv2"]
    assert not network.get_layer("stage5_conv1_bn").trainable


def test_scratch_trains_everything():
    network, names = thawed("scratch", pretrained=False)
    assert "stem_bn" in names
    frozen = [weight.name for weight in network.non_trainable_weights]
    assert set(frozen) == {"moving_mean", "moving_variance"}


def test_full_of_a_pretrained_network_trains_all_but_batch_normalisation():
    network, names = thawed("full")
    normalisations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert normalisations
    assert not any(layer.trainable for layer in normalisations)
    assert "stem" in names


def test_last_n_counts_the_pooling_layer_as_keras_does():
    assert thawed("last_n:5", backbone="vgg_like")[1] == ["block5_conv4"]
    assert thawed("last_n:6", backbone="vgg_like", pretrained=False)[1] == ["block5_conv4", "block5_conv4_bn"]


def test_more_layers_than_there_are():
    with pytest.raises(InputError, match=r"the backbone has .* layers"):
        thawed("last_n:9999")


def test_two_phases():
    assert thawed("frozen+full", phase=0)[1] == []
    assert "stage1_conv1" in thawed("frozen+full", phase=1)[1]


def end(name, backbone="custom_cnn", phase=0):
    row = get_backbone(backbone)
    image = row.image_spec if row.fixed else ImageSpec(row.minimum, row.minimum)
    network = build_network(replace(SPEC, backbone=backbone, image_spec=image))
    strategy = get_strategy(name)
    return network, cacheable_boundary(network, strategy, strategy.phases[phase], row.last_frozen())


@pytest.mark.parametrize(
    ("name", "phase", "expected"),
    [("frozen", 0, "pool"), ("frozen+full", 0, "pool"), ("frozen+full", 1, None), ("full", 0, None)],
)
def test_what_stays_as_it_is_ends_before_what_learns(name, phase, expected):
    assert end(name, phase=phase)[1] == expected


def test_li2020s_last_five_layers_stand_on_block5_conv1():
    assert end("last_n:5", "vgg19")[1] == "block5_conv1"


def test_nothing_stays_when_all_layers_learn():
    assert end("last_n:24", "vgg_like")[1] is not None
    layers = len(build_network(replace(SPEC, backbone="vgg_like")).layers)
    assert end(f"last_n:{layers - 3}", "vgg_like")[1] is None


def test_among_branches_it_is_the_layer_before_they_part():
    """Inception's last 20 layers begin inside of the block that follows mixed9."""
    assert end("last_n:20", "inception_v3")[1] == "mixed9"


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=() if row.name in ("custom_cnn", "resnet50") else pytest.mark.slow) for row in BACKBONES],
    ids=lambda row: row.name,
)
def test_the_two_halves_are_the_network(row):
    network, cut = end("last_block", row.name)
    # ConvNeXt adds its branches in bare operations, which have no layer to cut at: its trunk ends a stage earlier.
    assert cut == {"convnext_tiny": "convnext_tiny_downsampling_block_1"}.get(row.name, row.last_frozen())
    pixels = parity_images(network.input.shape[1:], 4)
    whole = network.predict_on_batch(pixels)
    halves = submodel_from(network, cut).predict_on_batch(submodel_until(network, cut).predict_on_batch(pixels))
    np.testing.assert_allclose(halves, whole, atol=1e-4)


@pytest.mark.parametrize("head", [Head("plain"), Head("deep", pooling="max", normalize=True, dense=(16,), dropout=0.5)])
def test_a_head_trained_on_vectors_is_the_networks_own(head):
    network = build_network(replace(SPEC, head=head))
    pixels = parity_images((32, 32, 3), 16)
    vectors = submodel_until(network, "pool").predict_on_batch(pixels)
    assert vectors.shape == (16, 512)
    np.testing.assert_allclose(
        submodel_from(network, "pool").predict_on_batch(vectors), network.predict_on_batch(pixels), atol=1e-4
    )
