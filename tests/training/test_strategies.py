"""Strategies: which layers are trained, and which part of a network can be cached."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras.features.runtime import parity_images
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.backbones import BACKBONES, get_backbone
from fashion_keras.models.builder import backbone_of, build_network, replace_head, submodel_from, submodel_until
from fashion_keras.models.heads import Head, get_head
from fashion_keras.models.layers import MultiStagePooling2D
from fashion_keras.support.errors import InputError
from fashion_keras.training.strategies import cacheable_boundary, get_strategy, set_trainable
from tests.helpers.specs import classifier_spec

SPEC = classifier_spec()


def trainable_layers(name, pretrained=True, backbone="custom_cnn", phase=0):
    network = build_network(replace(SPEC, backbone=backbone))
    strategy = get_strategy(name)
    names = set_trainable(network, strategy, strategy.phases[phase], get_backbone(backbone).last_frozen(), pretrained)
    return network, names


def test_strategy_frozen_trains_the_head_alone():
    network, names = trainable_layers("frozen")
    assert names == []
    assert [weight.path for weight in network.trainable_weights] == ["logits/kernel", "logits/bias"]


def test_strategy_last_block_of_a_pretrained_network_keeps_batch_normalization_frozen():
    network, names = trainable_layers("last_block")
    assert names == ["stage5_conv1", "stage5_shortcut", "stage5_conv2"]
    assert not network.get_layer("stage5_conv1_bn").trainable


def test_strategy_last_block_2_trains_the_last_two_stages():
    row = get_backbone("efficientnet_lite0")
    network = build_network(classifier_spec(row.name))
    strategy, block = get_strategy("last_block:2"), row.last_frozen(stages=2)
    names = set_trainable(network, strategy, strategy.phases[0], block, pretrained=True)
    # Without the block's layers that have no weights, and those of batch normalization.
    assert {name.split("_")[0] for name in names} == {"block6a", "block6b", "block6c", "block6d", "block7a", "top"}
    trained = {weight.path.split("/")[0] for weight in network.trainable_weights}
    assert trained == {*names, "logits"}
    assert "block6a_expand" in trained
    assert cacheable_boundary(network, strategy, strategy.phases[0], block) == "block5c_add"


@pytest.mark.parametrize("name", ["last_block:0", "last_block:two", "last_block:", "frozen:2", "last_block:-1"])
def test_get_strategy_refuses_a_number_that_is_none(name):
    with pytest.raises(InputError, match=r"whole number from 1|unknown strategy"):
        get_strategy(name)


def test_strategy_scratch_trains_everything():
    network, names = trainable_layers("scratch", pretrained=False)
    assert "stem_bn" in names
    frozen = [weight.name for weight in network.non_trainable_weights]
    assert set(frozen) == {"moving_mean", "moving_variance"}


def test_strategy_full_of_a_pretrained_network_trains_all_but_batch_normalization():
    network, names = trainable_layers("full")
    normalizations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert normalizations
    assert not any(layer.trainable for layer in normalizations)
    assert "stem" in names


def test_strategy_last_n_counts_the_pooling_layer_as_keras_does():
    assert trainable_layers("last_n:5", backbone="vgg_like")[1] == ["block5_conv4"]
    assert trainable_layers("last_n:6", backbone="vgg_like", pretrained=False)[1] == ["block5_conv4", "block5_conv4_bn"]


def test_strategy_last_n_refuses_more_layers_than_there_are():
    with pytest.raises(InputError, match=r"the backbone has .* layers"):
        trainable_layers("last_n:9999")


def test_strategy_frozen_full_has_two_phases():
    assert trainable_layers("frozen+full", phase=0)[1] == []
    assert "stage1_conv1" in trainable_layers("frozen+full", phase=1)[1]


def boundary(name, backbone="custom_cnn", phase=0):
    row = get_backbone(backbone)
    image = row.image_spec if row.fixed else ImageSpec(row.minimum, row.minimum)
    network = build_network(replace(SPEC, backbone=backbone, image_spec=image))
    strategy = get_strategy(name)
    return network, cacheable_boundary(network, strategy, strategy.phases[phase], row.last_frozen())


@pytest.mark.parametrize(
    ("name", "phase", "expected"),
    [("frozen", 0, "pool"), ("frozen+full", 0, "pool"), ("frozen+full", 1, None), ("full", 0, None)],
)
def test_cacheable_boundary_is_before_the_first_trainable_layer(name, phase, expected):
    assert boundary(name, phase=phase)[1] == expected


def test_cacheable_boundary_of_li2020_is_block5_conv1():
    assert boundary("last_n:5", "vgg19")[1] == "block5_conv1"


def test_cacheable_boundary_is_none_where_all_layers_are_trained():
    assert boundary("last_n:24", "vgg_like")[1] is not None
    layers = len(build_network(replace(SPEC, backbone="vgg_like")).layers)
    assert boundary(f"last_n:{layers - 3}", "vgg_like")[1] is None


def test_cacheable_boundary_among_branches_is_the_layer_before_they_part():
    """Inception's last 20 layers begin inside of the block that follows mixed9."""
    assert boundary("last_n:20", "inception_v3")[1] == "mixed9"


