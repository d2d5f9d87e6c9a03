"""Attributes: groups of labels of which a product has one or several, and where they are read."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.tasks import TASKS, Columns, Task, get_task, is_color_column
from fashion_keras.support.errors import InputError, unknown_name_error


@dataclass(frozen=True)
class ProductType:
    """A kind of product, and how it is found in a catalogue: `column` holds one of `values`."""

    name: str
    column: str
    values: tuple[str, ...]

    def rows(self, columns: Columns) -> NDArray[np.bool_]:
        """Return rows [n] bool: the products of this type; InputError when the catalogue lacks the column."""
        return np.isin(get_column(columns, self.column, f"product type {self.name}"), self.values)


@dataclass(frozen=True)
class TitleSource:
    """The product's name, read by the rows of `name_rules` that have this group."""

    group: str


@dataclass(frozen=True)
class ColumnSource:
    """A column whose cells hold a label, or several with a bar between them: "Cotton|Linen"."""

    column: str


@dataclass(frozen=True)
class AttributeGroup:
    """A group of labels.

    Attributes:
        name: as written after `--task`.
        kind: "single" when a product has one of the labels, "multi" when it may have several.
        source: where the labels are read: a single-label task, the product's name, or a column's cells.
        applies_to: the product types that have the attribute; () for all. Of other products it is not known.
        labels: the labels there are; () for those that are found.
    """

    name: str
    kind: Literal["single", "multi"]
    source: Task | TitleSource | ColumnSource
    applies_to: tuple[ProductType, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def is_color(self) -> bool:
        """Whether colour is the label, so that augmentation must leave colours alone."""
        match self.source:
            case Task():
                return self.source.is_color
            case ColumnSource(column):
                return is_color_column(column)
        return False

    def applicable(self, columns: Columns) -> Columns:
        """Return the columns with every cell emptied of the products that the group does not apply to.

        Raises:
            InputError: when the catalogue has none of the product types, or lacks the column that tells them.
        """
        if not self.applies_to:
            return columns
        rows = np.any([kind.rows(columns) for kind in self.applies_to], axis=0)
        if not rows.any():
            kind = self.applies_to[0]
            found = sorted(set(columns[kind.column].tolist()) - {""})
            raise unknown_name_error(f"{kind.column} of attribute group {self.name}", kind.values[0], found)
        return {name: np.where(rows, values, "") for name, values in columns.items()}


_APPAREL = ProductType("apparel", "master_category", ("Apparel",))
_ACCESSORY = ProductType("accessory", "master_category", ("Accessories",))
_FOOTWEAR = ProductType("footwear", "master_category", ("Footwear",))
_WATCH = ProductType("watch", "article_type", ("Watches",))
# What catalogues in Kaggle's layout tell. Names of shoes say nothing of their pattern that their pictures show.
KAGGLE_GROUPS = (
    AttributeGroup("article_type", "single", get_task("article_type")),
    AttributeGroup("gender", "single", get_task("gender")),
    AttributeGroup("base_colour", "single", get_task("base_colour")),
    AttributeGroup("season", "single", get_task("season")),
    AttributeGroup("usage", "single", get_task("usage")),
    AttributeGroup("pattern", "multi", TitleSource("pattern"), (_APPAREL, _ACCESSORY)),
    AttributeGroup("material", "multi", TitleSource("material"), (_APPAREL, _ACCESSORY, _FOOTWEAR)),
    AttributeGroup("neck", "single", TitleSource("neck"), (_APPAREL,)),
    AttributeGroup("sleeve", "single", TitleSource("sleeve"), (_APPAREL,)),
    AttributeGroup("display", "single", TitleSource("display"), (_WATCH,)),
    AttributeGroup("fit", "single", TitleSource("fit"), (_APPAREL,)),
    AttributeGroup("heel", "single", TitleSource("heel"), (_FOOTWEAR,)),
)

ALL_ATTRIBUTES = "attributes"  # the name of all groups that a catalogue brings
_LABELS = "labels:"


def parse_groups(names: str) -> tuple[AttributeGroup, ...]:
    """Return all groups for "attributes", else those named, with commas between; a single-label task is one, too.

    `labels:NAME` is a column whose cells hold several labels with bars between.

    >>> [(group.name, group.kind) for group in get_groups("pattern,column:brand,labels:cloth")]
    [('pattern', 'multi'), ('column:brand', 'single'), ('labels:cloth', 'multi')]

    Raises:
        InputError: for an unknown name or one given twice.
    """
    if names == ALL_ATTRIBUTES:
        return KAGGLE_GROUPS
    wanted = [name.strip() for name in names.split(",")]
    double = [name for name, count in Counter(wanted).items() if count > 1]
    if double:
        raise InputError(f"attribute group {double[0]!r} is named twice in {names!r}; name it once")
    return tuple(_get_group(name) for name in wanted)


def parse_task(name: str) -> Task | tuple[AttributeGroup, ...]:
    """Return what `--task` names: a single-label task, or the groups of several heads.

    One attribute that is no task, such as "pattern", is a group by itself.

    >>> read_task("gender").name, [group.name for group in read_task("gender,pattern")]
    ('gender', ['gender', 'pattern'])

    Raises:
        InputError: for an unknown name; names the nearest one.
    """
    tasks = [task.name for task in TASKS]
    if name in tasks or (name.startswith("column:") and "," not in name):
        return get_task(name)
    attributes = [group.name for group in KAGGLE_GROUPS if group.name not in tasks]
    if name not in (ALL_ATTRIBUTES, *attributes) and "," not in name and not name.startswith(_LABELS):
        raise unknown_name_error("task", name, [*tasks, "column:NAME", f"{_LABELS}NAME", ALL_ATTRIBUTES, *attributes])
    return parse_groups(name)


def get_column(columns: Columns, name: str, what: str) -> NDArray[np.str_]:
    """Return the values [n] str of a column; when it is not there, an InputError says that `what` needs it."""
    if name not in columns:
        raise InputError(f"{what} needs the column {name!r}; the catalogue has: {', '.join(columns)}")
    return columns[name]


def _get_group(name: str) -> AttributeGroup:
    for group in KAGGLE_GROUPS:
        if group.name == name:
            return group
    tasks = [task.name for task in TASKS]
    if name in tasks or name.startswith("column:"):
        return AttributeGroup(name, "single", get_task(name))
    column = name.removeprefix(_LABELS)
    if column not in ("", name):
        return AttributeGroup(name, "multi", ColumnSource(column))
    known = dict.fromkeys(
        [ALL_ATTRIBUTES, *(group.name for group in KAGGLE_GROUPS), *tasks, "column:NAME", f"{_LABELS}NAME"]
    )
    raise unknown_name_error("attribute group", name, known)
