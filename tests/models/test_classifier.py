"""A classifier: built, saved, loaded, and asked in every form."""

import json
from dataclasses import replace
from io import BytesIO

import keras
import numpy as np
import pytest
from PIL import Image

from fashion_keras import load_classifier
from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.builder import build_network, save_network
from fashion_keras.models.classifier import Classifier, ClassifierSpec
from fashion_keras.models.heads import Head, get_head
from fashion_keras.support.errors import InputError

SPEC = ClassifierSpec(
    backbone="custom_cnn",
    image_spec=ImageSpec(32, 32),
    scaling="tf",
    head=Head("plain"),
    task="article_type",
    groups=(
        LabelGroup("article_type", "single", ("Heels", "Shirts", "Watches"), (("Heels",), ("Shirts",), ("Watches",))),
    ),
)


def of_classes(count):
    """One group of so many classes."""
    return (replace(SPEC.groups[0], classes=("c",) * count, paths=(("c",),) * count),)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return build_network(SPEC)


@pytest.fixture(scope="module")
def classifier(network):
    return Classifier(SPEC, network.predict_on_batch)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 40, 30, 3), np.uint8)


def test_build_network_of_li2020_has_the_papers_parameter_counts():
    from fashion_keras.training.strategies import get_strategy, set_trainable

    spec = replace(SPEC, backbone="vgg19", image_spec=ImageSpec(80, 60), head=get_head("li2020"), groups=of_classes(23))
    network = build_network(spec)
    strategy = get_strategy("last_n:5")
    thawed = set_trainable(network, strategy, strategy.phases[0], "block4_pool", pretrained=True)
    assert thawed == ["block5_conv2", "block5_conv3", "block5_conv4"]
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert (round(trainable / 1e6, 2), round(network.count_params() / 1e6, 2)) == (7.35, 20.30)


def test_build_network_gives_float32_logits_in_any_precision():
    network = build_network(SPEC, "mixed_bfloat16")
    assert network.get_layer("stage3_conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    assert network.output.dtype == network.get_layer("scaling").compute_dtype == "float32"


def test_build_network_cuts_the_backbone_at_the_stage():
    network = build_network(replace(SPEC, cut="stage3"))
    assert network.get_layer("pool").input.shape[-1] == 128
    assert "stage4_out" not in [layer.name for layer in network.layers]


def test_predict_takes_every_form_of_an_image(classifier, images, tmp_path):
    paths, data, pil_images = [], [], []
    for number, pixels in enumerate(images):
        image = Image.fromarray(pixels)
        paths.append(tmp_path / f"{number}.png")
        image.save(paths[-1])
        buffer = BytesIO()
        image.save(buffer, "PNG")
        data.append(buffer.getvalue())
        pil_images.append(image)
    expected = classifier.predict(images).probabilities
    for form in (paths, data, pil_images, images.astype(np.float32)):
        np.testing.assert_allclose(classifier.predict(form).probabilities, expected, atol=1e-6)


def test_predict_takes_one_image_or_none(classifier, images):
    one = classifier.predict(images[0])
    np.testing.assert_allclose(one.probabilities, classifier.predict(images[:1]).probabilities)
    nothing = classifier.predict([])
    assert (len(nothing), nothing.names, nothing.to_dicts()) == (0, [], [])
    assert list(nothing.to_frame().columns)[:3] == ["id", "predicted", "confidence"]


def test_predict_takes_arrays_scaled_to_1(classifier, images):
    scaled, plain = classifier.predict(images / 255.0), classifier.predict(images)
    np.testing.assert_allclose(scaled.probabilities, plain.probabilities, atol=1e-4)


def test_predict_is_the_softmax_of_logits_over_temperature(network, images):
    pixels = decode_batch(images, SPEC.image_spec).astype(np.float32)
    logits = keras.ops.convert_to_numpy(network(pixels)).astype(np.float64)
    spec = replace(SPEC, groups=(replace(SPEC.groups[0], temperature=2.0),))
    predictions = Classifier(spec, network.predict_on_batch).predict(images)
    exponents = np.exp(logits / 2)
    np.testing.assert_allclose(predictions.probabilities, exponents / exponents.sum(axis=1, keepdims=True), rtol=1e-4)
    assert predictions.names == [SPEC.classes[code] for code in logits.argmax(axis=1)]
    best = predictions.top(3)[0]
    assert [name for name, _ in best] == [SPEC.classes[code] for code in np.argsort(-logits[0])]


def test_load_classifier_predicts_as_the_saved_network(classifier, network, images, tmp_path):
    save_network(SPEC, network, tmp_path)
    loaded = load_classifier(tmp_path)
    assert loaded.spec == SPEC
    np.testing.assert_array_equal(loaded.predict(images).probabilities, classifier.predict(images).probabilities)


def test_load_classifier_names_altered_and_missing_files(network, tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        load_classifier(tmp_path)
    save_network(SPEC, network, tmp_path)
    weights = tmp_path / "model.weights.h5"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.weights\.h5: the content does not match"):
        load_classifier(tmp_path)


def test_load_classifier_refuses_a_model_of_another_version(network, tmp_path):
    save_network(SPEC, network, tmp_path)
    values = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**values, "format": "fashion_keras.classifier/2"}))
    with pytest.raises(InputError, match=r"model\.json: format '.*classifier/2'; this version reads"):
        load_classifier(tmp_path)
