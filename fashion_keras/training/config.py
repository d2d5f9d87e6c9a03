"""The one description of a training run: flags and config.json come from these fields. No Keras here."""

import re
from dataclasses import dataclass, replace
from typing import Any

from fashion_keras.catalog.attributes import parse_task
from fashion_keras.catalog.splits import SPLITS as SPLITS
from fashion_keras.catalog.tasks import TASKS, AttributeGroup
from fashion_keras.features.runtime import RUNTIMES
from fashion_keras.images.augment import PRESETS
from fashion_keras.images.decode import FITS, ImageSpec
from fashion_keras.models.backbones import BACKBONES, SCALINGS, get_backbone, resolve_image_spec
from fashion_keras.models.heads import HEADS, POOLINGS, Head, get_head
from fashion_keras.support.config_fields import DataConfig, config_field
from fashion_keras.support.errors import InputError
from fashion_keras.training.balance import BALANCES
from fashion_keras.training.strategies import get_strategy

OPTIMIZERS = ("adam", "rmsprop", "sgd", "adamw")
SCHEDULES = ("plateau", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LOSSES = ("grouped", "bce", "weighted_bce")


def _names(rows: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(row.name for row in rows)


@dataclass(frozen=True)
class TrainConfig(DataConfig):
    """Everything that decides how a run turns out; None means: by the backbone, strategy or head.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    task: str = config_field(
        "article_type",
        f"what to learn: {', '.join(_names(TASKS))}, column:NAME, labels:NAME (a column with bars "
        "between several labels); several at once with commas between, or attributes: all that the catalogue tells",
        metavar="T",
    )
    backbone: str = config_field("vgg19", "network", _names(BACKBONES), "B")
    weights: str = config_field("auto", "first weights: auto, imagenet, fashion, none, a file, a run", metavar="W")
    strategy: str | None = config_field(
        None,
        "which layers learn: frozen, last_block, last_n:N, full, scratch, frozen+full; default: frozen, or scratch",
        metavar="S",
    )
    image_size: str | None = config_field(None, "input size of the network; default: the backbone's", metavar="HxW")
    fit: str = config_field("pad", "how a picture of other proportions fits in", FITS)
    epochs: int | None = config_field(None, "default: by the strategy", metavar="N", at_least=1)
    batch_size: int = config_field(64, "images a step", metavar="N", at_least=1)
    learning_rate: float | None = config_field(
        None, "of the first phase; default: by the strategy", metavar="X", above=0
    )
    optimizer: str | None = config_field(None, "default: by the strategy", OPTIMIZERS)
    weight_decay: float | None = config_field(
        None, "decoupled; default: 0.05 with adamw, else none", metavar="X", at_least=0
    )
    schedule: str | None = config_field(None, "of the learning rate; default: by the strategy", SCHEDULES)
    patience: int = config_field(
        10, "stop after so many epochs without a lower validation loss", metavar="N", at_least=1
    )
    plateau_patience: int = config_field(
        5, "with schedule plateau: epochs before the rate falls to a tenth", metavar="N", at_least=1
    )
    label_smoothing: float | None = config_field(
        None,
        "share of the target spread over all classes; default: 0.1 from scratch, else 0",
        metavar="X",
        at_least=0,
        below=1,
    )
    loss: str | None = config_field(
        None,
        "of several heads; grouped, the default: the labels of a single-valued group exclude each other; bce: every "
        "label by itself; weighted_bce: and rare labels count more",
        LOSSES,
    )
    augment: str = config_field("default", "augmentation", _names(PRESETS))
    balance: str = config_field("none", "of classes of different size", BALANCES)
    head: str = config_field("default", "what stands on the backbone", _names(HEADS))
    pooling: str | None = config_field(None, "default: by the head", POOLINGS)
    dense: str | None = config_field(
        None, "widths of hidden layers, as 512 or 512,256; default: by the head", metavar="W,.."
    )
    dropout: float | None = config_field(None, "default: by the head", metavar="X", at_least=0, below=1)
    cut: str = config_field("", "end the backbone after this stage", metavar="STAGE")
    scaling: str | None = config_field(None, "of pixels; default: what the backbone's weights expect", SCALINGS)
    person_filter: str | None = config_field(
        None, "a run of --task person: products whose picture, it says, shows a person are set aside", metavar="RUN"
    )
    person_input: str | None = config_field(
        None, "a run of --task person: how probably it sees a person is one more feature for the head", metavar="RUN"
    )
    min_images: int = config_field(100, "classes with fewer are left out", metavar="N", at_least=1)
    split: str = config_field("product", "product: no product in two parts; random: as papers did", SPLITS)
    folds: int | None = config_field(
        None, "cross-validation: so many runs, each tested on another part of the products", metavar="K", at_least=2
    )
    fold: int | None = config_field(None, "with --folds: only the run with this number", metavar="N", at_least=1)
    limit: float | None = config_field(None, "use about so many products; below 1: such a share of them", metavar="N")
    floor: int | None = config_field(
        None, "with --limit: a class stops shrinking at so many products", metavar="N", at_least=1
    )
    precision: str = config_field("auto", "auto: bfloat16 where the machine computes in it", PRECISIONS)
    runtime: str = config_field("auto", "what runs a frozen network", RUNTIMES)
    views: int = config_field(
        4,
        "views of each image, one plain, others augmented, that the frozen part of a network sees once; "
        "0: fresh ones in every epoch, through the whole network",
        metavar="N",
        at_least=0,
    )
    accumulate: int = config_field(1, "batches whose gradients are averaged before a step", metavar="N", at_least=1)
    tune: int | None = config_field(
        None, "of strategy frozen: try so many heads and keep the best", metavar="N", at_least=1
    )
    cache: bool = config_field(False, "keep the decoded pixels in memory")
    out: str | None = config_field(None, "run folder; default: runs/TASK-BACKBONE-STRATEGY-N", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_heads()
        self._check_folds()
        self._check_limit()
        if self.strategy is not None:
            get_strategy(self.strategy)
        if self.balance == "smote" and (self.strategy_name != "frozen" or not self.views):
            raise InputError("--balance smote adds vectors, which only --strategy frozen learns from, with --views")
        if self.tune and (self.strategy_name != "frozen" or not self.views):
            raise InputError("--tune compares heads on vectors, which only --strategy frozen learns from, with --views")
        get_backbone(self.backbone).check_size(self.image_spec)
        if self.cut:
            get_backbone(self.backbone).stage_end(self.cut)
        if self.task == "person" and (self.person_filter or self.person_input):
            raise InputError("--task person learns who is a detector's to find: leave --person-filter and -input out")
        _ = self.head_spec

    def _check_folds(self) -> None:
        if self.fold is not None and self.fold > (self.folds or 0):
            raise InputError(f"--fold {self.fold} needs --folds of at least as many, not {self.folds or 'none'}")

    def _check_limit(self) -> None:
        limit = self.limit
        if limit is not None and not (0 < limit < 1 or (limit >= 1 and float(limit).is_integer())):
            raise InputError(f"--limit is a whole number from 1, or a share between 0 and 1, not {limit}")
        if self.floor and not limit:
            raise InputError("--floor is where --limit stops: give both")

    def _check_heads(self) -> None:
        if [group.kind for group in self.label_spec] == ["single"]:
            if self.loss:
                raise InputError(f"--loss is of several heads; --task {self.task} is one: leave --loss out")
            return
        if self.balance not in ("none", "class_weight"):
            raise InputError(f"--balance {self.balance} is of one task; with several heads use class_weight or none")
        if self.loss in ("bce", "weighted_bce") and self.balance != "none":
            raise InputError("--balance class_weight is of --loss grouped; weighted_bce weighs labels by itself")
        if self.loss in ("bce", "weighted_bce") and self.label_smoothing:
            raise InputError("--label-smoothing is of labels that exclude each other, as in --loss grouped")

    @property
    def label_spec(self) -> tuple[AttributeGroup, ...]:
        """The groups of labels that `task` names, one for each head."""
        return parse_task(self.task)

    @property
    def is_cross_validation(self) -> bool:
        """Whether this is one run for each fold, rather than a single one."""
        return self.folds is not None and self.fold is None

    @property
    def image_spec(self) -> ImageSpec:
        """The size and fit of the network's input."""
        return resolve_image_spec(self.backbone, self.image_size, self.fit)

    @property
    def strategy_name(self) -> str:
        """The strategy, or the default: frozen for a network with published weights, else scratch."""
        return self.strategy or ("frozen" if get_backbone(self.backbone).published else "scratch")

    @property
    def head_spec(self) -> Head:
        """The head with what `pooling`, `dense` and `dropout` change."""
        if self.dense is not None and not re.fullmatch(r"([1-9]\d{0,4}(,[1-9]\d{0,4})*)?", self.dense):
            raise InputError(f"--dense is widths such as 512 or 512,256, not {self.dense!r}")
        dense = None if self.dense is None else tuple(int(width) for width in self.dense.split(",") if width)
        changes = {"pooling": self.pooling, "dense": dense, "dropout": self.dropout}
        return replace(get_head(self.head), **{name: value for name, value in changes.items() if value is not None})
