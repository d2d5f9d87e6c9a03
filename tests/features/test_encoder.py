"""Encoders: compiled for the machine, and only when they agree with Keras."""

import sys

import keras
import numpy as np
import pytest

from fashion_keras.features.compile import compile_encoder, network_identity
from fashion_keras.features.runtime import min_row_cosine, parity_images
from fashion_keras.models.builder import build_network, submodel_until
from fashion_keras.support.errors import InputError
from tests.helpers.specs import classifier_spec

SPEC = classifier_spec()
PIXELS = parity_images((32, 32, 3), 20)


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(5)
    network = build_network(SPEC)
    return keras.Model(network.input, network.get_layer("pool").output, name="custom_cnn")


@pytest.mark.parametrize(("precision", "agreement"), [("float32", 0.999999), ("bfloat16", 0.9995)])
def test_compile_encoder_agrees_with_keras_in_each_precision(backbone, precision, agreement):
    encoder = compile_encoder(backbone, SPEC.image_spec, "openvino", precision)
    assert (encoder.runtime, encoder.precision) == ("openvino", precision)
    assert min_row_cosine(encoder.forward(PIXELS), backbone.predict_on_batch(PIXELS)) >= agreement


def test_compile_encoder_for_tensorflow_is_keras_itself(backbone):
    encoder = compile_encoder(backbone, SPEC.image_spec, "tensorflow", "float32")
    np.testing.assert_array_equal(encoder.forward(PIXELS), backbone.predict_on_batch(PIXELS))


def test_compile_encoder_for_tensorflow_computes_in_mixed_precision(backbone):
    encoder = compile_encoder(backbone, SPEC.image_spec, "tensorflow", "bfloat16")
    assert (encoder.runtime, encoder.precision) == ("tensorflow", "bfloat16")
    outputs, reference = encoder.forward(PIXELS), backbone.predict_on_batch(PIXELS)
    assert outputs.dtype == np.float32
    assert 0.9995 <= min_row_cosine(outputs, reference) < 1


@pytest.mark.parametrize("stage", ["stage2_out", "stage4_out"])
def test_compile_encoder_of_any_stage_agrees_with_keras(backbone, stage):
    trunk = submodel_until(backbone, stage)
    encoder = compile_encoder(trunk, SPEC.image_spec, "openvino", "float32", "float16")
    outputs, reference = encoder.forward(PIXELS), trunk.predict_on_batch(PIXELS)
    assert outputs.shape == reference.shape == (20, *trunk.output.shape[1:])
    assert min_row_cosine(outputs, reference) >= 0.999999
    assert encoder.storage == "float16"


def test_fingerprint_differs_by_weights_precision_and_runtime(backbone):
    other = keras.models.clone_model(backbone)
    encoders = [
        compile_encoder(backbone, SPEC.image_spec, "openvino", "float32"),
        compile_encoder(backbone, SPEC.image_spec, "openvino", "bfloat16"),
        compile_encoder(backbone, SPEC.image_spec, "tensorflow"),
        compile_encoder(other, SPEC.image_spec, "tensorflow"),
    ]
    assert len({encoder.fingerprint for encoder in encoders}) == 4
    assert compile_encoder(backbone, SPEC.image_spec, "tensorflow").fingerprint == encoders[2].fingerprint


def test_compile_encoder_falls_back_when_outputs_differ(backbone, monkeypatch, caplog):
    monkeypatch.setattr("fashion_keras.features.runtime.PARITY", {"float32": 1.1, "bfloat16": 1.1})
    encoder = compile_encoder(backbone, SPEC.image_spec)
    assert (encoder.runtime, encoder.precision) == ("tensorflow", "float32")
    assert "differs from Keras" in caplog.text
    np.testing.assert_array_equal(encoder.forward(PIXELS), backbone.predict_on_batch(PIXELS))


def test_network_identity_is_of_the_settings_as_well_as_of_the_weights():
    def network(activation, strides=1, rate=0.5):
        pixels = keras.Input((32, 32, 3))
        features = keras.layers.Conv2D(2, 3, strides, activation=activation, kernel_initializer="ones")(pixels)
        return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(features))

    def identity(*settings):
        return network_identity(network(*settings), SPEC.image_spec)

    assert len({identity("relu"), identity("elu"), identity("relu", 2)}) == 3
    assert identity("relu") == identity("relu")  # whatever Keras calls the layers this time


def test_network_identity_does_not_depend_on_names_that_keras_gives():
    def network():
        pixels = keras.Input((32, 32, 3))
        features = keras.layers.Activation("relu")(keras.layers.Conv2D(2, 3, kernel_initializer="ones")(pixels))
        return keras.Model(pixels, features * (features + 1.0))

    keras.backend.clear_session()
    first, second = network(), network()
    assert first.layers[2].name == "activation" != second.layers[2].name
    assert network_identity(first, SPEC.image_spec) == network_identity(second, SPEC.image_spec)


def test_network_identity_is_of_the_connections():
    def network(swap):
        first, second = keras.Input((4,)), keras.Input((4,))
        layers = [keras.layers.Dense(2, kernel_initializer="ones") for _ in range(2)]
        outputs = [layer(given) for layer, given in zip(layers, (first, second), strict=True)]
        return keras.Model([first, second], keras.layers.Subtract()(outputs[::-1] if swap else outputs))

    identities = [network_identity(network(swap), SPEC.image_spec) for swap in (False, True, False)]
    assert identities[0] == identities[2] != identities[1]


def test_compile_encoder_refuses_a_network_with_nan_weights():
    pixels = keras.Input((32, 32, 3))
    network = keras.Model(pixels, keras.layers.Dense(2, bias_initializer=keras.initializers.Constant(np.nan))(pixels))
    with pytest.raises(InputError, match="NaN or infinite; its weights are damaged"):
        compile_encoder(network, SPEC.image_spec)


def test_compile_encoder_without_openvino(backbone, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("fashion_keras.features.runtime.find_spec", lambda _: None)
    assert compile_encoder(backbone, SPEC.image_spec).runtime == "tensorflow"
    with pytest.raises(InputError, match="OpenVINO is not installed"):
        compile_encoder(backbone, SPEC.image_spec, "openvino")
