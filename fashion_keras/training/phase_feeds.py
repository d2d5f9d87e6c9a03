"""What each phase of a run learns from: pictures, or what the frozen part of the network says of them."""

import logging
import shutil

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.cache import count_missing
from fashion_keras.features.compile import compile_encoder
from fashion_keras.images.augment import get_augmentation, without_color
from fashion_keras.images.pipeline import Examples
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import cast_copy, submodel_until
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData
from fashion_keras.training.encoder.config import EncoderConfig
from fashion_keras.training.feeds import Feed, ImageFeed, Sampling, augmented_views, encode_feed
from fashion_keras.training.strategies import Phase, cacheable_boundary, get_strategy

log = logging.getLogger("fashion_keras")

# How much of the free disk the outputs of a trunk may take.
_SHARE = 0.5


def image_feed(config: TrainConfig, prepared: PreparedData) -> ImageFeed:
    """Return the pictures of a run's training and validation parts."""
    augmentation = get_augmentation(config.augment)
    return ImageFeed(
        train=_examples(prepared, prepared.split.train),
        held_out=_examples(prepared, prepared.split.validation),
        sampling=Sampling(config.balance, config.batch_size, config.seed),
        image_spec=config.image_spec,
        augmentation=without_color(augmentation) if prepared.targets.is_color else augmentation,
        cache=config.cache,
    )


def phase_feeds(
    config: TrainConfig, prepared: PreparedData, network: keras.Model, pictures: ImageFeed
) -> tuple[Feed, ...]:
    """Return what each phase learns from.

    Where a part of `network`, from its input on, stays as it is throughout a phase, it sees each picture once per view,
    before the phase begins; unless `config.views` is 0 or its outputs would not fit on the disk.
    """
    strategy = get_strategy(config.strategy_name)
    phases = zip(strategy.phases, strategy.phase_epochs(config.epochs), strict=True)
    parts = prepared.catalog.take(prepared.split.train), prepared.catalog.take(prepared.split.validation)
    return tuple(phase_feed(config, parts, network, pictures, phase, epochs) for phase, epochs in phases)


def phase_feed(
    config: TrainConfig | EncoderConfig,
    parts: tuple[Catalog, Catalog],
    network: keras.Model,
    pictures: ImageFeed,
    phase: Phase,
    epochs: int,
) -> Feed:
    """Return what one phase learns from, of the products to learn from and those held out; see `phase_feeds`."""
    strategy, block = get_strategy(config.strategy_name), get_backbone(config.backbone).last_frozen(config.cut)
    cut = cacheable_boundary(network, strategy, phase, block) if config.views else None
    if cut is None:
        return pictures
    trunk = submodel_until(cast_copy(network, "float32"), cut)
    views = augmented_views(pictures.augmentation, min(config.views, epochs), config.seed)
    storage = "float32" if cut == "pool" else "float16"
    encoder = compile_encoder(trunk, config.image_spec, config.runtime, config.precision, storage)
    new = sum(count_missing(parts[0], encoder, view) for view in (None, *views)) + count_missing(parts[1], encoder)
    fits = _fits(encoder.name, new * 2 * int(np.prod(trunk.output.shape[1:]))) if cut != "pool" else True
    return encode_feed(pictures, encoder, cut, parts, views) if fits else pictures


def _fits(name: str, needed: int) -> bool:
    """Say how many bytes of disk a trunk's outputs take, and whether they are there."""
    home = cache_dir()
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    sizes = f"{needed / 1e6:,.1f} MB more in {home}, where {free / 1e6:,.0f} MB are free"
    log.info("what %s says of the pictures takes %s", name, sizes)
    if needed > _SHARE * free:
        log.warning("too little free disk for that: the whole network sees the pictures in every epoch")
        return False
    return True


def _examples(prepared: PreparedData, rows: NDArray[np.int64]) -> Examples:
    return Examples(prepared.catalog.paths[rows], prepared.targets.packed[rows])
