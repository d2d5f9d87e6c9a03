"""Image-text training: images and captions that describe them get similar embeddings.

CLIP (Radford et al. 2021, arXiv:2103.00020) and SigLIP (Zhai et al. 2023, arXiv:2303.15343), with every caption of a
batch that is true of an image as its positive, not its own alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from fashion_keras.models.text import TextSpec
from fashion_keras.training.encoder.captions import Captions
from fashion_keras.training.feeds import Feed
from fashion_keras.training.trainer import Loss

# Initial scale of the cosines, and SigLIP's initial bias, as published; the scale stays below 100, as in CLIP.
_SCALE, _BIAS, _MAX_SCALE = 10.0, -10.0, 100.0


class PairLogits(keras.layers.Layer):
    """Embeddings of images [b, d] and texts [b, d], of length 1 -> [b, b + d]: logits of each pair, then the images.

    Logits are cosines times a scale, plus a bias; both are trained, but for a bias of None, which stays 0.
    """

    def __init__(self, bias: float | None = None, **options: Any) -> None:  # noqa: ANN401 - Keras' own options
        super().__init__(**options)
        self.initial_bias = bias

    def build(self, shape: Any) -> None:  # noqa: ANN401
        """Create scale and bias, scalars."""
        constant = keras.initializers.Constant
        self.log_scale = self.add_weight(name="log_scale", shape=(), initializer=constant(math.log(_SCALE)))
        has_bias = self.initial_bias is not None
        self.bias = self.add_weight(
            name="bias", shape=(), initializer=constant(self.initial_bias or 0.0), trainable=has_bias
        )

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return the logits of each image, a row, with each text; and its embedding."""
        images, texts = inputs
        scale = ops.minimum(ops.exp(self.log_scale), _MAX_SCALE)
        return ops.concatenate([scale * (images @ ops.transpose(texts)) + self.bias, images], axis=1)


@dataclass(frozen=True, kw_only=True)
class CaptionedFeed(Feed):
    """Training batches of `images`, a feed, with captions: ((inputs, token ids [b, t]), targets [b, c + 2 l]).

    The targets are the c columns of those of `images`, the l classes that captions name, and which of them the caption
    of each product names.
    """

    images: Feed
    captions: Captions
    spec: TextSpec

    def learner(self, network: keras.Model) -> keras.Model:
        """Return the layers that take the inputs of `images`, and the text tower."""
        return keras.Model([self.images.inputs(network), network.inputs[1]], network.output)

    def training(self, epochs: range) -> tf.data.Dataset:
        """See `Feed`."""

        def captions() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for epoch in epochs:
                random, rows = np.random.default_rng((self.seed, epoch, 1)), self.order(epoch)
                for start in range(0, len(rows), self.batch_size):
                    yield self.captions.tokens(rows[start : start + self.batch_size], self.spec, random)

        width = 2 * self.captions.codes.shape[1]
        signature = (tf.TensorSpec((None, self.spec.tokens), tf.int32), tf.TensorSpec((None, width), tf.float32))
        texts = tf.data.Dataset.from_generator(captions, output_signature=signature)
        batches = tf.data.Dataset.zip(self.images.training(epochs), texts)
        joined = batches.map(lambda images, text: ((images[0], text[0]), tf.concat([images[1], text[1]], axis=1)))
        return joined.prefetch(2)


def captioned(images: Feed, captions: Captions, spec: TextSpec) -> CaptionedFeed:
    """Return a feed with captions of its training images."""
    shared = {name: getattr(images, name) for name in ("train", "held_out", "order", "batch_size", "seed")}
    return CaptionedFeed(**shared, images=images, captions=captions, spec=spec)


def joint_network(network: keras.Model, tower: keras.Model, loss: str) -> keras.Model:
    """Return pixels [b, h, w, 3] and token ids [b, t] -> `PairLogits` of an image encoder and a text tower."""
    ids = keras.Input(tower.input.shape[1:], dtype="int32", name="tokens")
    pairs = PairLogits(_BIAS if loss == "siglip" else None, name="pairs", dtype="float32")
    return keras.Model([network.input, ids], pairs([network.output, tower(ids)]), name=network.name)


def image_text_loss(loss: str, width: int, labels: int, similarity: Loss | None = None) -> Loss:
    """Return the loss of targets as of `CaptionedFeed`, with c = `labels`, and `PairLogits` of embeddings of a width.

    `similarity` is a loss of the first `labels` targets and the images' embeddings [b, d] that is added.
    """
    function: Callable[..., keras.KerasTensor] = {"clip": _softmax_loss, "siglip": _sigmoid_loss}[loss]

    def joint(targets: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        pairs = function(described(targets[:, labels:]), outputs[:, :-width])
        return pairs + similarity(targets[:, :labels], outputs[:, -width:]) if similarity else pairs

    return joint


def described(targets: keras.KerasTensor) -> keras.KerasTensor:
    """Return [b, b] float32 of classes and named ones [b, 2 l]: 1 where the column's caption describes the row's image.

    It does where the image has, of all classes that the caption names, the same as the caption's own image.
    """
    codes, named = ops.split(targets, 2, axis=1)
    same = ops.logical_and(codes[:, None, :] == codes[None, :, :], codes[None, :, :] >= 0)
    return ops.cast(ops.all(ops.logical_or(same, named[None, :, :] == 0), axis=2), "float32")


def _softmax_loss(positive: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Return [b]: the mean of both directions, each the mean negative log-likelihood of the positives."""

    def one_way(positive: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        return -ops.sum(positive * ops.log_softmax(logits), axis=1) / ops.maximum(ops.sum(positive, axis=1), 1)

    return (one_way(positive, logits) + one_way(ops.transpose(positive), ops.transpose(logits))) / 2


def _sigmoid_loss(positive: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Return [b]: for each image, the sum over all texts of the binary cross-entropy."""
    return ops.sum(ops.where(positive > 0, ops.softplus(-logits), ops.softplus(logits)), axis=1)