# Networks that the default tests and, of other families, the long tests take; the others are tested by hand.
QUICK = ("custom_cnn", "resnet50")
USUAL = (*QUICK, "vgg19", "efficientnet_lite0", "convnext_tiny", "googlenet", "inception_v3")


def marks(name):
    if name in QUICK:
        return ()
    return pytest.mark.slow if name in USUAL else pytest.mark.study


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=marks(row.name)) for row in BACKBONES],
    ids=lambda row: row.name,
)
def test_submodels_at_the_boundary_equal_the_network(row):
    network, cut = boundary("last_block", row.name)
    # ConvNeXt adds its branches in bare operations, which have no layer to cut at: its cut is a stage earlier.
    assert cut == {"convnext_tiny": "convnext_tiny_downsampling_block_1"}.get(row.name, row.last_frozen())
    pixels = parity_images(network.input.shape[1:], 4)
    whole = network.predict_on_batch(pixels)
    halves = submodel_from(network, cut).predict_on_batch(submodel_until(network, cut).predict_on_batch(pixels))
    np.testing.assert_allclose(halves, whole, atol=1e-4)


@pytest.mark.parametrize("head", [Head("plain"), Head("deep", pooling="max", normalize=True, dense=(16,), dropout=0.5)])
def test_submodel_from_pool_is_the_networks_head(head):
    network = build_network(replace(SPEC, head=head))
    pixels = parity_images((32, 32, 3), 16)
    vectors = submodel_until(network, "pool").predict_on_batch(pixels)
    assert vectors.shape == (16, 512)
    np.testing.assert_allclose(
        submodel_from(network, "pool").predict_on_batch(vectors), network.predict_on_batch(pixels), atol=1e-4
    )


def test_multi_stage_pooling_is_means_and_maxima_of_each_map():
    maps = [np.array([[[[1.0], [3.0]]]]), np.array([[[[2.0, -4.0]], [[6.0, -2.0]]]])]
    np.testing.assert_array_equal(MultiStagePooling2D()(maps), [[2, 3, 4, -3, 6, -2]])


def test_multi_stage_pooling_of_a_network():
    head = get_head("default")
    network = build_network(replace(SPEC, head=replace(head, pooling="multi_stage")))
    stages = [network.get_layer(layer).output.shape[-1] for _, layer in get_backbone("custom_cnn").stages[-4:-1]]
    assert network.get_layer("pool").output.shape[-1] == 2 * (sum(stages) + 512)
    assert backbone_of(network).output.shape[-1] == 512
    frozen, last_block = get_strategy("frozen"), get_strategy("last_block")
    block = get_backbone("custom_cnn").last_frozen()
    assert cacheable_boundary(network, frozen, frozen.phases[0], block) == "pool"
    assert (
        cacheable_boundary(network, last_block, last_block.phases[0], block) == get_backbone("custom_cnn").stages[1][1]
    )
    assert replace_head(network, replace(head, pooling="multi_stage"), 3).output.shape == (None, 3)
