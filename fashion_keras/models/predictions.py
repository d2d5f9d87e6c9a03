"""What a classifier said of images, and the one place where logits become probabilities. No Keras here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fashion_keras.models.hierarchy import LEVELS, HierarchicalPredictions, combine_levels
from fashion_keras.support.errors import InputError, unknown_name_error


@dataclass(frozen=True)
class LabelGroup:
    """A group of labels that a network tells apart; a single-label task is one.

    Attributes:
        name: of the task or attribute.
        kind: "single" when an image has one of the labels, "multi" when it may have several.
        classes, paths: the k labels, and their paths in the catalogue.
        activation: what makes logits probabilities: "softmax", or "sigmoid" for each label by itself.
        temperature: logits are divided by it before.
        thresholds: of a multi-valued group, from which probability on each label is given to an image; None: never; ()
            for 0.5 each.
    """

    name: str
    kind: Literal["single", "multi"]
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    activation: Literal["softmax", "sigmoid"] = "softmax"
    temperature: float = 1.0
    thresholds: tuple[float | None, ...] = ()

    @property
    def threshold_array(self) -> NDArray[np.float64]:
        """The thresholds [k], infinite for None."""
        thresholds = self.thresholds or (0.5,) * len(self.classes)
        return np.array([np.inf if value is None else value for value in thresholds])


@dataclass(frozen=True)
class Predictions:
    """What a classifier said of n images in one single-valued group of labels.

    Attributes:
        ids [n] int64: product ids, or 0..n-1.
        probabilities [n, k] float32: rows sum to 1, unless the network was trained with sigmoids.
        group: the k labels.
        truth [n] int64 or None: the right class, -1 where it is not known.
    """

    ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    group: LabelGroup
    truth: NDArray[np.int64] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The k names."""
        return self.group.classes

    @property
    def names(self) -> list[str]:
        """The most probable class of each image, n names."""
        return [self.classes[code] for code in self.probabilities.argmax(axis=1)]

    def top(self, count: int) -> list[list[tuple[str, float]]]:
        """The `count` most probable (class, probability) of each image, the most probable first."""
        ranked = (_ranked(row, self.classes)[:count] for row in self.probabilities)
        return [[(one["class"], one["probability"]) for one in row] for row in ranked]

    def answers(self, count: int = 3) -> list[dict[str, Any]]:
        """Return class, confidence and the `count` most probable of each image, ready for JSON."""
        ranked = [_ranked(row, self.classes)[:count] for row in self.probabilities]
        return [{"class": top[0]["class"], "confidence": top[0]["probability"], "top": top} for top in ranked]

    def take(self, rows: NDArray[Any]) -> "Predictions":
        """Return the predictions of these rows, numbers or a mask, truth included."""
        return Predictions(self.ids[rows], self.probabilities[rows], self.group, self.truth[rows])

    def joint(self) -> HierarchicalPredictions:
        """Decide article types and the categories they lie in together; InputError for labels of another kind."""
        if self.group.name != LEVELS[0]:
            raise InputError(f"no hierarchy above {self.group.name}: only {LEVELS[0]} has one")
        return combine_levels(self.group.paths, self.probabilities, {})


