"""Autoencoders: the layers of li2020, reconstruction, and the encoder half."""

import keras
import numpy as np
import pytest

from fashion_keras.features.runtime import parity_images
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.architectures.autoencoder import build_autoencoder, encoder_half, encoder_spec
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import build_network
from fashion_keras.support.errors import InputError

NAMES = ("li2020_autoencoder", "autoencoder")
# (3 x 3 x channels in + 1 bias) x filters of each of the paper's convolutions.
ENCODER = [(9 * 3 + 1) * 16, (9 * 16 + 1) * 8, (9 * 8 + 1) * 8]
DECODER = [(9 * 8 + 1) * 8, (9 * 8 + 1) * 8, (9 * 8 + 1) * 16, (9 * 16 + 1) * 3]


def test_li2020_autoencoder_has_the_papers_layers():
    network = build_autoencoder("li2020_autoencoder")
    counts = [layer.count_params() for layer in network.layers if layer.weights]
    assert counts == ENCODER + DECODER
    assert get_backbone("li2020_autoencoder").parameters == sum(ENCODER) == 2192
    sides = [layer.output.shape[1] for layer in network.layers if "pool" in layer.name or "decode_" in layer.name]
    assert sides == [30, 15, 8, 8, 16, 16, 32, 30, 60]


@pytest.mark.parametrize("name", NAMES)
def test_build_autoencoder_maps_an_image_to_512_numbers_and_back(name):
    image = get_backbone(name).image_spec
    assert (image.height, image.width) == {"li2020_autoencoder": (60, 60), "autoencoder": (80, 60)}[name]
    pixels = parity_images((image.height, image.width, 3), 5)
    drawn = build_autoencoder(name, "mixed_bfloat16").predict_on_batch(pixels)
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() <= drawn.max() <= 1
    vectors = build_network(encoder_spec(name)).predict_on_batch(pixels)
    assert vectors.shape == (5, 512)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_build_autoencoder_reconstructs_from_the_code_alone(name):
    network = build_autoencoder(name)
    code = network.get_layer("decode").input
    assert code.shape == (None, 1, 1, 512)
    halves = keras.Model(network.input, code), keras.Model(code, network.output)
    pixels = parity_images(network.input.shape[1:], 4)
    drawn = halves[1].predict_on_batch(halves[0].predict_on_batch(pixels))
    np.testing.assert_allclose(drawn, network.predict_on_batch(pixels), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_encoder_half_has_the_weights_of_the_autoencoder(name):
    network = build_autoencoder(name)
    code = keras.Model(network.input, network.get_layer("decode").input)
    pixels = parity_images(network.input.shape[1:], 4)
    codes = code.predict_on_batch(pixels)[:, 0, 0]
    expected = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder_half(network).predict_on_batch(pixels), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "size"), [("li2020_autoencoder", (80, 60)), ("autoencoder", (60, 60))])
def test_check_size_refuses_another_size_than_the_autoencoders(name, size):
    with pytest.raises(InputError, match=rf"takes images of \d+x60 only, not {size[0]}x60"):
        get_backbone(name).check_size(ImageSpec(*size))


def test_build_autoencoder_refuses_an_unknown_name_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'autoencoder'"):
        build_autoencoder("autoencodr")
