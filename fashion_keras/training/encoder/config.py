"""The one description of an encoder's training: flags and config.json come from these fields. No Keras here."""

from dataclasses import dataclass

from fashion_keras.features.runtime import RUNTIMES
from fashion_keras.images.augment import PRESETS
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.backbones import BACKBONES, get_backbone, resolve_image_spec
from fashion_keras.models.heads import POOLINGS, Head
from fashion_keras.models.serialization import EncoderSpec
from fashion_keras.support.config_fields import DataConfig, config_field
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import PRECISIONS
from fashion_keras.training.encoder.pk_sampling import SimilarityLabel, parse_similarity_labels
from fashion_keras.training.strategies import get_strategy

LOSSES = ("supcon", "triplet", "arcface")


@dataclass(frozen=True)
class EncoderConfig(DataConfig):
    """Everything that decides how an encoder turns out.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    data: str | None = config_field(
        None, "catalogue, or 'sample'; default: data/ if the Kaggle set is there", metavar="DIR"
    )
    backbone: str = config_field("fashion_small", "network", tuple(row.name for row in BACKBONES), "B")
    weights: str = config_field(
        "auto", "first weights: auto, imagenet, fashion, none, a file, a run, an encoder", metavar="W"
    )
    strategy: str = config_field(
        "frozen", "which layers learn: frozen, last_block, last_n:N, full, scratch", metavar="S"
    )
    image_size: str | None = config_field(None, "input size of the network; default: the backbone's", metavar="HxW")
    cut: str = config_field("", "end the backbone after this stage", metavar="STAGE")
    pooling: str = config_field("avg", "of the last feature map", POOLINGS)
    dropout: float = config_field(0.0, "share of pooled features dropped in training", metavar="X", at_least=0, below=1)
    width: int = config_field(256, "of the vectors", metavar="N", at_least=1)
    loss: str = config_field("supcon", "supervised contrastive, semi-hard triplet, or ArcFace", LOSSES)
    labels: str = config_field(
        "article_type,base_colour,gender,title",
        "in which ways products are alike, with weights: TASK[:WEIGHT],... or title",
        metavar="L,..",
    )
    temperature: float = config_field(0.1, "of supcon", metavar="X", above=0)
    margin: float = config_field(
        0.2, "of triplet, and in radians of arcface, where 0 is a softmax of cosines", metavar="X", at_least=0, below=2
    )
    scale: float = config_field(16.0, "of arcface's cosines", metavar="X", above=0)
    batch_size: int = config_field(128, "images a step", metavar="N", at_least=1)
    images_per_class: int = config_field(
        4, "of supcon and triplet: K images of each of P classes in a batch", metavar="N", at_least=1
    )
    epochs: int = config_field(20, "times that every image is seen", metavar="N", at_least=1)
    learning_rate: float = config_field(1e-3, "its highest value", metavar="X", above=0)
    weight_decay: float = config_field(0.05, "decoupled", metavar="X", at_least=0, below=1)
    augment: str = config_field("default", "augmentation", tuple(preset.name for preset in PRESETS))
    views: int = config_field(4, "views of each image that a frozen network sees once", metavar="N", at_least=1)
    hold_out: float = config_field(
        0.265, "share of the products, by title, that it is judged on and never sees", metavar="X", above=0, below=0.9
    )
    storage: str = config_field("float32", "of the saved weights", ("float32", "float16"))
    precision: str = config_field("auto", "auto: bfloat16 where the machine computes in it", PRECISIONS)
    runtime: str = config_field("auto", "what runs a frozen network", RUNTIMES)
    cache: bool = config_field(False, "keep the decoded pixels in memory")
    out: str | None = config_field(None, "folder; default: runs/encoder-BACKBONE-LOSS-N", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(get_strategy(self.strategy).phases) > 1:
            raise InputError(
                f"--strategy {self.strategy} has several phases; train an encoder in one, then go on from it"
            )
        if self.batch_size % self.images_per_class or self.batch_size == self.images_per_class:
            raise InputError("--batch-size is a multiple of --images-per-class: P classes of K images, P at least 2")
        get_backbone(self.backbone).check_size(self.image_spec)
        if self.cut:
            get_backbone(self.backbone).stage_end(self.cut)
        _ = self.similarity_labels

    @property
    def image_spec(self) -> ImageSpec:
        """The size and fit of the network's input."""
        return resolve_image_spec(self.backbone, self.image_size)

    @property
    def strategy_name(self) -> str:
        """As a classifier's config has it."""
        return self.strategy

    @property
    def similarity_labels(self) -> tuple[SimilarityLabel, ...]:
        """`labels`, read."""
        return parse_similarity_labels(self.labels)

    @property
    def spec(self) -> EncoderSpec:
        """What the network is built from."""
        head = Head("encoder", self.pooling, dropout=self.dropout)
        scaling = get_backbone(self.backbone).scaling
        return EncoderSpec(self.backbone, self.image_spec, scaling, head, self.cut, self.width)
