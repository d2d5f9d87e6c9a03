"""The one description of a training run: flags and config.json come from these fields. No Keras here."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fashion_keras.catalog.attributes import AttributeGroup, read_task
from fashion_keras.catalog.splits import RECIPES as SPLITS
from fashion_keras.catalog.tasks import TASKS, Task
from fashion_keras.encoding.runtime import RUNTIMES
from fashion_keras.images.augment import PRESETS
from fashion_keras.images.decode import FITS, ImageSpec
from fashion_keras.models.backbones import BACKBONES, SCALINGS, get_backbone, image_spec
from fashion_keras.models.heads import HEADS, POOLINGS, Head, get_head
from fashion_keras.support.errors import InputError
from fashion_keras.support.options import check_counts, check_options, from_dict, option
from fashion_keras.training.balance import BALANCES
from fashion_keras.training.strategies import get_strategy

OPTIMIZERS = ("adam", "rmsprop", "sgd", "adamw")
SCHEDULES = ("plateau", "cosine", "constant")
_COUNTS = ("epochs", "batch_size", "min_images", "patience", "plateau_patience", "accumulate", "tune", "floor", "fold")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LOSSES = ("grouped", "bce", "weighted_bce")


def _names(rows: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(row.name for row in rows)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a run turns out; None means: by the backbone, strategy or head.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    task: str = option(
        "article_type",
        f"what to learn: {', '.join(_names(TASKS))}, column:NAME, labels:NAME (a column with bars "
        "between several labels); several at once with commas between, or attributes: all that the catalogue tells",
        metavar="T",
    )
    backbone: str = option("vgg19", "network", _names(BACKBONES), "B")
    data: str | None = option(None, "catalogue, or 'sample'; default: data/ if the Kaggle set is there", metavar="DIR")
    weights: str = option("auto", "first weights: auto, imagenet, fashion, none, a file, a run", metavar="W")
    strategy: str | None = option(
        None,
        "which layers learn: frozen, last_block, last_n:N, full, scratch, frozen+full; default: frozen, or scratch",
        metavar="S",
    )
    image_size: str | None = option(None, "input size of the network; default: the backbone's", metavar="HxW")
    fit: str = option("pad", "how a picture of other proportions fits in", FITS)
    epochs: int | None = option(None, "default: by the strategy", metavar="N")
    batch_size: int = option(64, "images a step", metavar="N")
    learning_rate: float | None = option(None, "of the first phase; default: by the strategy", metavar="X")
    optimizer: str | None = option(None, "default: by the strategy", OPTIMIZERS)
    weight_decay: float | None = option(None, "decoupled; default: 0.05 with adamw, else none", metavar="X")
    schedule: str | None = option(None, "of the learning rate; default: by the strategy", SCHEDULES)
    patience: int = option(10, "stop after so many epochs without a lower validation loss", metavar="N")
    plateau_patience: int = option(5, "with schedule plateau: epochs before the rate falls to a tenth", metavar="N")
    label_smoothing: float | None = option(
        None, "share of the target spread over all classes; default: 0.1 from scratch, else 0", metavar="X"
    )
    loss: str | None = option(
        None,
        "of several heads; grouped, the default: the labels of a single-valued group exclude each other; bce: every "
        "label by itself; weighted_bce: and rare labels count more",
        LOSSES,
    )
    augment: str = option("default", "augmentation", _names(PRESETS))
    balance: str = option("none", "of classes of different size", BALANCES)
    head: str = option("default", "what stands on the backbone", _names(HEADS))
    pooling: str | None = option(None, "default: by the head", POOLINGS)
    dense: str | None = option(None, "widths of hidden layers, as 512 or 512,256; default: by the head", metavar="W,..")
    dropout: float | None = option(None, "default: by the head", metavar="X")
    cut: str = option("", "end the backbone after this stage", metavar="STAGE")
    scaling: str | None = option(None, "of pixels; default: what the backbone's weights expect", SCALINGS)
    person_filter: str | None = option(
        None, "a run of --task person: products whose picture, it says, shows a person are set aside", metavar="RUN"
    )
    person_input: str | None = option(
        None, "a run of --task person: how probably it sees a person is one more feature for the head", metavar="RUN"
    )
    min_images: int = option(100, "classes with fewer are left out", metavar="N")
    split: str = option("title", "title: no product title in two parts; random: as papers did", SPLITS)
    folds: int | None = option(
        None, "cross-validation: so many runs, each tested on another part of the products", metavar="K"
    )
    fold: int | None = option(None, "with --folds: only the run with this number", metavar="N")
    limit: float | None = option(None, "use about so many products; below 1: such a share of them", metavar="N")
    floor: int | None = option(None, "with --limit: a class stops shrinking at so many products", metavar="N")
    precision: str = option("auto", "auto: bfloat16 where the machine computes in it", PRECISIONS)
    runtime: str = option("auto", "what runs a frozen network", RUNTIMES)
    views: int = option(
        4,
        "views of each image, one plain, others augmented, that the frozen part of a network sees once; "
        "0: fresh ones in every epoch, through the whole network",
        metavar="N",
    )
    accumulate: int = option(1, "batches whose gradients are averaged before a step", metavar="N")
    tune: int | None = option(None, "of strategy frozen: try so many heads and keep the best", metavar="N")
    cache: bool = option(False, "keep the decoded pixels in memory")
    seed: int = option(0, "of weights, split, order, augmentation", metavar="N")
    out: str | None = option(None, "run folder; default: runs/TASK-BACKBONE-STRATEGY-N", metavar="DIR")

    def __post_init__(self) -> None:
        check_options(self)
        self._check_heads()
        self._check_folds()
        self._check_limit()
        if self.strategy is not None:
            get_strategy(self.strategy)
        if self.balance == "smote" and (self.strategy_name != "frozen" or not self.views):
            raise InputError("--balance smote adds vectors, which only --strategy frozen learns from, with --views")
        if self.tune and (self.strategy_name != "frozen" or not self.views):
            raise InputError("--tune compares heads on vectors, which only --strategy frozen learns from, with --views")
        get_backbone(self.backbone).check_size(self.image)
        if self.cut:
            get_backbone(self.backbone).stage_end(self.cut)
        if self.task == "person" and (self.person_filter or self.person_input):
            raise InputError("--task person learns who is a detector's to find: leave --person-filter and -input out")
        self._check_ranges()
        _ = self.head_row

    def _check_folds(self) -> None:
        check_counts(self, ("folds",), least=2)
        if self.fold is not None and self.fold > (self.folds or 0):
            raise InputError(f"--fold {self.fold} needs --folds of at least as many, not {self.folds or 'none'}")
        if self.folds and not isinstance(self.learnt, Task):
            raise InputError(f"--folds is of one task; --task {self.task} is several: cross-validate each by itself")

    def _check_limit(self) -> None:
        limit = self.limit
        if limit is not None and not (0 < limit < 1 or (limit >= 1 and float(limit).is_integer())):
            raise InputError(f"--limit is a whole number from 1, or a share between 0 and 1, not {limit}")
        if self.floor and not limit:
            raise InputError("--floor is where --limit stops: give both")

    def _check_heads(self) -> None:
        if isinstance(self.learnt, Task):
            if self.loss:
                raise InputError(f"--loss is of several heads; --task {self.task} is one: leave --loss out")
            return
        if self.balance not in ("none", "class_weight"):
            raise InputError(f"--balance {self.balance} is of one task; with several heads use class_weight or none")
        if self.loss in ("bce", "weighted_bce") and self.balance != "none":
            raise InputError("--balance class_weight is of --loss grouped; weighted_bce weighs labels by itself")
        if self.loss in ("bce", "weighted_bce") and self.label_smoothing:
            raise InputError("--label-smoothing is of labels that exclude each other, as in --loss grouped")

    def _check_ranges(self) -> None:
        check_counts(self, _COUNTS)
        check_counts(self, ("views",), least=0)
        for name in ("dropout", "label_smoothing"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise InputError(f"--{name.replace('_', '-')} is from 0 to below 1, not {value}")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise InputError(f"--learning-rate is above 0, not {self.learning_rate}")
        if not 0 <= (self.weight_decay or 0) < float("inf"):
            raise InputError(f"--weight-decay is from 0, not {self.weight_decay}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed is a whole number from 0 to {2**32 - 1}, not {self.seed}")

    @property
    def learnt(self) -> Task | tuple[AttributeGroup, ...]:
        """What `task` names: a single-label task, or the groups of several heads."""
        return read_task(self.task)

    @property
    def cross_validates(self) -> bool:
        """Whether this is one run for each fold, rather than a single one."""
        return self.folds is not None and self.fold is None

    @property
    def image(self) -> ImageSpec:
        """The size and fit of the network's input."""
        return image_spec(self.backbone, self.image_size, self.fit)

    @property
    def strategy_name(self) -> str:
        """The strategy, or the default: frozen for a network with published weights, else scratch."""
        return self.strategy or ("frozen" if get_backbone(self.backbone).published else "scratch")

    @property
    def head_row(self) -> Head:
        """The head with what `pooling`, `dense` and `dropout` change."""
        if self.dense is not None and not re.fullmatch(r"([1-9]\d{0,4}(,[1-9]\d{0,4})*)?", self.dense):
            raise InputError(f"--dense is widths such as 512 or 512,256, not {self.dense!r}")
        dense = None if self.dense is None else tuple(int(width) for width in self.dense.split(",") if width)
        changes = {"pooling": self.pooling, "dense": dense, "dropout": self.dropout}
        return replace(get_head(self.head), **{name: value for name, value in changes.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """The fields, as config.json holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Make a config of `values`; an unknown key raises InputError that offers the nearest."""
        return from_dict(cls, values)
