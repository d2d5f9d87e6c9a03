"""Image-text training: which captions describe an image, the two losses, and a trained encoder from end to end."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.features.registry import load_encoder
from fashion_keras.features.zero_shot import NONE, ZeroShotClassifier
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.config import EncoderConfig
from fashion_keras.training.encoder.image_text import described, image_text_loss
from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder

# Classes (name, type, color) of four images, and which of them their captions name.
CODES = [[0, 5, 1], [1, 5, 1], [2, 5, -1], [3, 6, 1]]
NAMED = [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]]
# Rows are images, columns captions: "type 5", "name 1", "type 5", "type 6, color 1".
DESCRIBED = [[1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 1]]


def targets():
    return np.hstack([CODES, NAMED]).astype(np.float32)


def with_images(logits):
    """Logits of pairs, and embeddings of the images, of width 2."""
    return np.hstack([logits, np.tile(np.float32([1, 0]), (4, 1))])


def test_described_holds_for_all_images_with_the_classes_that_a_caption_names():
    np.testing.assert_array_equal(described(targets()), DESCRIBED)


def test_described_is_false_where_a_named_class_is_unknown():
    rows = np.float32([[0, -1, 1, 0, 0, 1], [1, -1, 1, 0, 1, 1]])
    np.testing.assert_array_equal(described(rows), [[1, 0], [1, 0]])


def test_clip_loss_is_the_mean_of_both_directions_over_the_positives():
    logits = np.float32(np.random.default_rng(0).normal(size=(4, 4)))
    positive = np.array(DESCRIBED, float)

    def one_way(positive, logits):
        shares = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
        return -(positive * shares).sum(axis=1) / positive.sum(axis=1)

    expected = (one_way(positive, logits) + one_way(positive.T, logits.T)) / 2
    np.testing.assert_allclose(image_text_loss("clip", 2, 0)(targets(), with_images(logits)), expected, rtol=1e-5)


def test_siglip_loss_is_the_binary_cross_entropy_of_all_pairs():
    logits = np.zeros((4, 4), np.float32)
    logits[3, 3], logits[0, 1] = 2, -1
    losses = np.asarray(image_text_loss("siglip", 2, 0)(targets(), with_images(logits)))
    log2 = math.log(2)
    expected = [3 * log2 + math.log(1 + math.exp(-1)), 4 * log2, 4 * log2, 3 * log2 + math.log(1 + math.exp(-2))]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.fixture(scope="module")
def config(sample):
    return EncoderConfig(
        data=str(sample), backbone="fashion_small", width=32, epochs=6, batch_size=64, precision="float32", views=1,
        labels="article_type,base_colour,title", learning_rate=3e-3, loss="clip", limit=500,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    return train_encoder(replace(config, out=str(tmp_path_factory.mktemp("image-text") / "encoder")))


@pytest.mark.slow
def test_train_encoder_with_clip_makes_images_and_texts_comparable(trained):
    report = read_json(trained.folder / "report.json")
    scores = report["held_out"]
    assert scores["text to product name recall@10"]["value"] > 3 * 10 / report["counts"]["held_out"]
    assert 0 < report["zero_shot"]["temperature"] < 3
    encoder = load_encoder(trained.folder)
    texts = encoder.embed_text(["red shirt", "blue bag"])
    assert texts.shape == (2, 32)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert encoder.embed_text("red shirt").shape == (1, 32)
    assert encoder.embed_text([]).shape == (0, 32)


@pytest.mark.slow
def test_train_encoder_resumes_with_its_texts(config, trained, tmp_path):
    import keras

    class StopAfter(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    folder = tmp_path / "encoder"
    with pytest.raises(KeyboardInterrupt):
        train_encoder(replace(config, out=str(folder)), callbacks=[StopAfter()])
    resumed = resume_encoder(folder)
    assert resumed.report.held_out == trained.report.held_out


@pytest.mark.slow
def test_zero_shot_classifier_gives_each_label_and_none_of_them_a_probability(trained, sample):
    from fashion_keras.catalog.readers import read_catalog

    encoder, paths = load_encoder(trained.folder), read_catalog(sample).paths[:6]
    predictions = ZeroShotClassifier(encoder, ["shirt", "bag"]).predict(paths)
    assert predictions.classes == ("shirt", "bag", NONE)
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-5)
    spec = encoder.text.spec
    logits = (
        np.hstack([encoder.embed(paths) @ encoder.embed_text(["shirt", "bag"]).T, np.full((6, 1), spec.floor)])
        / spec.temperature
    )
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictions.probabilities, expected, atol=1e-4)
    heads = ZeroShotClassifier(encoder, [["shirt", "bag"], ["red", "blue"]]).predict(paths[:1]).to_dicts()
    assert list(heads[0]["heads"]) == ["labels 1", "labels 2"]


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[], ["shirt"], ["shirt", "shirt"]])
def test_zero_shot_classifier_refuses_fewer_than_two_labels(trained, labels):
    with pytest.raises(InputError, match="two or more different"):
        ZeroShotClassifier(load_encoder(trained.folder), labels)


def test_embed_text_of_an_encoder_of_images_alone_says_how_to_get_words():
    with pytest.raises(InputError, match="no text tower: take fashion_encoder, or train one with"):
        load_encoder("fashion_small").embed_text("red shirt")


@pytest.mark.slow
def test_predict_with_labels_classifies_without_training(trained, sample, command):
    from fashion_keras.catalog.readers import read_catalog

    path = read_catalog(sample).paths[0]
    done = command("predict", trained.folder, path, "--labels", "shirt,bag", "--json")
    assert done.returncode == 0, done.stderr
    assert '"class"' in done.stdout and NONE in done.stdout
    refused = command("predict", trained.folder, path, "--labels", "shirt")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == "error: labels are two or more different ones, not shirt"
