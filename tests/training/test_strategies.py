"""Strategies: which layers learn."""

from dataclasses import replace

import keras
import pytest

from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import Head
from fashion_keras.models.network import build_network
from fashion_keras.support.errors import InputError
from fashion_keras.training.strategies import get_strategy, thaw

SPEC = ClassifierSpec("custom_cnn", ImageSpec(32, 32), "tf", Head("plain"), "gender", ("a", "b"), ("a", "b"))


def thawed(name, pretrained=True, backbone="custom_cnn", phase=0):
    network = build_network(replace(SPEC, backbone=backbone))
    strategy = get_strategy(name)
    names = thaw(network, strategy, strategy.phases[phase], get_backbone(backbone).last_frozen(), pretrained)
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
