"""Config dataclasses of `train-tagger` and `tag`: each field is a flag, a JSON key and a line of documentation."""

import math
from dataclasses import dataclass

from fashion_keras.batch.config import BatchConfig
from fashion_keras.catalog.tasks import get_task
from fashion_keras.features.registry import DEFAULT_ENCODER
from fashion_keras.support.config_fields import DataConfig, LimitConfig, config_field
from fashion_keras.support.errors import InputError

DEFAULT_TARGET_PRECISION = 0.95
DEFAULT_REVIEW_TASKS = ("article_type", "gender", "base_colour")
_MAX_DECAYS = 12  # a figure has colors for so many


@dataclass(frozen=True, kw_only=True)
class TaggerConfig(LimitConfig, DataConfig):
    """Settings of a tagger's training (command `train-tagger`)."""

    taxonomy: str = config_field(
        "kaggle", "Product types and attributes: kaggle, gutierrez2019 or a YAML file.", metavar="NAME|FILE"
    )
    encoder: str = config_field(DEFAULT_ENCODER, "Encoder that computes the features.", metavar="NAME|DIR")
    weights: str = config_field("auto", "Weights of a bare backbone, as in train.", metavar="W")
    target_precision: float = config_field(
        DEFAULT_TARGET_PRECISION,
        "Precision that each label's tags must be shown to have on validation products; else the tagger abstains.",
        metavar="X",
        above=0,
        below=1,
    )
    min_images: int = config_field(
        10, "Leave out labels and product types with fewer training images.", metavar="N", at_least=1
    )
    weight_decays: str = config_field(
        "1e-5,1e-4,1e-3,1e-2", "Weight decays to try; each head takes the best on validation.", metavar="X,.."
    )
    hold_out: float = config_field(
        0.265,
        "Share of the products for validation and test, half each; if possible, products that the encoder was not "
        "trained on.",
        metavar="X",
        above=0,
        below=1,
    )
    exclude_trained: bool = config_field(
        False, "Never validate or test on products that the encoder was trained on, however few others there are."
    )
    out: str | None = config_field(None, "Output folder. Default: runs/tagger-TAXONOMY-N.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.decays

    @property
    def decays(self) -> tuple[float, ...]:
        """`weight_decays` as numbers, the strongest first."""
        try:
            decays = sorted({float(text) for text in self.weight_decays.split(",")}, reverse=True)
        except ValueError:
            decays = []
        if not 1 <= len(decays) <= _MAX_DECAYS or not all(0 < value < math.inf for value in decays):
            raise InputError(
                f"--weight-decays is up to {_MAX_DECAYS} numbers above 0, such as 1e-4,1e-3, not {self.weight_decays!r}"
            )
        return tuple(decays)


@dataclass(frozen=True, kw_only=True)
class TagConfig(BatchConfig):
    """Settings of the command `tag`: a trained tagger, or one trained on the catalog's own labels, tags a catalog."""

    taxonomy: str | None = config_field(
        None,
        "Product types and attributes (kaggle, gutierrez2019 or a YAML file) of a tagger that is first trained on the "
        "catalog's own labels.",
        metavar="NAME|FILE",
    )
    tagger: str | None = config_field(None, "Folder of a tagger that train-tagger wrote.", metavar="DIR")
    target_precision: float | None = config_field(
        None,
        f"Target precision of a tagger that is trained here. Default: {DEFAULT_TARGET_PRECISION}.",
        metavar="X",
        above=0,
        below=1,
    )
    attributes: str | None = config_field(None, "Attributes of the tagger to predict. Default: all.", metavar="NAME,..")
    index: str | None = config_field(
        None, "Index that is made of the embeddings and tags, or brought up to date.", metavar="DIR|URL"
    )
    out: str | None = config_field(
        None, "New folder, or that of an earlier run, which goes on or is brought up to date. Default: runs/tags-N.",
        metavar="DIR",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.taxonomy is None) == (self.tagger is None):
            raise InputError("give one of --taxonomy (a tagger is trained on the catalog's labels) and --tagger")
        if self.tagger is not None and self.target_precision is not None:
            raise InputError(
                "--target-precision applies to a tagger trained here, with --taxonomy; --tagger has its own"
            )

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """The names in `attributes`; () for all."""
        return tuple(name.strip() for name in (self.attributes or "").split(",") if name.strip())


@dataclass(frozen=True, kw_only=True)
class ReviewConfig(LimitConfig, DataConfig):
    """Settings of the command `review`: the labels of a catalog that people should look at."""

    tagger: str | None = config_field(
        None, "Folder of a tagger: what it abstains on, or hardly decides, is in the queue.", metavar="DIR"
    )
    run: str | None = config_field(
        None, "Folder of a classifier's run: what it hardly decides is in the queue.", metavar="RUN"
    )
    encoder: str = config_field(
        DEFAULT_ENCODER, "Encoder, or file of embeddings, by which labels are audited.", metavar="NAME|DIR|FILE"
    )
    tasks: str = config_field(
        ",".join(DEFAULT_REVIEW_TASKS), "Single-valued tasks whose labels are audited.", metavar="T,.."
    )
    top: int = config_field(500, "List at most this many labels of each kind.", metavar="N", at_least=1)
    out: str | None = config_field(None, "New output folder. Default: runs/review-N.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = [get_task(name) for name in self.task_names]

    @property
    def task_names(self) -> tuple[str, ...]:
        """The names in `tasks`."""
        return tuple(name.strip() for name in self.tasks.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True)
class RecalibrateConfig(DataConfig):
    """Settings of the command `recalibrate`: a tagger is measured on reviewed labels, and fitted to them."""

    tagger: str = config_field("", "Folder of a tagger.", metavar="TAGGER")
    out: str | None = config_field(None, "New output folder. Default: runs/tagger-recalibrated-N.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.corrections:
            raise InputError("recalibrate measures a tagger on reviewed labels: give them by --corrections")
