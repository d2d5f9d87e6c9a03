"""Text tower of an image-text encoder: token ids -> embeddings."""

import keras
from keras import layers

from fashion_keras.models.text import TextSpec


def build_text_tower(spec: TextSpec) -> keras.Model:
    """Build token ids [b, tokens] int32 -> embeddings [b, width] float32 of length 1: the tokens' mean, two layers.

    A text needs a token: the mean of none is NaN.
    """
    ids = keras.Input((spec.tokens,), dtype="int32", name="tokens")
    x = layers.Embedding(spec.buckets + 1, spec.dim, mask_zero=True, name="table")(ids)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dense(spec.hidden, "relu", name="hidden")(x)
    x = layers.Dense(spec.width, name="projection")(x)
    return keras.Model(ids, layers.UnitNormalization(name="embedding")(x), name="text")