@dataclass(frozen=True)
class AttributePredictions:
    """What a classifier said of n images in several groups of labels, K labels in all.

    Attributes:
        ids [n] int64: product ids, or 0..n-1.
        probabilities [n, K] float32: group after group.
        groups: the groups.
        truth [n, K] int8 or None: 1 yes, 0 no, -1 not known.
    """

    ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    groups: tuple[LabelGroup, ...]
    truth: NDArray[np.int8] | None = None

    @property
    def given(self) -> NDArray[np.bool_]:
        """given [n, K] bool: the best label of a single-valued group, of others those that reach their threshold."""
        parts = zip(self.groups, group_slices(self.groups).values(), strict=True)
        return np.concatenate([_given(group, self.probabilities[:, columns]) for group, columns in parts], axis=1)

    @property
    def known(self) -> NDArray[np.bool_]:
        """known [n, K] bool: where the truth is yes or no."""
        return self.truth >= 0

    def part(self, name: str) -> "AttributePredictions":
        """Return what was said in one group alone; InputError for one that the run has not learnt."""
        places = group_slices(self.groups)
        if name not in places:
            raise unknown_name_error("head of this run", name, places)
        columns, groups = places[name], tuple(group for group in self.groups if group.name == name)
        truth = None if self.truth is None else self.truth[:, columns]
        return AttributePredictions(self.ids, self.probabilities[:, columns], groups, truth)

    def of(self, name: str) -> Predictions:
        """Return what was said in one single-valued group.

        Raises:
            InputError: for a group that the run has not learnt, or a multi-valued one.
        """
        part = self.part(name)
        if part.groups[0].kind != "single":
            raise InputError(f"{name} is multi-valued: an image has no one class of it; take part({name!r}).given")
        truth = None if self.truth is None else class_codes(part.truth)
        return Predictions(self.ids, part.probabilities, part.groups[0], truth)

    def answers(self, count: int = 3) -> list[dict[str, Any]]:
        """Return the heads of each image, ready for JSON: group -> as `Predictions.answers`, or the labels given."""
        said = {group.name: self._answers(group, count) for group in self.groups}
        return [{"heads": dict(zip(said, row, strict=True))} for row in zip(*said.values(), strict=True)]

    def joint(self) -> HierarchicalPredictions:
        """Decide article types and the categories they lie in together, by all of their heads.

        Raises:
            InputError: when the run has not learnt article types, or of a catalogue without categories.
        """
        leaf = self.of(LEVELS[0])
        above = {group.name: self.of(group.name) for group in self.groups if group.name in LEVELS[1:]}
        heads = {name: (said.group.paths, said.probabilities) for name, said in above.items()}
        return combine_levels(leaf.group.paths, leaf.probabilities, heads)

    def _answers(self, group: LabelGroup, count: int) -> list[dict[str, Any]]:
        if group.kind == "single":
            return self.of(group.name).answers(count)
        part, names = self.part(group.name), np.array(group.classes)
        pairs = zip(part.probabilities, part.given, strict=True)
        return [{"labels": _ranked(row[given], names[given])} for row, given in pairs]


def group_slices(groups: Sequence[LabelGroup]) -> dict[str, slice]:
    """Return group name -> where its labels stand among all."""
    ends = np.cumsum([len(group.classes) for group in groups]).tolist()
    return {group.name: slice(end - len(group.classes), end) for group, end in zip(groups, ends, strict=True)}


def class_codes(values: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the class [n] of values [n, k] that are 1 for yes; -1 where none is."""
    return np.where((values == 1).any(axis=1), values.argmax(axis=1), -1)


def probabilities(groups: Sequence[LabelGroup], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits [n, K] into probabilities [n, K], each group by its activation: the only place where that is done."""
    activations = {"softmax": _softmax, "sigmoid": _sigmoid}
    parts = zip(groups, group_slices(groups).values(), strict=True)
    return np.concatenate(
        [activations[group.activation](logits[:, columns] / group.temperature) for group, columns in parts], axis=1
    )


def _given(group: LabelGroup, shares: NDArray[np.float32]) -> NDArray[np.bool_]:
    if group.kind == "single":
        return shares.argmax(axis=1)[:, None] == np.arange(len(group.classes))
    return shares >= group.threshold_array


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # Of the negative side, where the exponential cannot overflow, and its mirror image.
    small = np.exp(-np.abs(logits))
    return np.where(logits < 0, small, 1) / (1 + small)


def _ranked(row: NDArray[np.float32], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Pair probabilities [k] with their classes, the most probable first."""
    order = np.argsort(-row, kind="stable").tolist()
    return [{"class": str(classes[code]), "probability": float(row[code])} for code in order]
