"""PCA whitening: features without correlation, of variance 1; and the encoder that comes out."""

import numpy as np
import pytest

from fashion_keras.features.registry import encoder_network, load_encoder, resolve_encoder
from fashion_keras.models.builder import submodel_until
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.config import WhiteningConfig
from fashion_keras.training.encoder.whitening import whiten_encoder, whitening


def test_whitening_gives_features_without_correlation_and_variance_1():
    random = np.random.default_rng(0)
    features = (random.normal(size=(500, 6)) @ random.normal(size=(6, 6)) + 7).astype(np.float32)
    kernel, bias = whitening(features, 4)
    np.testing.assert_allclose(np.cov(features @ kernel + bias, rowvar=False), np.eye(4), atol=1e-3)


def test_whitening_components_are_those_of_most_variance():
    random = np.random.default_rng(0)
    features = random.normal(size=(500, 3)) * [1, 10, 3]
    kernel, _ = whitening(features, 2)
    assert np.abs(kernel).argmax(axis=0).tolist() == [1, 2]


@pytest.mark.parametrize("width", [0, 4])
def test_whitening_refuses_more_directions_than_there_are(width):
    flat = np.random.default_rng(0).normal(size=(50, 3)) @ np.ones((3, 5)) + np.arange(5)
    with pytest.raises(InputError, match="must be from 1 to 1"):
        whitening(flat, width)


@pytest.mark.slow
def test_whiten_encoder_makes_an_encoder(sample, tmp_path):
    config = WhiteningConfig("custom_cnn@stage2", 16, "none", data=sample, out=tmp_path / "white")
    folder = whiten_encoder(config)
    assert (folder / "training_products.txt").is_file()
    images = sorted(sample.glob("images/*.jpg"))[:40]
    embeddings = load_encoder(folder, precision="float32").embed(images)
    assert embeddings.shape == (40, 16)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    network = encoder_network(resolve_encoder(str(folder)))
    plain = encoder_network(resolve_encoder("custom_cnn@stage2", "none"))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 80, 60, 3)).astype(np.float32)
    np.testing.assert_allclose(
        submodel_until(network, "pool").predict(pixels, verbose=0),
        submodel_until(plain, "pool").predict(pixels, verbose=0),
        atol=1e-6,
    )


def test_whiten_encoder_refuses_an_encoder_with_layers_on_its_pooling(run):
    with pytest.raises(InputError, match="pooled features"):
        whiten_encoder({"encoder": run.folder, "width": 8})
