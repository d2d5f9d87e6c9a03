"""The one description of an encoder's training: flags and config.json come from these fields. No Keras here."""

from dataclasses import dataclass

from fashion_keras.encoding.runtime import RUNTIMES
from fashion_keras.images.augment import PRESETS
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.backbones import BACKBONES, get_backbone, image_spec
from fashion_keras.models.heads import POOLINGS, Head
from fashion_keras.models.storage import EncoderSpec
from fashion_keras.support.errors import InputError
from fashion_keras.support.options import check_counts, check_options, option
from fashion_keras.training.alike import Likeness, parse_likeness
from fashion_keras.training.config import PRECISIONS
from fashion_keras.training.strategies import get_strategy

LOSSES = ("supcon", "triplet", "arcface")
_COUNTS = ("width", "batch_size", "images_per_class", "epochs", "views")


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides how an encoder turns out.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    data: str | None = option(None, "catalogue, or 'sample'; default: data/ if the Kaggle set is there", metavar="DIR")
    backbone: str = option("fashion_small", "network", tuple(row.name for row in BACKBONES), "B")
    weights: str = option(
        "auto", "first weights: auto, imagenet, fashion, none, a file, a run, an encoder", metavar="W"
    )
    strategy: str = option("frozen", "which layers learn: frozen, last_block, last_n:N, full, scratch", metavar="S")
    image_size: str | None = option(None, "input size of the network; default: the backbone's", metavar="HxW")
    cut: str = option("", "end the backbone after this stage", metavar="STAGE")
    pooling: str = option("avg", "of the last feature map", POOLINGS)
    dropout: float = option(0.0, "share of pooled features dropped in training", metavar="X")
    width: int = option(256, "of the vectors", metavar="N")
    loss: str = option("supcon", "supervised contrastive, semi-hard triplet, or ArcFace", LOSSES)
    labels: str = option(
        "article_type,base_colour,gender,title",
        "in which ways products are alike, with weights: TASK[:WEIGHT],... or title",
        metavar="L,..",
    )
    temperature: float = option(0.1, "of supcon", metavar="X")
    margin: float = option(0.2, "of triplet, and in radians of arcface, where 0 is a softmax of cosines", metavar="X")
    scale: float = option(16.0, "of arcface's cosines", metavar="X")
    batch_size: int = option(128, "images a step", metavar="N")
    images_per_class: int = option(4, "of supcon and triplet: K images of each of P classes in a batch", metavar="N")
    epochs: int = option(20, "times that every image is seen", metavar="N")
    learning_rate: float = option(1e-3, "its highest value", metavar="X")
    weight_decay: float = option(0.05, "decoupled", metavar="X")
    augment: str = option("default", "augmentation", tuple(preset.name for preset in PRESETS))
    views: int = option(4, "views of each image that a frozen network sees once", metavar="N")
    hold_out: float = option(0.265, "share of the products, by title, that it is judged on and never sees", metavar="X")
    storage: str = option("float32", "of the saved weights", ("float32", "float16"))
    precision: str = option("auto", "auto: bfloat16 where the machine computes in it", PRECISIONS)
    runtime: str = option("auto", "what runs a frozen network", RUNTIMES)
    cache: bool = option(False, "keep the decoded pixels in memory")
    seed: int = option(0, "of weights, split, order, augmentation", metavar="N")
    out: str | None = option(None, "folder; default: runs/encoder-BACKBONE-LOSS-N", metavar="DIR")

    def __post_init__(self) -> None:
        check_options(self)
        check_counts(self, _COUNTS)
        check_counts(self, ("seed",), least=0)
        if len(get_strategy(self.strategy).phases) > 1:
            raise InputError(
                f"--strategy {self.strategy} has several phases; train an encoder in one, then go on from it"
            )
        if self.batch_size % self.images_per_class or self.batch_size == self.images_per_class:
            raise InputError("--batch-size is a multiple of --images-per-class: P classes of K images, P at least 2")
        for name, least, most in (("dropout", 0, 1), ("margin", 0, 2), ("weight_decay", 0, 1), ("hold_out", 1e-9, 0.9)):
            if not least <= getattr(self, name) < most:
                raise InputError(
                    f"--{name.replace('_', '-')} lies between {least:g} and {most}, not {getattr(self, name)}"
                )
        for name in ("temperature", "scale", "learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"--{name.replace('_', '-')} is above 0, not {getattr(self, name)}")
        get_backbone(self.backbone).check_size(self.image)
        if self.cut:
            get_backbone(self.backbone).stage_end(self.cut)
        _ = self.likenesses

    @property
    def image(self) -> ImageSpec:
        """The size and fit of the network's input."""
        return image_spec(self.backbone, self.image_size)

    @property
    def strategy_name(self) -> str:
        """As a classifier's config has it."""
        return self.strategy

    @property
    def likenesses(self) -> tuple[Likeness, ...]:
        """`labels`, read."""
        return parse_likeness(self.labels)

    @property
    def spec(self) -> EncoderSpec:
        """What the network is built from."""
        head = Head("encoder", self.pooling, dropout=self.dropout)
        scaling = get_backbone(self.backbone).scaling
        return EncoderSpec(self.backbone, self.image, scaling, head, self.cut, self.width)
