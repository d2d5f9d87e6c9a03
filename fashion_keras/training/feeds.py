"""What a network learns from, batch by batch: pictures, or the vectors of a backbone that does not change."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_keras.encoding.encoder import compile_encoder
from fashion_keras.encoding.vectors import View, encode
from fashion_keras.images.augment import Augmentation, augment_batch, get_augmentation
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import Examples, for_training
from fashion_keras.training.balance import epoch_rows, smote

Order = Callable[[int], NDArray[np.int64]]


class Feed(Protocol):
    """Batches (inputs, one-hot targets, weights) for training and for validation, and what they are fed to."""

    def learner(self, network: keras.Model) -> keras.Model:
        """Return the part of `network` that takes the inputs."""

    def training(self, epochs: range) -> tf.data.Dataset:
        """Yield the batches of these epochs, one after the other."""

    def validation(self) -> tf.data.Dataset:
        """Yield the validation batches."""

    @property
    def steps(self) -> tuple[int, int]:
        """Steps in a training epoch, and in a validation."""


@dataclass(frozen=True)
class Sampling:
    """How rows become batches: k classes, balance of classes, batch size, seed."""

    classes: int
    balance: str
    batch_size: int
    seed: int

    def order(self, codes: NDArray[np.int64]) -> Order:
        """Return epoch -> rows."""
        return lambda epoch: epoch_rows(codes, self.balance, self.seed, int(epoch))

    def steps(self, train: Examples, validation: Examples) -> tuple[int, int]:
        """Return the steps in a training epoch, and in a validation."""
        rows = len(self.order(train.codes)(0)), len(validation)
        return math.ceil(rows[0] / self.batch_size), math.ceil(rows[1] / self.batch_size)


@dataclass(frozen=True)
class ImageFeed:
    """Pictures, decoded and augmented as they are needed, for the whole network."""

    train: Examples
    held_out: Examples
    sampling: Sampling
    image: ImageSpec
    augmentation: Augmentation
    cache: bool = False

    def learner(self, network: keras.Model) -> keras.Model:
        """The network itself."""
        return network

    @property
    def steps(self) -> tuple[int, int]:
        """See `Feed`."""
        return self.sampling.steps(self.train, self.held_out)

    def training(self, epochs: range) -> tf.data.Dataset:
        """See `Feed`."""
        return self._batches(self.train, self.augmentation, self.sampling.order(self.train.codes), epochs)

    def validation(self) -> tf.data.Dataset:
        """See `Feed`."""
        rows = np.arange(len(self.held_out))
        return self._batches(self.held_out, get_augmentation("none"), lambda _: rows, range(1))

    def _batches(self, examples: Examples, augmentation: Augmentation, order: Order, epochs: range) -> tf.data.Dataset:
        sampling = self.sampling
        return for_training(
            examples, sampling.classes, self.image, augmentation, order, epochs, sampling.batch_size, sampling.seed,
            self.cache,
        )  # fmt: skip


@dataclass(frozen=True)
class VectorFeed:
    """Vectors of a frozen backbone, for the head alone.

    Attributes:
        train, held_out: labelled images, for their codes and weights.
        views [v, n, d] float32: v augmented views of each training image; every epoch takes one of them at random.
        vectors [m, d] float32: of the validation images.
        sampling: see `Sampling`.
    """

    train: Examples
    held_out: Examples
    views: NDArray[np.float32]
    vectors: NDArray[np.float32]
    sampling: Sampling

    def learner(self, network: keras.Model) -> keras.Model:
        """The head: it shares its layers with the network."""
        return keras.Model(network.get_layer("pool").output, network.output)

    @property
    def steps(self) -> tuple[int, int]:
        """See `Feed`."""
        return self.sampling.steps(self.train, self.held_out)

    def training(self, epochs: range) -> tf.data.Dataset:
        """See `Feed`."""
        order = self.sampling.order(self.train.codes)

        def batches() -> Iterator[tuple[np.ndarray, ...]]:
            for epoch in epochs:
                rows = order(epoch)
                views = np.random.default_rng((self.sampling.seed, epoch)).integers(len(self.views), size=len(rows))
                yield from self._batches(self.views[views, rows], self.train, rows)

        return self._dataset(batches)

    def validation(self) -> tf.data.Dataset:
        """See `Feed`."""
        rows = np.arange(len(self.held_out))
        return self._dataset(lambda: self._batches(self.vectors, self.held_out, rows))

    def _batches(self, vectors: np.ndarray, examples: Examples, rows: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        targets = np.eye(self.sampling.classes, dtype=np.float32)[examples.codes[rows]]
        for start in range(0, len(rows), self.sampling.batch_size):
            part = slice(start, start + self.sampling.batch_size)
            yield vectors[part], targets[part], examples.weights[rows[part]]

    def _dataset(self, batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]) -> tf.data.Dataset:
        shapes = ((None, self.vectors.shape[1]), (None, self.sampling.classes), (None,))
        signature = tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def augmented_views(augmentation: Augmentation, count: int, seed: int) -> list[View]:
    """Return the views beside the plain one that make `count` in all; none without augmentation."""

    def change(number: int) -> Callable[[NDArray[np.float32], int], NDArray[np.float32]]:
        return lambda pixels, place: augment_batch(
            tf.constant(pixels), tf.constant([seed, number * 10**9 + place], tf.int64), augmentation
        ).numpy()

    count = 1 if augmentation == get_augmentation("none") else count
    return [
        View(f"{augmentation.name}, view {number}", f"{augmentation}, seed {seed}, view {number}", change(number))
        for number in range(1, count)
    ]


def encode_feed(network: keras.Model, feed: ImageFeed, views: list[View], runtime: str, precision: str) -> VectorFeed:
    """Encode the images of a feed once per view: what `network`, in float32, says at its pooling layer."""
    backbone = keras.Model(network.input, network.get_layer("pool").output, name=network.name)
    encoder = compile_encoder(backbone, feed.image, runtime, precision)
    vectors = np.stack([encode(feed.train.images, encoder, view) for view in (None, *views)])
    train = feed.train
    if feed.sampling.balance == "smote":
        vectors, codes = smote(vectors, train.codes, feed.sampling.seed)
        train = Examples((), codes, np.ones(len(codes), np.float32))
    return VectorFeed(train, feed.held_out, vectors, encode(feed.held_out.images, encoder), feed.sampling)
