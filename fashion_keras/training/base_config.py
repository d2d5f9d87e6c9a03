"""Config fields that several training commands share. No Keras here."""

import logging
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.features.runtime import RUNTIMES
from fashion_keras.images.augment import PRESETS, get_augmentation
from fashion_keras.images.spec import ImageSpec, parse_image_size
from fashion_keras.images.validation import inspect_images
from fashion_keras.models.backbones import BACKBONES, get_backbone, resolve_image_spec
from fashion_keras.models.own_backbone import is_own_backbone
from fashion_keras.support.config_fields import Config, DataConfig, config_field
from fashion_keras.support.errors import InputError
from fashion_keras.training.strategies import get_strategy


def _image_size_text(size: Any) -> str:  # noqa: ANN401 - of any form that `parse_image_size` takes
    return "{}x{}".format(*parse_image_size(size))


log = logging.getLogger("fashion_keras")

BackboneConfigType = TypeVar("BackboneConfigType", bound="BackboneConfig")

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
# Of the finished classifier's stored network; see `features.quantize`.
INT8 = "int8"


class _BackboneNames(tuple):
    """Names of backbones, which the path of a Keras file is, too."""

    def __contains__(self, name: object) -> bool:
        return is_own_backbone(str(name)) or super().__contains__(name)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(DataConfig):
    """Fields of every training command; None means that strategy or network decides."""

    epochs: int | None = config_field(
        None, "Number of epochs. Default: depends on the strategy or network.", metavar="N", at_least=1
    )
    batch_size: int | None = config_field(
        None, "Images per batch. Default: depends on the network.", metavar="N", at_least=1
    )
    learning_rate: float | None = config_field(
        None, "Highest learning rate. Default: depends on the strategy or network.", metavar="X", above=0
    )
    weight_decay: float | None = config_field(
        None, "Decoupled weight decay of kernels. Default: 0.05 with adamw, else 0.", metavar="X", at_least=0
    )
    cache: bool = config_field(True, "Keep resized images in the cache folder, so that each is decoded once.")


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(TrainingConfig):
    """Fields of every command that trains on top of a backbone."""

    backbone: str = config_field(
        "efficientnet_lite0",
        "Backbone network, or FILE.keras: a model of your own, [h, w, 3] in 0..255 to feature maps.",
        _BackboneNames(row.name for row in BACKBONES),
        "B",
    )
    weights: str = config_field(
        "auto", "Initial weights: auto, imagenet, fashion, none, a file, a run or an encoder.", metavar="W"
    )
    strategy: str | None = config_field(
        None,
        "Which layers are trained: frozen, last_block[:N], last_n:N, full, scratch, frozen+full. Default: frozen where "
        "the backbone has pretrained weights, else scratch.",
        metavar="S",
    )
    image_size: str | None = config_field(
        None,
        "Input size in pixels, HEIGHTxWIDTH or one number. Default: that of the backbone's ImageNet weights where "
        "the images are that large, else a small one: 112x84 of efficientnet_lite0, 80x60 of most others.",
        metavar="HxW",
        convert=_image_size_text,
    )
    cut: str = config_field("", "Stage after which the backbone is cut off.", metavar="STAGE")
    augment: str = config_field("default", "Augmentation.", tuple(preset.name for preset in PRESETS))
    views: int = config_field(
        4,
        "Augmented views of each image of which the frozen part's features are cached, one of them plain; 0: new ones "
        "in every epoch, through the whole network.",
        metavar="N",
        at_least=0,
    )
    precision: str = config_field(
        "auto", "Floating-point type of the backbone; auto: bfloat16 where the hardware computes in it.", PRECISIONS
    )
    runtime: str = config_field("auto", "Runtime of the frozen part.", RUNTIMES)

    def __post_init__(self) -> None:
        super().__post_init__()
        get_strategy(self.strategy_name)
        get_backbone(self.backbone).check_size(self.image_spec)
        if self.cut:
            get_backbone(self.backbone).stage_end(self.cut)
        _ = self.last_frozen
        self._check_augmentation()

    def _check_augmentation(self) -> None:
        phases = get_strategy(self.strategy_name).phases
        if get_augmentation(self.augment).is_per_batch and self.views and any(row.trainable != "all" for row in phases):
            raise InputError(
                f"--augment {self.augment} makes new images in every batch, but --strategy {self.strategy_name} trains "
                "on cached features: give --views 0, or --strategy full or scratch"
            )

    @property
    def strategy_name(self) -> str:
        """The strategy, or its default: frozen where the backbone has pretrained weights, else scratch."""
        return self.strategy or ("frozen" if get_backbone(self.backbone).has_pretrained else "scratch")

    @property
    def last_frozen(self) -> str:
        """The last layer that strategy last_block:N keeps frozen; "" for any other strategy."""
        strategy = get_strategy(self.strategy_name)
        if not any(phase.trainable == "last_block" for phase in strategy.phases):
            return ""
        return get_backbone(self.backbone).last_frozen(self.cut, strategy.count)

    @property
    def training_precision(self) -> str:
        """Floating-point type in training: "auto" where the finished network becomes int8."""
        return "auto" if self.precision == INT8 else self.precision

    @property
    def initial_weights(self) -> str:
        """The weights to start from; with strategy scratch, "auto" is none."""
        scratch = get_strategy(self.strategy_name).from_scratch
        return "none" if scratch and self.weights == "auto" else self.weights

    @property
    def image_spec(self) -> ImageSpec:
        """Size and fit of the network's input."""
        return resolve_image_spec(self.backbone, self.image_size)


@dataclass(frozen=True, kw_only=True)
class EncoderTrainingConfig(TrainingConfig):
    """Fields of every command that trains an encoder and evaluates it with held-out products."""

    hold_out: float = config_field(
        0.265, "Share of the products that is held out for evaluation.", metavar="X", above=0, below=1
    )
    limit: int | None = config_field(
        None, "Approximate number of products to use. Default: all.", metavar="N", at_least=1
    )


def with_image_size(config: BackboneConfigType, catalog: Catalog) -> BackboneConfigType:
    """Return the config with the input size that follows the catalog, where none is given, and say which it is.

    A network with ImageNet weights gets images of their native size when at least half of the catalog's images are
    that large; otherwise the small default of its `Backbone` is kept.
    """
    backbone = get_backbone(config.backbone)
    if not backbone.has_imagenet:
        return config
    native = backbone.native
    if config.image_size is None:
        median = np.median([max(verdict.height, verdict.width) for verdict in inspect_images(catalog.paths)])
        config = replace(config, image_size=f"{native}x{native}") if median >= native else config
        size = f"{config.image_spec.height}x{config.image_spec.width}"
        log.info("image size %s: the longer side of the images is %d pixels in the median", size, median)
    longest = max(config.image_spec.height, config.image_spec.width)
    if config.weights in ("auto", "imagenet") and longest < native / 2:
        text = "WARNING  %s was trained on images of %dx%d: at %d pixels its ImageNet weights are worth much less"
        log.warning(text, backbone.name, native, native, longest)
    return config


def with_default(kind: type[Config], name: str, default: Any) -> Any:  # noqa: ANN401 - of any field type
    """Return field `name` of a config class with another default, for a subclass; help loses a stale "Default: ..."."""
    inherited: Field = next(row for row in fields(kind) if row.name == name)
    text = inherited.metadata["help"]
    text = text if default is None else text.split(" Default:")[0]
    return field(default=default, metadata={**inherited.metadata, "help": text})
