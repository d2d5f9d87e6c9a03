"""Tasks and attributes: groups of labels, where they are read, and how products are labeled with them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import plain_label
from fashion_keras.catalog.label_groups import ClassPath, LabelGroup, Targets
from fashion_keras.catalog.label_sources import Columns as Columns
from fashion_keras.catalog.label_sources import LabelLists, LabelSource, PathSource, WornSource
from fashion_keras.catalog.label_sources import get_column as get_column
from fashion_keras.support.errors import InputError, unknown_name_error


@dataclass(frozen=True)
class ProductType:
    """A kind of product, and how to recognize it in a catalog: `column` holds one of `values`."""

    name: str
    column: str
    values: tuple[str, ...]

    def rows(self, columns: Columns) -> NDArray[np.bool_]:
        """Return rows [n] bool: the products of this type; InputError when the catalog lacks the column."""
        return np.isin(get_column(columns, self.column, f"product type {self.name}"), self.values)


@dataclass(frozen=True)
class AttributeGroup:
    """A group of labels and its source in a catalog; a single-label task is one.

    Attributes:
        name: as written after `--task`.
        kind: "single" when a product has one of the labels, "multi" when it may have several.
        source: a path of columns, the title, a column's cells, or the rules for worn products.
        applies_to: the product types that have the attribute; () for all. It is unknown for other products.
        labels: the labels there are; () for all that the source gives.
    """

    name: str
    kind: Literal["single", "multi"]
    source: LabelSource
    applies_to: tuple[ProductType, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def is_color(self) -> bool:
        """Whether color is the label, so that augmentation must leave colors unchanged."""
        return any(is_color_column(column) for column in self.source.columns)

    def encode(self, columns: Columns, min_images: int = 1, by_name: bool = False) -> Targets:
        """Return the labels of n products, with the labels of at least `min_images` products as classes.

        A product is unlabeled where the group does not apply or the source gives nothing; in a single-valued group
        also where the source gives two labels, or one that is no class. In a multi-valued group the labels given are 1
        and the others 0, but for those that the word of a title leaves undetermined (-1): a "printed" shirt may be
        floral or not.

        Args:
            columns: name -> values [n] str, "" where missing.
            min_images: labels with fewer products are no classes.
            by_name: order classes by name, not by path.

        Raises:
            InputError: when a needed column is missing, the group applies to no product, or fewer than two classes
                remain.
        """
        lists = self._read(columns)
        counts = Counter(path for paths in lists for path in paths if path[-1] in (self.labels or path))
        classes = sorted(path for path, count in counts.items() if count >= min_images)
        if len(classes) < 2:
            largest = ", ".join(f"{self.source.class_name(path)} {count}" for path, count in counts.most_common(5))
            raise InputError(
                f"task {self.name}: {len(classes)} of {len(counts)} classes have at least {min_images} images; two are "
                f"needed (largest: {largest or 'none'}): lower --min-images"
            )
        named = list(zip(self._class_names(classes), classes, strict=True))
        names, paths = zip(*(sorted(named) if by_name else named), strict=True)
        group = LabelGroup(self.name, self.kind, names, paths)
        small = {
            path: f"class {'/'.join(path)!r} has {count} images, fewer than --min-images {min_images}"
            for path, count in counts.items()
        }
        return self._label(group, lists, small)

    def encode_with_classes(self, columns: Columns, group: LabelGroup) -> Targets:
        """Return the labels of n products in the classes of an earlier `encode`; other labels are no classes.

        A catalog that lacks the parent columns of a path (a folder per class, say) is matched by class name alone.
        """
        lists = self._read(columns)
        if any(len(path) != len(group.paths[0]) for paths in lists for path in paths[:1]):
            by_name = dict(zip(group.classes, group.paths, strict=True))
            names = [[self.source.class_name(path) for path in paths] for paths in lists]
            lists = [tuple(by_name.get(name, (name,)) for name in row) for row in names]
        lists = _match_spelling(lists, group.paths)
        unknown = {path: f"class {'/'.join(path)!r} is unknown to the run" for paths in lists for path in paths}
        return self._label(group, lists, unknown)

    def _read(self, columns: Columns) -> LabelLists:
        """Return the class paths of each product, () where nothing is known of it."""
        lists = self.source.read(self._applicable(columns), f"task {self.name}")
        return [paths if len(paths) == 1 or self.kind == "multi" else () for paths in lists]

    def _applicable(self, columns: Columns) -> Columns:
        """Return the columns with the cells of all products emptied to which the group does not apply."""
        if not self.applies_to:
            return columns
        rows = np.any([kind.rows(columns) for kind in self.applies_to], axis=0)
        if not rows.any():
            kind = self.applies_to[0]
            values = sorted(set(columns[kind.column].tolist()) - {""})
            raise unknown_name_error(f"{kind.column} of attribute group {self.name}", kind.values[0], values)
        return {name: np.where(rows, as_text(values), "") for name, values in columns.items()}

    def _class_names(self, paths: list[ClassPath]) -> tuple[str, ...]:
        """Return the name of each class: the end of its path, or the whole path where two end alike."""
        uses = Counter(self.source.class_name(path) for path in paths)
        names = {path: self.source.class_name(path) for path in paths}
        return tuple(name if uses[name] == 1 else "/".join(path) for path, name in names.items())

    def _label(self, group: LabelGroup, lists: LabelLists, no_class: dict[ClassPath, str]) -> Targets:
        code_of = {path: code for code, path in enumerate(group.paths)}
        packed = np.full((len(lists), group.target_width), -1, np.int64)
        if self.kind == "single":
            packed[:, 0] = [code_of.get(paths[0], -1) if paths else -1 for paths in lists]
        else:
            for row, paths in enumerate(lists):
                packed[row] = 0 if paths else -1
                packed[row, [code_of[path] for path in self.source.undetermined(paths) if path in code_of]] = -1
                packed[row, [code_of[path] for path in paths if path in code_of]] = 1
        known = (packed >= 0).any(axis=1)
        missing = f"no {self.name} label"
        reasons = [
            "" if labeled else no_class.get(paths[0], missing) if paths else missing
            for labeled, paths in zip(known, lists, strict=True)
        ]
        return Targets((group,), packed, np.array(reasons, np.str_))


def _match_spelling(lists: LabelLists, classes: Sequence[ClassPath]) -> LabelLists:
    """Return class paths with those that differ from a class in case or spaces alone written as that class."""
    known = {tuple(map(plain_label, path)): path for path in classes}
    spelled: dict[ClassPath, ClassPath] = {}
    for path in {path for paths in lists for path in paths}.difference(classes):
        spelled[path] = known.get(tuple(map(plain_label, path)), path)
    return [tuple(spelled.get(path, path) for path in paths) for paths in lists] if spelled else lists


def is_color_column(column: str) -> bool:
    """Return whether a column holds colors, by its name."""
    return "colour" in column or "color" in column


def _task(name: str, *parents: str) -> AttributeGroup:
    return AttributeGroup(name, "single", PathSource((*parents, name)))


TASKS = (
    _task("article_type", "master_category", "sub_category"),
    _task("sub_category", "master_category"),
    _task("master_category"),
    AttributeGroup("gender_master", "single", PathSource(("gender", "master_category"), joined=True)),
    _task("gender"),
    _task("base_colour"),
    _task("season"),
    _task("usage"),
    AttributeGroup("person", "single", WornSource()),
)


def get_task(name: str) -> AttributeGroup:
    """Return the single-label task of that name; `column:NAME` makes one of any column of a catalog.

    >>> get_task("column:brand").source.columns
    ('brand',)

    Raises:
        InputError: for an unknown name; names the nearest one.
    """
    prefix, _, column = name.partition(":")
    if prefix == "column" and column:
        return AttributeGroup(name, "single", PathSource((column,)))
    for task in TASKS:
        if task.name == name:
            return task
    raise unknown_name_error("task", name, [*(task.name for task in TASKS), "column:NAME"])
