"""Config of a classifier's training: flags and config.json come from its fields. No Keras here."""

import re
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fashion_keras.catalog.attributes import parse_task
from fashion_keras.catalog.fixed_splits import check_recipe
from fashion_keras.catalog.splits import SPLITS
from fashion_keras.catalog.tasks import TASKS, AttributeGroup
from fashion_keras.images.augment import get_augmentation
from fashion_keras.images.spec import FITS, ImageSpec
from fashion_keras.models.backbones import SCALINGS, resolve_image_spec
from fashion_keras.models.heads import HEADS, MULTI_STAGE, POOLINGS, Head, get_head
from fashion_keras.support.atomic_files import check_png_path
from fashion_keras.support.config_fields import config_field
from fashion_keras.support.errors import InputError
from fashion_keras.training.balance import BALANCES
from fashion_keras.training.base_config import INT8, PRECISIONS, BackboneConfig, with_default

OPTIMIZERS = ("adam", "rmsprop", "sgd", "adamw")
SCHEDULES = ("plateau", "cosine", "constant")
LOSSES = ("grouped", "bce", "weighted_bce")
LOGS = ("tensorboard", "mlflow", "wandb", "none")
DISTRIBUTIONS = ("auto", "none", "mirrored", "multiworker")


def _names(rows: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(row.name for row in rows)


@dataclass(frozen=True)
class TrainConfig(BackboneConfig):
    """Settings of a classifier's training run; None means that backbone, strategy or head decides."""

    task: str = config_field(
        "article_type",
        f"Label to predict: {', '.join(_names(TASKS))}, column:NAME, or labels:NAME (a column with bars between "
        "several labels); several separated by commas; or attributes: all labels that the catalog has.",
        metavar="T",
    )
    fit: str = config_field("pad", "How an image of other proportions is resized.", FITS)
    batch_size: int = with_default(BackboneConfig, "batch_size", 64)
    precision: str = config_field(
        "auto",
        "Floating-point type of the backbone; auto: bfloat16 where the hardware computes in it. int8: the finished "
        "network is quantized for predictions, if it stays as accurate on the validation images.",
        (*PRECISIONS, INT8),
    )
    optimizer: str | None = config_field(None, "Optimizer. Default: depends on the strategy.", OPTIMIZERS)
    schedule: str | None = config_field(None, "Learning-rate schedule. Default: depends on the strategy.", SCHEDULES)
    patience: int = config_field(
        10, "Epochs without a lower validation loss after which training stops.", metavar="N", at_least=1
    )
    plateau_patience: int = config_field(
        5,
        "With --schedule plateau, epochs without a lower validation loss after which the learning rate falls to a "
        "tenth.",
        metavar="N",
        at_least=1,
    )
    label_smoothing: float | None = config_field(
        None,
        "Share of the target that is spread over all classes. Default: 0.1 with --strategy scratch, else 0.",
        metavar="X",
        at_least=0,
        below=1,
    )
    loss: str | None = config_field(
        None,
        "Loss of several heads. grouped: cross-entropy over the labels of each single-valued group; bce: binary "
        "cross-entropy of every label; weighted_bce: the same with rare labels weighted up. Default: grouped.",
        LOSSES,
    )
    balance: str = config_field("none", "How classes of different size are balanced.", BALANCES)
    head: str | None = config_field(
        None, "Classification head. Default: multi_stage with --strategy frozen, else default.", _names(HEADS)
    )
    pooling: str | None = config_field(
        None, "Pooling of the last feature map, or of the last four stages'. Default: depends on the head.", POOLINGS
    )
    dense: str | None = config_field(
        None, "Widths of hidden layers, such as 512 or 512,256. Default: depends on the head.", metavar="W,.."
    )
    dropout: float | None = config_field(
        None, "Dropout rate of the head. Default: depends on the head.", metavar="X", at_least=0, below=1
    )
    scaling: str | None = config_field(
        None, "Scaling of pixels. Default: what the backbone's weights expect.", SCALINGS
    )
    person_filter: str | None = config_field(
        None, "Run of --task person; products whose image it predicts to show a person are rejected.", metavar="RUN"
    )
    person_input: str | None = config_field(
        None, "Run of --task person; its predicted probability is an additional feature of the head.", metavar="RUN"
    )
    min_images: int = config_field(100, "Smallest number of images of a class.", metavar="N", at_least=1)
    split: str = config_field(
        "product",
        "How images are divided: product (no product in two parts), random (rows, as in papers), year (test on odd "
        "years), year:YYYY (test on that year and after), given (the catalog's column split) or a CSV of sku, part.",
        metavar="RECIPE|FILE",
        convert=check_recipe,
    )
    folds: int | None = config_field(
        None, "Number of cross-validation folds, each a run tested on other products.", metavar="K", at_least=2
    )
    fold: int | None = config_field(None, "With --folds, the only fold to run.", metavar="N", at_least=1)
    limit: float | None = config_field(
        None, "Approximate number of products to use; below 1, their share. Default: all.", metavar="N"
    )
    floor: int | None = config_field(
        None, "With --limit, number of products below which no class is reduced.", metavar="N", at_least=1
    )
    accumulate: int = config_field(
        1, "Number of batches whose gradients are averaged before a step.", metavar="N", at_least=1
    )
    log: str | None = config_field(
        None,
        "Experiment log: TensorBoard in the run folder, MLflow, Weights & Biases or none. Default: tensorboard where "
        "that package is installed, else none.",
        LOGS,
    )
    distribute: str = config_field(
        "none",
        "Devices that train together, each on its part of every batch. mirrored: all GPUs of this machine; "
        "multiworker: the processes that the environment variable TF_CONFIG names; auto: what of these there is.",
        DISTRIBUTIONS,
    )
    tune: int | None = config_field(
        None, "With --strategy frozen, number of heads to try; the best is trained.", metavar="N", at_least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_heads()
        if self.precision == INT8 and (missing := [name for name in ("openvino", "nncf") if find_spec(name) is None]):
            raise InputError(f'--precision int8 needs {" and ".join(missing)}: pip install "fashion_keras[int8]"')
        if self.fold is not None and self.fold > (self.folds or 0):
            raise InputError(f"--fold {self.fold} needs --folds of at least {self.fold}, not {self.folds or 'none'}")
        if self.folds and self.split not in SPLITS:
            raise InputError(f"--folds divides by product or at random: --split {self.split} names the parts itself")
        limit = self.limit
        if limit is not None and not (0 < limit < 1 or (limit >= 1 and float(limit).is_integer())):
            raise InputError(f"--limit must be a whole number from 1, or a share between 0 and 1, not {limit}")
        if self.floor and not limit:
            raise InputError("--floor bounds --limit: give both")
        needs = "cached features: it needs --strategy frozen, and --views above 0"
        if self.strategy_name != "frozen" or not self.views:
            if self.balance == "smote":
                raise InputError(f"--balance smote adds {needs}")
            if self.tune:
                raise InputError(f"--tune trains heads on {needs}")
        if self.task == "person" and (self.person_filter or self.person_input):
            raise InputError("--task person trains a person detector: leave --person-filter and --person-input out")
        _ = self.head_spec

    def _check_heads(self) -> None:
        if [group.kind for group in self.label_spec] == ["single"]:
            if self.loss:
                raise InputError(f"--loss needs several heads; --task {self.task} has one: leave --loss out")
            return
        if get_augmentation(self.augment).mix:
            raise InputError(
                f"--augment {self.augment} mixes labels: it needs a task of one single-valued head, not {self.task}"
            )
        if self.balance not in ("none", "class_weight"):
            raise InputError(f"--balance {self.balance} needs a single head; with several use class_weight or none")
        if self.loss in ("bce", "weighted_bce") and self.balance != "none":
            raise InputError("--balance class_weight needs --loss grouped; weighted_bce has label weights of its own")
        if self.loss in ("bce", "weighted_bce") and self.label_smoothing:
            raise InputError("--label-smoothing needs --loss grouped: other losses have no mutually exclusive labels")

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
        """Size and fit of the network's input."""
        return resolve_image_spec(self.backbone, self.image_size, self.fit)

    @property
    def head_spec(self) -> Head:
        """The head, with `pooling`, `dense` and `dropout` where they are given."""
        if self.dense is not None and not re.fullmatch(r"([1-9]\d{0,4}(,[1-9]\d{0,4})*)?", self.dense):
            raise InputError(f"--dense must be widths such as 512 or 512,256, not {self.dense!r}")
        dense = None if self.dense is None else tuple(int(width) for width in self.dense.split(",") if width)
        changes = {"pooling": self.pooling, "dense": dense, "dropout": self.dropout}
        # A head on frozen features gains from earlier stages; what is trained after them would have to begin there.
        name = self.head or (MULTI_STAGE if self.strategy_name == "frozen" else "default")
        return replace(get_head(name), **{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class RateTestConfig(TrainConfig):
    """Settings of the command `lr-find`: those of the training run, and of the range test."""

    lowest: float = config_field(1e-6, "Learning rate of the first batch.", metavar="X", above=0)
    highest: float = config_field(1.0, "Learning rate of the last batch.", metavar="X", above=0)
    steps: int = config_field(100, "Batches, one at each rate.", metavar="N", at_least=8)
    out: str | None = config_field(None, "Figure; beside it a CSV file. Default: lr-find.png.", metavar="PNG")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lowest < self.highest:
            raise InputError(f"--lowest {self.lowest:g} must be below --highest {self.highest:g}")
        if self.out is not None:
            check_png_path(Path(self.out))
        if self.distribute != "none":
            raise InputError("lr-find runs on one device: leave --distribute out")
        if self.is_cross_validation:
            raise InputError("lr-find runs on one split: give --fold N, or leave --folds out")
