"""Training data feeds: augmented images, or cached features of the frozen part of a network."""

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
    """Training and validation batches (inputs, targets), and the part of a network that takes them."""

    def learner(self, network: keras.Model) -> keras.Model:
        """Return the part of `network` that takes the inputs."""

    def training(self, epochs: range) -> tf.data.Dataset:
        """Yield the training batches of these epochs, one after the other."""

    def validation(self) -> tf.data.Dataset:
        """Yield the validation batches."""

    @property
    def steps(self) -> tuple[int, int]:
        """Batches in a training epoch, and in a validation."""


@dataclass(frozen=True)
class Sampling:
    """How rows are drawn into batches: balance of classes, batch size, seed."""

    balance: str
    batch_size: int
    seed: int

    def order(self, codes: NDArray[np.int64]) -> Order:
        """Return epoch -> rows."""
        return lambda epoch: epoch_rows(codes, self.balance, self.seed, int(epoch))

    def steps(self, train: Examples, validation: Examples) -> tuple[int, int]:
        """Return the batches in a training epoch, and in a validation."""
        rows = len(self.order(train.codes)(0)), len(validation)
        return math.ceil(rows[0] / self.batch_size), math.ceil(rows[1] / self.batch_size)


@dataclass(frozen=True)
class ImageFeed:
    """Images, decoded and augmented for every batch, for the whole network."""

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
class FeatureFeed:
    """Cached features of the frozen part of a network, for the layers after it.

    Attributes:
        train, held_out: labeled images, of which the targets are used.
        cut: last layer of the frozen part.
        views [v, n, ...]: its float32 outputs for v augmented views of each training image; every epoch takes one view
            of each at random.
        features [m, ...]: of the validation images.
        sampling: how rows are drawn.
    """

    train: Examples
    held_out: Examples
    cut: str
    views: LazyArray | NDArray[np.float32]
    features: LazyArray
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
        return self._dataset(lambda: ((self.features[part], self.held_out.targets[part]) for part in parts))

    def _parts(self, count: int) -> list[slice]:
        size = self.sampling.batch_size
        return [slice(start, start + size) for start in range(0, count, size)]

    def _dataset(self, batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]) -> tf.data.Dataset:
        targets = self.train.targets
        signature = (
            tf.TensorSpec((None, *self.features.shape[1:]), tf.float32),
            tf.TensorSpec((None, *targets.shape[1:]), tf.as_dtype(targets.dtype)),
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def augmented_views(augmentation: Augmentation, count: int, seed: int) -> list[AugmentedView]:
    """Return `count` - 1 augmented views, beside the plain one; none without augmentation.

    The random parameters of an image depend on the seed, the view's number and the name of the image's file.
    """

    def transform(number: int) -> Callable[[NDArray[np.float32], Sequence[str]], NDArray[np.float32]]:
        def augmented(pixels: NDArray[np.float32], paths: Sequence[str]) -> NDArray[np.float32]:
            streams = ([seed, number, crc32(Path(path).name.encode())] for path in paths)
            parameters = np.stack(
                [np.random.default_rng(stream).random(N_RANDOM_PARAMETERS, np.float32) for stream in streams]
            )
            return augment_batch(tf.constant(pixels), tf.constant(parameters), augmentation).numpy()

        return augmented

    count = 1 if augmentation == get_augmentation("none") else count
    return [
        AugmentedView(
            f"{augmentation.name}, view {number}", f"{augmentation}, seed {seed}, view {number}", transform(number)
        )
        for number in range(1, count)
    ]


def encode_feed(
    feed: ImageFeed, encoder: Encoder, cut: str, parts: tuple[Catalog, Catalog], views: list[AugmentedView]
) -> FeatureFeed:
    """Encode the training and validation images of a feed, `parts`, with the frozen part of a network up to `cut`."""
    train, features = feed.train, LazyArray.stack([encode(parts[0], encoder, view).values for view in (None, *views)])
    if feed.sampling.balance == "smote":
        features, codes = smote(np.asarray(features), train.codes, feed.sampling.seed)
        train = Examples((), codes[:, None])
    return FeatureFeed(train, feed.held_out, cut, features, encode(parts[1], encoder).values, feed.sampling)
