"""What a run learns to say of each product: the class of one task, or labels of several groups. No Keras here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import ALL_ATTRIBUTES, AttributeGroup
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.targets import Targets, encode_groups, learnable_groups
from fashion_keras.catalog.tasks import Columns, Task, get_task
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec, LabelSpec, MultiHeadSpec
from fashion_keras.models.predictions import LabelGroup, group_slices
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.person_filter import person_input_spec

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingTargets:
    """What is to be learnt of n products.

    Attributes:
        groups: the groups of labels, K labels in all; one for a single-label task.
        values [n, K] int8: 1 yes, 0 no, -1 not known.
        strata [n] int64: the classes by which the parts are drawn.
        everywhere: the first k of these classes, by name, of which every part must have products.
        colour: colour is among the labels, so augmentation must leave colours alone.
    """

    groups: tuple[LabelGroup, ...]
    values: NDArray[np.int8]
    strata: Integers
    everywhere: tuple[str, ...]
    is_color: bool

    def take(self, rows: Integers) -> "TrainingTargets":
        """Return the goal of these rows alone."""
        return TrainingTargets(self.groups, self.values[rows], self.strata[rows], self.everywhere, self.is_color)

    def positives(self, rows: Integers) -> Integers:
        """Return how many of these rows have each label, [K] int64."""
        return (self.values[rows] == 1).sum(axis=0)

    def known(self, rows: Integers) -> dict[str, int]:
        """Return group -> of how many of these rows anything is known."""
        return {
            name: int((self.values[rows, columns] >= 0).any(axis=1).sum())
            for name, columns in group_slices(self.groups).items()
        }


def model_spec(config: TrainConfig, groups: tuple[LabelGroup, ...]) -> LabelSpec:
    """Return what a run's network is built from."""
    common = {
        "backbone": config.backbone,
        "image_spec": config.image_spec,
        "scaling": config.scaling or get_backbone(config.backbone).scaling,
        "head": config.head_spec,
        "task": config.task,
        "cut": config.cut,
        "person": person_input_spec(config),
    }
    if isinstance(config.label_spec, Task):
        return ClassifierSpec(**common, classes=groups[0].classes, paths=groups[0].paths)
    return MultiHeadSpec(**common, groups=groups)


def check_one_task(config: TrainConfig) -> None:
    """Raise InputError when a config is of several heads: backbones are compared on one task."""
    if not isinstance(config.label_spec, Task):
        raise InputError(f"backbones are compared on one task; --task {config.task} is several: name one of them")


def build_targets(config: TrainConfig, catalog: Catalog) -> tuple[TrainingTargets, NDArray[np.str_], tuple[str, ...]]:
    """Learn the labels of n products that a config asks for.

    Args:
        config: names the task or groups, and the fewest images of a label.
        catalog: n products; brings the groups that "attributes" names.

    Returns:
        the goal; [n] why a product cannot be learnt from, else ""; warnings.

    Raises:
        InputError: when the columns or too few classes are there.
    """
    columns = catalog.columns
    match config.label_spec:
        case Task() as task:
            return _one_task(task, columns, config.min_images)
        case named:
            groups = catalog.attribute_groups if config.task == ALL_ATTRIBUTES else named
            kept, left_out = _learnable(config.task, groups, columns, config.min_images)
            activation = "softmax" if config.loss in (None, "grouped") else "sigmoid"
            goal = _several(kept, columns, config.min_images, activation)
            unlabelled = np.where((goal.values >= 0).any(axis=1), "", "no label of any group that is learnt")
            return goal, unlabelled, left_out


def _one_task(
    task: Task, columns: Columns, min_images: int
) -> tuple[TrainingTargets, NDArray[np.str_], tuple[str, ...]]:
    labels = task.encode(columns, min_images)
    group = LabelGroup(task.name, "single", labels.classes, labels.paths)
    return TrainingTargets((group,), labels.values, labels.codes, labels.classes, task.is_color), labels.reasons, ()


def _learnable(
    name: str, groups: Sequence[AttributeGroup], columns: Columns, min_images: int
) -> tuple[tuple[AttributeGroup, ...], tuple[str, ...]]:
    kept, reasons = learnable_groups(groups, columns, min_images)
    if len(kept) < min(2, len(groups)):
        left = f"only {kept[0].name} is left, which --task {kept[0].name} learns" if kept else "none is left"
        raise InputError(f"--task {name}: {left}; {'; '.join(reasons.values())}")
    return kept, tuple(f"LEFT OUT  {reason}" for reason in reasons.values())


def _several(groups: Sequence[AttributeGroup], columns: Columns, min_images: int, activation: str) -> TrainingTargets:
    targets = encode_groups(groups, columns, min_images)
    rows = zip(targets.groups, targets.classes, targets.paths, strict=True)
    labels = tuple(
        LabelGroup(group.name, group.kind, classes, paths, activation if group.kind == "single" else "sigmoid")
        for group, classes, paths in rows
    )
    strata = _strata(targets, columns, min_images)
    return TrainingTargets(labels, targets.values, strata, (), any(group.is_color for group in groups))


def _strata(targets: Targets, columns: Columns, min_images: int) -> Integers:
    """Return the classes by which parts are drawn: article types, or else those of the first single-valued group.

    Products of none of them are one more class.
    """
    try:
        codes = get_task("article_type").encode(columns, min_images).codes
    except InputError:
        singles = [group.name for group in targets.groups if group.kind == "single"]
        codes = targets.codes(singles[0]) if singles else np.zeros(len(targets.values), np.int64)
    return np.where(codes < 0, codes.max() + 1, codes)
