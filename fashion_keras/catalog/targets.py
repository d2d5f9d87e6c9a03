"""Targets: what is known of each product in several groups of labels at once, as one matrix."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import AttributeGroup, ColumnSource, TitleSource, get_column
from fashion_keras.catalog.csv_reader import TITLE
from fashion_keras.catalog.tasks import Columns, Task, TaskLabels, get_task
from fashion_keras.catalog.title_rules import labels_from_title, undetermined_labels
from fashion_keras.support.errors import InputError, unknown_name_error

LABEL_SEPARATOR = "|"  # between the labels of one cell
LabelLists = list[tuple[str, ...]]  # per product the labels that are said of it; () where nothing is


@dataclass(frozen=True)
class Targets:
    """What is known of n products: K labels, group after group.

    Attributes:
        groups: g groups.
        classes: g tuples of label names, each sorted, K names in all.
        paths: g tuples like `classes`; of an article type the path "Footwear/Shoes/Heels", of others the name again.
        values [n, K] int8: 1 yes, 0 no, -1 not known.
    """

    groups: tuple[AttributeGroup, ...]
    classes: tuple[tuple[str, ...], ...]
    paths: tuple[tuple[str, ...], ...]
    values: NDArray[np.int8]

    @property
    def known(self) -> NDArray[np.bool_]:
        """known [n, K] bool: where the answer is yes or no."""
        return self.values >= 0

    @property
    def names(self) -> tuple[str, ...]:
        """The K labels with their groups: "pattern: Striped"."""
        pairs = zip(self.groups, self.classes, strict=True)
        return tuple(f"{group.name}: {label}" for group, classes in pairs for label in classes)

    @property
    def slices(self) -> dict[str, slice]:
        """Group name -> where its labels stand among the K."""
        ends = np.cumsum([len(classes) for classes in self.classes]).tolist()
        starts = [0, *ends[:-1]]
        return {group.name: slice(*ends) for group, *ends in zip(self.groups, starts, ends, strict=True)}

    def of(self, name: str) -> NDArray[np.int8]:
        """Return the values [n, k] int8 of one group; InputError for a group that is not there."""
        if name not in self.slices:
            raise unknown_name_error("attribute group", name, self.slices)
        return self.values[:, self.slices[name]]

    def codes(self, name: str) -> NDArray[np.int64]:
        """Return codes [n] int64 into the classes of a single-valued group, -1 where not known.

        Raises:
            InputError: for a group that is not there or is multi-valued.
        """
        values = self.of(name)
        if any(group.name == name and group.kind == "multi" for group in self.groups):
            raise InputError(f"attribute group {name} is multi-valued: its products have no one code; take its values")
        return np.where((values == 1).any(axis=1), values.argmax(axis=1), -1)


@dataclass(frozen=True)
class HierarchyLevel:
    """The classes one step up a hierarchy.

    Attributes:
        column: the column that they are values of.
        paths: p classes, sorted, named by their paths: "Footwear/Shoes".
        codes [k] int64: which of them each of the k leaf classes belongs to.
    """

    column: str
    paths: tuple[str, ...]
    codes: NDArray[np.int64]


def encode_groups(groups: Sequence[AttributeGroup], columns: Columns, min_images: int = 1) -> Targets:
    """Learn each group's labels with at least `min_images` products, and label every product.

    Not known is a group of a product that it does not apply to or of which nothing is said; a single-valued group
    also where two labels are said, or one that is no class. In a multi-valued group the labels that are said are 1 and
    the others 0, but for those on which the word of a name is silent (-1): a "printed" shirt may be floral or not.

    Args:
        groups: one group or more.
        columns: name -> values [n] str, "" where missing.
        min_images: labels with fewer are no classes.

    Raises:
        InputError: when a needed column is not there, a group applies to no product, or fewer than two labels remain.
    """
    parts, all_classes, all_paths = [], [], []
    for group in groups:
        said, paths = _read(group, group.applicable(columns), min_images)
        classes = _choose(group, said, min_images)
        parts.append(_fill(group, said, classes))
        all_classes.append(classes)
        all_paths.append(tuple(paths.get(label, label) for label in classes))
    return Targets(tuple(groups), tuple(all_classes), tuple(all_paths), np.concatenate(parts, axis=1))


def encode_with_classes(
    groups: Sequence[AttributeGroup],
    classes: Sequence[tuple[str, ...]],
    paths: Sequence[tuple[str, ...]],
    columns: Columns,
) -> Targets:
    """Label products with the classes and paths of earlier Targets, as `encode_groups` does."""
    parts = []
    for group, names, places in zip(groups, classes, paths, strict=True):
        held = group.applicable(columns)
        if isinstance(group.source, Task):
            said = _one_each(group.source.match(held, names, places))
        else:
            said, _ = _read(group, held, 1)
        parts.append(_fill(group, said, names))
    return Targets(tuple(groups), tuple(classes), tuple(paths), np.concatenate(parts, axis=1))


def learnable_groups(
    groups: Sequence[AttributeGroup], columns: Columns, min_images: int = 1
) -> tuple[tuple[AttributeGroup, ...], dict[str, str]]:
    """Return the groups that `encode_groups` can learn, and name -> reason for the others."""
    kept, reasons = [], {}
    for group in groups:
        try:
            encode_groups([group], columns, min_images)
        except InputError as error:
            reasons[group.name] = str(error)
        else:
            kept.append(group)
    return tuple(kept), reasons


def hierarchy_levels(paths: Sequence[str]) -> tuple[HierarchyLevel, ...]:
    """Return the levels above article types, nearest first, from their paths "Footwear/Shoes/Heels".

    >>> [level.paths for level in get_parents(["Footwear/Shoes/Flats", "Footwear/Shoes/Heels"])]
    [('Footwear/Shoes',), ('Footwear',)]

    Raises:
        InputError: when a path has no parents, because the catalogue lacks their columns.
    """
    columns = get_task("article_type").columns
    parts = [path.split("/") for path in paths]
    wrong = [path for path, steps in zip(paths, parts, strict=True) if len(steps) != len(columns)]
    if wrong:
        raise InputError(f"class {wrong[0]!r} has no parents: a hierarchy needs the columns {', '.join(columns)}")
    levels = []
    for depth in range(len(columns) - 1, 0, -1):
        above, codes = np.unique(["/".join(steps[:depth]) for steps in parts], return_inverse=True)
        levels.append(HierarchyLevel(columns[depth - 1], tuple(above.tolist()), codes))
    return tuple(levels)


def _read(group: AttributeGroup, columns: Columns, min_images: int) -> tuple[LabelLists, dict[str, str]]:
    """Return what is said of each product, and the paths of classes that have one."""
    what = f"attribute group {group.name}"
    match group.source:
        case Task():
            labels = group.source.encode(columns, min_images)
            return _one_each(labels), dict(zip(labels.classes, labels.paths, strict=True))
        case TitleSource(rules):
            said = [labels_from_title(rules, name) for name in get_column(columns, TITLE, what).tolist()]
        case ColumnSource(column):
            cells = get_column(columns, column, what).tolist()
            said = [tuple(sorted({part.strip() for part in cell.split(LABEL_SEPARATOR)} - {""})) for cell in cells]
    if group.kind == "single":
        said = [labels if len(labels) == 1 else () for labels in said]
    return said, {}


def _one_each(labels: TaskLabels) -> LabelLists:
    return [(labels.classes[code],) if code >= 0 else () for code in labels.codes.tolist()]


def _choose(group: AttributeGroup, said: LabelLists, min_images: int) -> tuple[str, ...]:
    """Return the labels that become classes, sorted."""
    counts = Counter(label for labels in said for label in labels if label in (group.labels or labels))
    kept = sorted(label for label, count in counts.items() if count >= min_images)
    if len(kept) < 2:
        found = ", ".join(f"{label} {count}" for label, count in counts.most_common(5)) or "none"
        raise InputError(
            f"attribute group {group.name}: {len(kept)} of {len(counts)} labels have at least {min_images} images and "
            f"two are needed (found: {found}): lower --min-images or leave the group out"
        )
    return tuple(kept)


def _fill(group: AttributeGroup, said: LabelLists, classes: tuple[str, ...]) -> NDArray[np.int8]:
    """Return the values [n, k] int8 of one group."""
    place = {label: number for number, label in enumerate(classes)}
    hits = [(row, place[label]) for row, labels in enumerate(said) for label in labels if label in place]
    rows, columns = np.array(hits, dtype=np.int64).reshape(-1, 2).T
    values = np.full((len(said), len(classes)), -1, dtype=np.int8)
    values[rows if group.kind == "single" else [bool(labels) for labels in said]] = 0
    if group.kind == "multi" and isinstance(group.source, TitleSource):
        for row, labels in enumerate(said):
            values[
                row, [place[label] for label in undetermined_labels(group.source.group, labels) if label in place]
            ] = -1
    values[rows, columns] = 1
    return values
