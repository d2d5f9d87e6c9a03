"""Every row of the table against the real network."""

import keras
import numpy as np
import pytest

from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.backbones import BACKBONES, get_backbone
from fashion_keras.support.errors import InputError

PREPROCESS = {
    "vgg16": keras.applications.vgg16,
    "vgg19": keras.applications.vgg19,
    "inception_v3": keras.applications.inception_v3,
    "resnet50": keras.applications.resnet50,
    "resnet101": keras.applications.resnet,
    "mobilenet_v3_large": keras.applications.mobilenet_v3,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2,
    "convnext_tiny": keras.applications.convnext,
}


@pytest.mark.parametrize("row", BACKBONES, ids=lambda row: row.name)
def test_backbone_row_describes_its_network(row):
    network = row.build(keras.Input((row.minimum, row.minimum, 3)))
    assert network.count_params() == row.parameters
    assert network.output.shape[-1] == row.width
    places = [[layer.name for layer in network.layers].index(end) for _, end in row.stages if end]
    assert places == sorted(places)
    ends = [network.get_layer(end).output.shape[1] for _, end in row.stages if end]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("row", [row for row in BACKBONES if row.of_keras], ids=lambda row: row.name)
def test_backbone_minimum_is_the_smallest_size_that_keras_builds(row):
    function = getattr(keras.applications, row.builder.split(":")[1])
    with pytest.raises(ValueError, match="Input size must be at least"):
        function(include_top=False, weights=None, input_shape=(row.minimum - 1, row.minimum, 3))


@pytest.mark.parametrize("name", PREPROCESS)
def test_scaling_equals_preprocess_input(name):
    from fashion_keras.models.layers import Scaling

    pixels = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    expected = PREPROCESS[name].preprocess_input(pixels.copy())
    np.testing.assert_allclose(Scaling(get_backbone(name).scaling)(pixels), expected, atol=1e-4)


def test_scaling_unit_is_that_of_li2020():
    from fashion_keras.models.layers import Scaling

    assert np.array(Scaling("unit")(np.array([[[[0.0, 51.0, 255.0]]]]))).ravel() == pytest.approx([0, 0.2, 1])


def test_scaling_lite_is_that_of_the_published_weights():
    from fashion_keras.models.layers import Scaling

    assert np.array(Scaling("lite")(np.array([[[[0.0, 127.0, 255.0]]]]))).ravel() == pytest.approx([-0.9921875, 0, 1])


def test_check_size_refuses_a_small_image_with_the_remedy():
    with pytest.raises(InputError, match="--image-size 75x75"):
        get_backbone("inception_v3").check_size(ImageSpec(60, 60))


def test_get_backbone_and_stage_end_refuse_unknown_names_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'resnet50'"):
        get_backbone("resnet5O")
    with pytest.raises(InputError, match="did you mean 'mixed7'"):
        get_backbone("inception_v3").stage_end("mixd7")


def test_last_frozen_is_the_layer_before_the_last_stage():
    assert get_backbone("vgg19").last_frozen() == "block4_pool"
    assert get_backbone("inception_v3").last_frozen("mixed7") == "mixed6"


def test_last_frozen_is_the_layer_before_the_last_stages():
    assert get_backbone("vgg19").last_frozen(stages=2) == "block3_pool"
    assert get_backbone("inception_v3").last_frozen("mixed7", stages=7) == "mixed0"
    assert get_backbone("efficientnet_lite2").last_frozen(stages=6) == "block1a_project_bn"


def test_last_frozen_refuses_as_many_stages_as_there_are():
    with pytest.raises(InputError, match="last_block:5 needs more than 5 stages; vgg19 has 5"):
        get_backbone("vgg19").last_frozen(stages=5)
    with pytest.raises(InputError, match="last_block:1 needs more than 1 stages; inception_v3 up to mixed0 has 1"):
        get_backbone("inception_v3").last_frozen("mixed0")
