"""Training targets: labels, strata of the split, spec of the network, person detector of a run. No Keras here."""

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import ALL_ATTRIBUTES
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.label_groups import LabelGroup, Targets, group_slices
from fashion_keras.catalog.label_sources import Columns
from fashion_keras.catalog.targets import encode_groups, learnable_groups
from fashion_keras.catalog.tasks import get_task
from fashion_keras.catalog.worn_rules import PERSON
from fashion_keras.features.runtime import load_classifier
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.own_backbone import architecture_of
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig

log = logging.getLogger("fashion_keras")

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingTargets(Targets):
    """Targets of n products, and how they are divided into parts.

    Attributes:
        strata [n] int64: the classes by which the parts are stratified.
        required_classes: names of the first strata, of which every part must have products.
        is_color: color is among the labels, so augmentation must leave colors unchanged.
    """

    strata: Integers
    required_classes: tuple[str, ...]
    is_color: bool

    def take(self, rows: NDArray[Any]) -> "TrainingTargets":
        """Return the targets of these rows, numbers or a mask."""
        return replace(self, packed=self.packed[rows], reasons=self.reasons[rows], strata=self.strata[rows])

    def label_counts(self, rows: Integers) -> dict[str, list[int]]:
        """Return group -> how many of these rows have each of its labels."""
        counts = (self.take(rows).values == 1).sum(axis=0)
        return {name: counts[columns].tolist() for name, columns in group_slices(self.groups).items()}

    def known_counts(self, rows: Integers) -> dict[str, int]:
        """Return group -> of how many of these rows a label of it is known."""
        part = self.take(rows)
        return {group.name: int(part.group(group.name).known.sum()) for group in self.groups}


def model_spec(config: TrainConfig, groups: tuple[LabelGroup, ...]) -> ClassifierSpec:
    """Return the spec of a run's network."""
    return ClassifierSpec(
        backbone=config.backbone,
        image_spec=config.image_spec,
        scaling=config.scaling or get_backbone(config.backbone).scaling,
        head=config.head_spec,
        task=config.task,
        groups=groups,
        cut=config.cut,
        person=person_input_spec(config),
        architecture=architecture_of(config.backbone),
    )


def build_targets(config: TrainConfig, catalog: Catalog) -> tuple[TrainingTargets, tuple[str, ...]]:
    """Encode the labels of n products that a config names; "attributes" names the groups of the catalog.

    Returns the targets, and a warning for each group that cannot be encoded and is left out; InputError when the
    columns or too few classes are there.
    """
    named = catalog.attribute_groups if config.task == ALL_ATTRIBUTES else config.label_spec
    groups, reasons = learnable_groups(named, catalog.columns, config.min_images)
    if len(groups) < min(2, len(named)):
        left = f"only {groups[0].name} is left, which --task {groups[0].name} trains; " if groups else ""
        raise InputError(f"{left}{'; '.join(reasons.values())}")
    targets = encode_groups(groups, catalog.columns, config.min_images)
    softmax = config.loss in (None, "grouped")
    activated = tuple(
        replace(group, activation="softmax" if softmax and group.kind == "single" else "sigmoid")
        for group in targets.groups
    )
    strata, required = _strata(targets, catalog.columns, config.min_images)
    warnings = tuple(f"LEFT OUT  {reason}" for reason in reasons.values())
    is_color = any(group.is_color for group in groups)
    return TrainingTargets(activated, targets.packed, targets.reasons, strata, required, is_color), warnings


def _strata(targets: Targets, columns: Columns, min_images: int) -> tuple[Integers, tuple[str, ...]]:
    """Return the classes by which parts are stratified, and those that every part needs.

    Of one single-valued group its classes, all needed. Of several groups article types, or else the first
    single-valued group; products of none of them are one more class.
    """
    singles = [group.name for group in targets.groups if group.kind == "single"]
    if len(targets.groups) == len(singles) == 1:
        return targets.codes, targets.classes
    try:
        codes = get_task("article_type").encode(columns, min_images).codes
    except InputError:
        codes = targets.group(singles[0]).codes if singles else np.zeros(len(targets), np.int64)
    return np.where(codes < 0, codes.max() + 1, codes), ()


def person_input_spec(config: TrainConfig) -> ClassifierSpec | None:
    """Return the spec of the detector that `--person-input` names, if any; InputError when it does not fit the run."""
    if config.person_input is None:
        return None
    detector = _detector_spec(config.person_input)
    theirs, ours = detector.image_spec, config.image_spec
    if theirs != ours:
        raise InputError(
            f"{config.person_input}: a detector of images of {theirs.height}x{theirs.width} {theirs.fit}, in a network "
            f"of {ours.height}x{ours.width} {ours.fit}: train one with --image-size {ours.height}x{ours.width} --fit "
            f"{ours.fit}"
        )
    return detector


def filter_persons(catalog: Catalog, run: str) -> Catalog:
    """Reject the products in whose image the detector in `run` predicts a person; InputError when none is left."""
    code = _detector_spec(run).classes.index(PERSON)
    is_person = load_classifier(run).predict(catalog.paths).probabilities[:, code] >= 0.5
    log.info("%s predicts a person in %d of %d images", run, is_person.sum(), len(catalog))
    if is_person.all():
        raise InputError(f"--person-filter {run}: it predicts a person in all {len(catalog)} images; leave it out")
    return catalog.reject(np.where(is_person, "the person filter predicts a person", "").tolist())


def _detector_spec(run: str) -> ClassifierSpec:
    spec, _ = load_classifier_spec(run)
    if spec.task != "person":
        raise InputError(f"{run}: a run of --task {spec.task}; a person detector is a run of --task person")
    return spec
