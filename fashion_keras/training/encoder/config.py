"""Configs of encoder training and whitening, from which flags are made, and reports. No Keras here."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from fashion_keras.images.augment import get_augmentation
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.heads import MULTI_STAGE, POOLINGS, Head
from fashion_keras.models.own_backbone import architecture_of
from fashion_keras.models.serialization import EncoderSpec
from fashion_keras.models.text import TextSpec
from fashion_keras.support.config_fields import DataConfig, LimitConfig, config_field
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.training.base_config import BackboneConfig, EncoderTrainingConfig, with_default
from fashion_keras.training.encoder.pk_sampling import SimilarityLabel, parse_similarity_labels
from fashion_keras.training.strategies import get_strategy

IMAGE_TEXT_LOSSES = ("clip", "siglip")
LOSSES = ("supcon", "triplet", "arcface", *IMAGE_TEXT_LOSSES)


@dataclass(frozen=True)
class EncoderConfig(BackboneConfig, EncoderTrainingConfig):
    """Settings of an encoder's training by metric learning."""

    backbone: str = with_default(BackboneConfig, "backbone", "efficientnet_lite0")
    strategy: str = with_default(BackboneConfig, "strategy", "frozen")
    pooling: str = config_field("avg", "Pooling of the last feature map, or of the last four stages'.", POOLINGS)
    dropout: float = config_field(0.0, "Dropout rate of the pooled features.", metavar="X", at_least=0, below=1)
    width: int = config_field(256, "Width of the embeddings.", metavar="N", at_least=1)
    loss: str = config_field(
        "supcon",
        "Loss: supcon (supervised contrastive), triplet (semi-hard), arcface; or clip (softmax) or siglip (sigmoid), "
        "which also train a text tower.",
        LOSSES,
    )
    text: str = config_field(
        "title", "With clip and siglip, column of the product names; labels become phrases.", metavar="COLUMN"
    )
    similarity: float = config_field(
        1.0, "With clip and siglip, weight of the supcon loss of the images that is added.", metavar="X", at_least=0
    )
    labels: str = config_field(
        "article_type,base_colour,gender,title",
        "Labels whose products are to have similar embeddings, with weights: TASK[:WEIGHT],... or title.",
        metavar="L,..",
    )
    temperature: float = config_field(0.1, "Temperature of supcon.", metavar="X", above=0)
    margin: float = config_field(
        0.2,
        "Margin of triplet, or of arcface in radians, where 0 is a softmax of cosines.",
        metavar="X",
        at_least=0,
        below=2,
    )
    scale: float = config_field(16.0, "Factor of arcface's cosines.", metavar="X", above=0)
    batch_size: int = with_default(BackboneConfig, "batch_size", 128)
    hidden: int = config_field(0, "Width of a ReLU layer before the embeddings; 0 for none.", metavar="N", at_least=0)
    images_per_class: int = config_field(
        4, "With supcon and triplet, images of each class in a batch.", metavar="N", at_least=1
    )
    epochs: int = with_default(BackboneConfig, "epochs", 20)
    learning_rate: float = with_default(BackboneConfig, "learning_rate", 1e-3)
    weight_decay: float = config_field(0.05, "Decoupled weight decay of kernels.", metavar="X", at_least=0, below=1)
    storage: str = config_field("float32", "Floating-point type of the saved weights.", ("float32", "float16"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if get_augmentation(self.augment).mix:
            raise InputError(f"--augment {self.augment} mixes labels, which an encoder is not trained on: take another")
        if len(get_strategy(self.strategy).phases) > 1:
            raise InputError(
                f"--strategy {self.strategy} has several phases; train an encoder in one, then start from it with "
                "--weights"
            )
        if self.batch_size % self.images_per_class or self.batch_size == self.images_per_class:
            raise InputError("--batch-size must be a multiple of --images-per-class, and at least twice as large")
        _ = self.similarity_labels

    @property
    def has_text(self) -> bool:
        """Whether a text tower is trained, too."""
        return self.loss in IMAGE_TEXT_LOSSES

    @property
    def similarity_labels(self) -> tuple[SimilarityLabel, ...]:
        """The parsed `labels`."""
        return parse_similarity_labels(self.labels)

    @property
    def text_spec(self) -> TextSpec:
        """The text tower that is trained with it."""
        return TextSpec(self.width)

    @property
    def spec(self) -> EncoderSpec:
        """The network that is trained."""
        dense = (self.hidden,) if self.hidden else ()
        # Stages differ in scale: without it the projection would read the loudest of them.
        normalize = self.pooling == MULTI_STAGE
        head = Head("encoder", self.pooling, normalize, dense=dense, dropout=self.dropout)
        scaling = get_backbone(self.backbone).scaling
        own = architecture_of(self.backbone)
        return EncoderSpec(self.backbone, self.image_spec, scaling, head, self.cut, self.width, own)


@dataclass(frozen=True)
class AutoencoderRecipe:
    """Default settings of an autoencoder's training; `cosine`: the learning rate of Adam falls to 0, else it stays."""

    network: str
    loss: str
    learning_rate: float
    cosine: bool
    batch_size: int
    epochs: int
    flip: bool
    weight_decay: float = 0.0


AUTOENCODER_RECIPES = (
    AutoencoderRecipe("li2020_autoencoder", "binary_crossentropy", 1e-5, False, 128, 50, flip=False),
    AutoencoderRecipe("autoencoder", "binary_crossentropy", 1e-3, True, 32, 10, flip=True),
)


@dataclass(frozen=True)
class AutoencoderConfig(EncoderTrainingConfig):
    """Settings of an autoencoder's training; None means the value of the network's recipe."""

    network: str = config_field("autoencoder", "Network.", tuple(recipe.network for recipe in AUTOENCODER_RECIPES))

    @property
    def recipe(self) -> AutoencoderRecipe:
        """The network's recipe, with the settings that are given here."""
        recipe = next(recipe for recipe in AUTOENCODER_RECIPES if recipe.network == self.network)
        settings = {name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate", "weight_decay")}
        return replace(recipe, **{name: value for name, value in settings.items() if value is not None})


@dataclass(frozen=True)
class WhiteningConfig(LimitConfig):
    """Settings of a whitened encoder."""

    encoder: str = config_field("resnet50", "Encoder to whiten, such as resnet50 or vgg19@block4:max.", metavar="NAME")
    width: int = config_field(256, "Width of the embeddings.", metavar="N", at_least=1)
    weights: str = with_default(BackboneConfig, "weights", "auto")
    out: str | None = with_default(DataConfig, "out", None)


@dataclass(frozen=True, kw_only=True)
class EncoderReport(JsonRecord):
    """Report of an encoder's training, scored on held-out products: report.json, here without a key "format"."""

    FORMAT: ClassVar[None] = None
    FILE: ClassVar[str] = "report.json"

    counts: dict[str, int]
    seconds: float
    held_out: dict[str, Any]
    corrections: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class MetricLearningReport(EncoderReport):
    """Report of metric learning, with retrieval scores.

    `weights` is the source of the backbone's initial weights, `zero_shot` a `ZeroShotCalibration`, of a text tower.
    """

    backbone: str
    weights: str
    zero_shot: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class AutoencoderReport(EncoderReport):
    """Report of an autoencoder, with reconstruction errors; `train_seconds` are those of its epochs."""

    network: str
    recipe: AutoencoderRecipe
    train_seconds: float
