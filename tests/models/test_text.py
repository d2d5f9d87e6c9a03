"""Tokens of texts, and the text tower in Keras and in NumPy."""

import numpy as np
import pytest

from fashion_keras.features.text import TextEncoder
from fashion_keras.models.architectures.text_tower import build_text_tower
from fashion_keras.models.builder import save_network
from fashion_keras.models.serialization import TEXT, load_spec
from fashion_keras.models.text import TextSpec, token_ids
from fashion_keras.support.errors import InputError

SPEC = TextSpec(width=8, buckets=512, dim=6, hidden=10, tokens=24)


def tokens(text):
    return [number for number in token_ids([text], SPEC)[0].tolist() if number]


def test_token_ids_of_a_word_are_the_word_and_its_trigrams():
    # red; <re, red, ed>
    assert len(tokens("red")) == 4
    # red, dress; red dress; <re, red, ed>; <dr, dre, res, ess, ss>
    assert len(tokens("red dress")) == 2 + 1 + 3 + 5
    assert set(tokens("red")) < set(tokens("red dress"))


def test_token_ids_ignore_case_width_of_letters_and_punctuation():
    assert tokens("Red, DRESS!") == tokens("red dress") == tokens("ｒｅｄ dress")
    assert tokens("dresses") == tokens("Dress")
    assert tokens("कमीज") and tokens("シャツ")


def test_token_ids_stand_for_words_first_and_end_with_zeros():
    ids = token_ids(["red", "a very long name of a product with many words and letters"], SPEC)
    assert ids.shape == (2, 24)
    assert (ids[0] > 0).tolist() == [True] * 4 + [False] * 20
    assert (ids[1] > 0).all()
    assert ids.max() <= 512


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    """A tower of random weights, and the folder that holds it."""
    import keras

    keras.utils.set_random_seed(3)
    network, folder = build_text_tower(SPEC), tmp_path_factory.mktemp("encoder")
    save_network(SPEC, network, folder / TEXT)
    return network, folder


def test_text_encoder_equals_the_network_in_keras(tower):
    network, folder = tower
    texts = ["navy blue shirt", "Heels", "women's running shoes for sports", "साड़ी"]
    embeddings = TextEncoder(folder).embed(texts)
    np.testing.assert_allclose(embeddings, network.predict_on_batch(token_ids(texts, SPEC)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    # A text does not depend on those beside it.
    np.testing.assert_array_equal(TextEncoder(folder).embed(texts[:1]), embeddings[:1])


@pytest.mark.parametrize("text", ["", "  ", "!?…"])
def test_text_encoder_refuses_a_text_without_words(tower, text):
    with pytest.raises(InputError, match="has no words"):
        TextEncoder(tower[1]).embed(["red", text])


def test_text_encoder_refuses_altered_weights(tmp_path):
    save_network(SPEC, build_text_tower(SPEC), tmp_path / TEXT)
    weights = tmp_path / TEXT / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="does not match the sha256"):
        TextEncoder(tmp_path).embed(["red"])


def test_load_spec_refuses_a_text_tower_and_says_what_to_give(tower):
    with pytest.raises(InputError, match="a text tower; give the folder of its encoder"):
        load_spec(tower[1] / TEXT)
