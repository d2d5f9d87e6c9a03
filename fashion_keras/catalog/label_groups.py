"""Label groups and targets: which labels a product can have, and which it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError, unknown_name_error

ClassPath = tuple[str, ...]


@dataclass(frozen=True)
class LabelGroup:
    """A group of labels that a classifier tells apart; a task with one head is one group.

    Attributes:
        name: of the task or attribute.
        kind: "single" when a product has one of the labels, "multi" when it may have several.
        classes: k label names.
        paths: k class paths in the catalog, such as ("Footwear", "Shoes", "Heels").
        activation: turns logits into probabilities: "softmax", or "sigmoid" for each label by itself.
        temperature: logits are divided by it before the activation.
        thresholds: of a multi-valued group, the probability from which on each label is predicted; None: never; () for
            0.5 each.
    """

    name: str
    kind: Literal["single", "multi"]
    classes: tuple[str, ...]
    paths: tuple[ClassPath, ...]
    activation: Literal["softmax", "sigmoid"] = "softmax"
    temperature: float = 1.0
    thresholds: tuple[float | None, ...] = ()

    @property
    def threshold_array(self) -> NDArray[np.float64]:
        """The thresholds [k], infinite for None."""
        thresholds = self.thresholds or (0.5,) * len(self.classes)
        return np.array([np.inf if value is None else value for value in thresholds])

    @property
    def target_width(self) -> int:
        """Columns in packed targets: 1, the class code, of a single-valued group; k of a multi-valued one."""
        return 1 if self.kind == "single" else len(self.classes)

    def indicators(self, packed: NDArray[np.integer]) -> NDArray[np.int8]:
        """Return packed targets [n, target_width] of this group as [n, k] int8: 1 yes, 0 no, -1 unknown."""
        if self.kind == "multi":
            return packed.astype(np.int8)
        return np.where(packed < 0, -1, packed == np.arange(len(self.classes))).astype(np.int8)


@dataclass(frozen=True)
class Targets:
    """Labels of n products in one group or several.

    Attributes:
        groups: g groups with K labels in all.
        packed [n, C] int64: group after group; one column of class codes for a single-valued group (-1 unknown), k
            columns for a multi-valued one (1 yes, 0 no, -1 unknown).
        reasons [n] str: why a product has no label in any group, else "".
    """

    groups: tuple[LabelGroup, ...]
    packed: NDArray[np.int64]
    reasons: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.packed)

    @classmethod
    def join(cls, parts: Sequence["Targets"]) -> "Targets":
        """Return the groups of several targets of the same products side by side."""
        unlabeled = parts[0].reasons if len(parts) == 1 else np.full(len(parts[0]), "no label in any group")
        known = np.any([part.known for part in parts], axis=0)
        return cls(
            tuple(group for part in parts for group in part.groups),
            np.concatenate([part.packed for part in parts], axis=1),
            np.where(known, "", unlabeled),
        )

    @property
    def known(self) -> NDArray[np.bool_]:
        """known [n] bool: where at least one label is known."""
        return self.reasons == ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K label names; with several groups as "pattern: Striped"."""
        return class_names(self.groups)

    @property
    def codes(self) -> NDArray[np.int64]:
        """codes [n] of the one single-valued group, -1 unknown; InputError where that is not what the groups are."""
        return self.packed[:, single_column(self.groups)]

    @property
    def values(self) -> NDArray[np.int8]:
        """values [n, K] int8: 1 yes, 0 no, -1 unknown."""
        return indicators(self.groups, self.packed)

    def group(self, name: str) -> "Targets":
        """Return the targets of one group; InputError for a group that is not there."""
        places = target_slices(self.groups)
        if name not in places:
            raise unknown_name_error("attribute group", name, places)
        packed = self.packed[:, places[name]]
        known = (packed >= 0).any(axis=1)
        groups = tuple(group for group in self.groups if group.name == name)
        return Targets(groups, packed, np.where(known, "", f"no {name} label"))

    def take(self, rows: NDArray[Any]) -> "Targets":
        """Return the targets of these rows, numbers or a mask."""
        return Targets(self.groups, self.packed[rows], self.reasons[rows])


def group_slices(groups: Sequence[LabelGroup]) -> dict[str, slice]:
    """Return group name -> columns of its labels among all K."""
    return _slices(groups, [len(group.classes) for group in groups])


def target_slices(groups: Sequence[LabelGroup]) -> dict[str, slice]:
    """Return group name -> its columns in packed targets [n, C]."""
    return _slices(groups, [group.target_width for group in groups])


def indicators(groups: Sequence[LabelGroup], packed: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return packed targets [n, C] as [n, K] int8: 1 yes, 0 no, -1 unknown."""
    parts = zip(groups, target_slices(groups).values(), strict=True)
    return np.concatenate([group.indicators(packed[:, columns]) for group, columns in parts], axis=1)


def class_names(groups: Sequence[LabelGroup]) -> tuple[str, ...]:
    """Return the K label names of groups; with several groups as "pattern: Striped"."""
    if len(groups) == 1:
        return groups[0].classes
    return tuple(f"{group.name}: {label}" for group in groups for label in group.classes)


def single_column(groups: Sequence[LabelGroup]) -> int:
    """Return 0, the column of class codes of one single-valued group.

    Raises:
        InputError: for several groups, or a multi-valued one: a product has no one class code of them.
    """
    if len(groups) > 1:
        raise InputError(f"several heads, {', '.join(group.name for group in groups)}: take one with .group(name)")
    if groups[0].kind == "multi":
        raise InputError(f"{groups[0].name} is multi-valued: a product may have several of its labels, or none")
    return 0


def _slices(groups: Sequence[LabelGroup], widths: Sequence[int]) -> dict[str, slice]:
    ends = np.cumsum(widths).tolist()
    return {group.name: slice(end - width, end) for group, width, end in zip(groups, widths, ends, strict=True)}
