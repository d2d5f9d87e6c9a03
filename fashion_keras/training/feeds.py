"""What a network learns from, batch by batch: pictures, or what the part of it that stays as it is says of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zlib import crc32

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.cache import AugmentedView, LazyArray, encode
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.augment import Augmentation, get_augmentation
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import Examples, for_training
from fashion_keras.images.transforms import N_RANDOM_PARAMETERS, augment_batch
from fashion_keras.models.builder import submodel_from
from fashion_keras.training.balance import epoch_rows, smote

Order = Callable[[int], NDArray[np.int64]]


class Feed(Protocol):
    """Batches (inputs, targets) for training and for validation, and what they are fed to."""

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
    """How rows become batches: balance of classes, batch size, seed."""

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
    image_spec: ImageSpec
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
            examples, self.image_spec, augmentation, order, epochs, sampling.batch_size, sampling.seed,
            self.cache,
        )  # fmt: skip


@dataclass(frozen=True)
class VectorFeed:
    """What the frozen part of a network says of each image, for the layers after it.

    Attributes:
        train, held_out: labelled images, for their targets.
        cut: the layer with which the frozen part ends.
        views [v, n, ...]: its float32 outputs for v augmented views of each training image; every epoch takes one of
            them at random.
        vectors [m, ...]: for the validation images.
        sampling: see `Sampling`.
    """

    train: Examples
    held_out: Examples
    cut: str
    views: LazyArray | NDArray[np.float32]
    vectors: LazyArray
    sampling: Sampling

    def learner(self, network: keras.Model) -> keras.Model:
        """The layers after the cut."""
        return submodel_from(network, self.cut)

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
                for part in self._parts(len(rows)):
                    yield self.views[views[part], rows[part]], self.train.targets[rows[part]]

        return self._dataset(batches)

    def validation(self) -> tf.data.Dataset:
        """See `Feed`."""
        parts = self._parts(len(self.held_out))
        return self._dataset(lambda: ((self.vectors[part], self.held_out.targets[part]) for part in parts))

    def _parts(self, count: int) -> list[slice]:
        size = self.sampling.batch_size
        return [slice(start, start + size) for start in range(0, count, size)]

    def _dataset(self, batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]) -> tf.data.Dataset:
        targets = self.train.targets
        signature = (
            tf.TensorSpec((None, *self.vectors.shape[1:]), tf.float32),
            tf.TensorSpec((None, *targets.shape[1:]), tf.as_dtype(targets.dtype)),
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def augmented_views(augmentation: Augmentation, count: int, seed: int) -> list[AugmentedView]:
    """Return the views beside the plain one that make `count` in all; none without augmentation.

    What a view does to an image depends on the seed, the view's number and the name of the image's file.
    """

    def change(number: int) -> Callable[[NDArray[np.float32], Sequence[str]], NDArray[np.float32]]:
        def augmented(pixels: NDArray[np.float32], paths: Sequence[str]) -> NDArray[np.float32]:
            streams = ([seed, number, crc32(Path(path).name.encode())] for path in paths)
            chances = np.stack(
                [np.random.default_rng(stream).random(N_RANDOM_PARAMETERS, np.float32) for stream in streams]
            )
            return augment_batch(tf.constant(pixels), tf.constant(chances), augmentation).numpy()

        return augmented

    count = 1 if augmentation == get_augmentation("none") else count
    return [
        AugmentedView(
            f"{augmentation.name}, view {number}", f"{augmentation}, seed {seed}, view {number}", change(number)
        )
        for number in range(1, count)
    ]


def encode_feed(
    feed: ImageFeed, encoder: Encoder, cut: str, parts: tuple[Catalog, Catalog], views: list[AugmentedView]
) -> VectorFeed:
    """Encode the training and validation images of a feed, `parts`, with the part of a network that ends at `cut`."""
    train, vectors = feed.train, LazyArray.stack([encode(parts[0], encoder, view).values for view in (None, *views)])
    if feed.sampling.balance == "smote":
        vectors, codes = smote(np.asarray(vectors), train.codes, feed.sampling.seed)
        train = Examples((), codes[:, None])
    return VectorFeed(train, feed.held_out, cut, vectors, encode(parts[1], encoder).values, feed.sampling)
