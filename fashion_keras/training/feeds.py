"""Training data feeds: augmented images, or cached features of the frozen part of a network."""

import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import indicators
from fashion_keras.features.cache import AugmentedView, LazyArray, count_missing, encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.images.augment import Augmentation, get_augmentation, without_color
from fashion_keras.images.pipeline import Examples, for_training
from fashion_keras.images.shares import ONE_REPLICA, Shares
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.transforms import N_RANDOM_PARAMETERS, augment_batch
from fashion_keras.models.builder import cast_copy, submodel_from, submodel_until
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.training.balance import epoch_rows, smote
from fashion_keras.training.base_config import BackboneConfig
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData
from fashion_keras.training.manifests import TrainingData
from fashion_keras.training.strategies import Phase, cacheable_boundary, get_strategy

log = logging.getLogger("fashion_keras")

# Largest share of the free disk space that cached features may take.
_DISK_SHARE = 0.5

Order = Callable[[int], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Training and validation batches (inputs, targets).

    `order` maps an epoch to its rows of `train`; `seed` is that of augmentation, or of the choice of a view. With
    `shares` of several replicas, a global batch of `batch_size` is one batch for each replica of this process.
    """

    train: Examples
    held_out: Examples
    order: Order
    batch_size: int
    seed: int = 0
    shares: Shares = ONE_REPLICA

    @property
    def steps(self) -> tuple[int, int]:
        """Global batches in a training epoch, and in a validation."""
        rows = len(self.order(0)), len(self.held_out)
        return math.ceil(rows[0] / self.batch_size), math.ceil(rows[1] / self.batch_size)

    def inputs(self, network: keras.Model) -> keras.KerasTensor:
        """Return what the inputs are in a network: its pixels, or the output of a layer."""
        return network.inputs[0]

    def learner(self, network: keras.Model) -> keras.Model:
        """Return the part of a network that takes the inputs."""
        return network

    def training(self, epochs: range) -> tf.data.Dataset:
        """Yield the training batches of these epochs, one after the other."""
        raise NotImplementedError

    def validation(self) -> tf.data.Dataset:
        """Yield the validation batches."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ImageFeed(Feed):
    """Images, decoded and augmented for every batch, for the whole network; `cache` keeps resized images on disk."""

    image_spec: ImageSpec
    augmentation: Augmentation
    cache: bool = False

    def training(self, epochs: range) -> tf.data.Dataset:
        """See `Feed`."""
        return self._batches(self.train, self.augmentation, self.order, epochs)

    def validation(self) -> tf.data.Dataset:
        """See `Feed`."""
        rows = np.arange(len(self.held_out))
        return self._batches(self.held_out, get_augmentation("none"), lambda _: rows, range(1))

    def _batches(self, examples: Examples, augmentation: Augmentation, order: Order, epochs: range) -> tf.data.Dataset:
        settings = self.batch_size, self.seed, self.cache, self.shares
        return for_training(examples, self.image_spec, augmentation, order, epochs, *settings)


@dataclass(frozen=True, kw_only=True)
class FeatureFeed(Feed):
    """Cached features of the frozen part of a network, for the layers after it.

    Attributes:
        cut: last layer of the frozen part.
        views [v, n, ...]: its float32 outputs for v augmented views of each training image; every epoch takes one view
            of each at random.
        features [m, ...]: of the validation images.
    """

    cut: str
    views: LazyArray | NDArray[np.float32]
    features: LazyArray

    def inputs(self, network: keras.Model) -> keras.KerasTensor:
        """Return the output of the cut."""
        return network.get_layer(self.cut).output

    def learner(self, network: keras.Model) -> keras.Model:
        """Return the layers after the cut."""
        return submodel_from(network, self.cut)

    def training(self, epochs: range) -> tf.data.Dataset:
        """See `Feed`."""

        def batches() -> Iterator[tuple[np.ndarray, ...]]:
            for epoch in epochs:
                rows = self.order(epoch)
                views = np.random.default_rng((self.seed, epoch)).integers(len(self.views), size=len(rows))
                for part in self._parts(len(rows)):
                    yield self.views[views[part], rows[part]], self.train.targets[rows[part]]

        return self._dataset(batches)

    def validation(self) -> tf.data.Dataset:
        """See `Feed`."""
        parts = self._parts(len(self.held_out))
        return self._dataset(lambda: ((self.features[part], self.held_out.targets[part]) for part in parts))

    def _parts(self, count: int) -> list[slice]:
        return [slice(start, stop) for _, start, stop, _, _ in self.shares.bounds(count, self.batch_size)]

    def _dataset(self, batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]) -> tf.data.Dataset:
        targets = self.train.targets
        signature = (
            tf.TensorSpec((None, *self.features.shape[1:]), tf.float32),
            tf.TensorSpec((None, *targets.shape[1:]), tf.as_dtype(targets.dtype)),
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def image_feed(config: TrainConfig, prepared: PreparedData) -> ImageFeed:
    """Return the feed of images of a classifier's training and validation parts."""
    targets = prepared.targets
    order = partial(epoch_rows, targets.packed[prepared.rows["train"], 0], config.balance, config.seed)
    # Mixed images have shares of two labels.
    is_mixed = get_augmentation(config.augment).mix
    packed = indicators(targets.groups, targets.packed).astype(np.float32) if is_mixed else targets.packed
    return make_image_feed(config, prepared, packed, order, targets.is_color)


def make_image_feed(
    config: BackboneConfig, data: TrainingData, targets: NDArray[Any], order: Order, is_color: bool
) -> ImageFeed:
    """Return the feed of images of the first two parts, with targets [n, c]; `is_color` leaves their colors alone."""
    train, held_out = (Examples(data.catalog.paths[rows], targets[rows]) for rows in list(data.rows.values())[:2])
    augmentation = get_augmentation(config.augment)
    return ImageFeed(
        train=train,
        held_out=held_out,
        order=order,
        batch_size=config.batch_size,
        seed=config.seed,
        image_spec=config.image_spec,
        augmentation=without_color(augmentation) if is_color else augmentation,
        cache=config.cache,
    )


def phase_feeds(
    config: BackboneConfig, data: TrainingData, network: keras.Model, images: ImageFeed
) -> tuple[Feed, ...]:
    """Return the feed of each phase of the strategy: `images`, or features of them.

    Where the first part of `network` is frozen throughout a phase, its features are computed once per image and view,
    before training begins; unless `config.views` is 0 or they would not fit on the disk.
    """
    strategy = get_strategy(config.strategy_name)
    phases = zip(strategy.phases, strategy.phase_epochs(config.epochs), strict=True)
    return tuple(_phase_feed(config, data, network, images, phase, epochs) for phase, epochs in phases)


def _phase_feed(
    config: BackboneConfig, data: TrainingData, network: keras.Model, images: ImageFeed, phase: Phase, epochs: int
) -> Feed:
    strategy, block = get_strategy(config.strategy_name), config.last_frozen
    cut = cacheable_boundary(network, strategy, phase, block) if config.views else None
    if cut is None:
        return images
    parts = [data.take(name) for name in list(data.rows)[:2]]
    frozen = submodel_until(cast_copy(network, "float32"), cut)
    views = [None, *augmented_views(images.augmentation, min(config.views, epochs), config.seed)]
    storage = "float32" if cut == "pool" else "float16"
    encoder = compile_encoder(frozen, config.image_spec, config.runtime, config.training_precision, storage)
    new = sum(count_missing(parts[0], encoder, view) for view in views) + count_missing(parts[1], encoder)
    if cut != "pool" and not _fits(encoder.name, new * 2 * int(np.prod(frozen.output.shape[1:]))):
        return images
    train, order = images.train, images.order
    features = LazyArray.stack([encode(parts[0], encoder, view).values for view in views])
    if isinstance(config, TrainConfig) and config.balance == "smote":
        features, codes = smote(np.asarray(features), train.codes, config.seed)
        train, order = Examples((), codes[:, None]), partial(epoch_rows, codes, "none", config.seed)
    shared = {name: getattr(images, name) for name in ("held_out", "batch_size", "seed", "shares")}
    held_out = encode(parts[1], encoder).values
    return FeatureFeed(train=train, order=order, cut=cut, views=features, features=held_out, **shared)


def augmented_views(augmentation: Augmentation, count: int, seed: int) -> list[AugmentedView]:
    """Return `count` - 1 augmented views, beside the plain one; none without augmentation.

    The random parameters of an image depend on the seed, the view's number and the name of the image's file.
    """

    def augmented(pixels: NDArray[np.float32], paths: Sequence[str], number: int) -> NDArray[np.float32]:
        streams = ([seed, number, crc32(Path(path).name.encode())] for path in paths)
        parameters = [np.random.default_rng(stream).random(N_RANDOM_PARAMETERS, np.float32) for stream in streams]
        return augment_batch(tf.constant(pixels), tf.constant(np.stack(parameters)), augmentation).numpy()

    if augmentation == get_augmentation("none"):
        return []
    names = {number: f"{augmentation.name}, view {number}" for number in range(1, count)}
    identity = f"{augmentation}, seed {seed}, view"
    return [
        AugmentedView(name, f"{identity} {number}", partial(augmented, number=number)) for number, name in names.items()
    ]


def _fits(name: str, needed: int) -> bool:
    """Return whether `needed` bytes of cached features fit on the disk; the log has the sizes."""
    home = cache_dir()
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    sizes = f"{needed / 1e6:,.1f} MB more in {home}, where {free / 1e6:,.0f} MB are free"
    log.info("features of %s take %s", name, sizes)
    if needed > _DISK_SHARE * free:
        log.warning("too little free disk space to cache features: the whole network is run in every epoch")
        return False
    return True
