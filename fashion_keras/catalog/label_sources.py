"""Sources of labels in a catalog: a path of columns, title rules, a column's cells, rules for worn products."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import LABEL_SEPARATOR, TITLE
from fashion_keras.catalog.label_groups import ClassPath
from fashion_keras.catalog.title_rules import labels_from_title, undetermined_labels
from fashion_keras.catalog.worn_rules import person_or_product
from fashion_keras.support.errors import InputError

Columns = Mapping[str, NDArray[np.str_]]
LabelLists = list[tuple[ClassPath, ...]]  # the class paths of each product; () where nothing is known

_SEPARATORS = (LABEL_SEPARATOR, ";", ",")


class LabelSource:
    """Base of the sources; `columns` are those that hold the labels."""

    columns: tuple[str, ...]

    def read(self, columns: Columns, reader: str) -> LabelLists:
        """Return the class paths of n products; InputError, naming `reader`, when a needed column is missing."""
        raise NotImplementedError

    def class_name(self, path: ClassPath) -> str:
        """Return the name of the class with that path."""
        return path[-1]

    def undetermined(self, paths: Iterable[ClassPath]) -> set[ClassPath]:
        """Return the classes that a product with these labels may or may not have."""
        return set()


@dataclass(frozen=True)
class PathSource(LabelSource):
    """A path of columns, general to specific, whose values make a class; classes are counted per path.

    Attributes:
        columns: such as master_category, sub_category, article_type; of those before the last, some may be missing.
        joined: the class is named by all its columns ("Men Apparel"), not by the last alone, and needs all.
    """

    columns: tuple[str, ...]
    joined: bool = False

    def read(self, columns: Columns, reader: str) -> LabelLists:
        """Return one path of each product whose columns are all filled."""
        for name in self.columns if self.joined else self.columns[-1:]:
            get_column(columns, name, reader)
        cells = (columns[name].tolist() for name in self.columns if name in columns)
        return [(path,) if all(path) else () for path in zip(*cells, strict=True)]

    def class_name(self, path: ClassPath) -> str:
        """Return the end of a path, or all of it."""
        return " ".join(path) if self.joined else path[-1]


@dataclass(frozen=True)
class TitleSource(LabelSource):
    """The product title, read by the rows of `title_rules` that have this group."""

    group: str
    columns: ClassVar[tuple[str, ...]] = (TITLE,)

    def read(self, columns: Columns, reader: str) -> LabelLists:
        """Return the labels that each title names."""
        titles = get_column(columns, TITLE, reader).tolist()
        return [tuple((label,) for label in labels_from_title(self.group, title)) for title in titles]

    def undetermined(self, paths: Iterable[ClassPath]) -> set[ClassPath]:
        """Return the labels that the words for these labels neither affirm nor deny."""
        labels = undetermined_labels(self.group, tuple(label for (label,) in paths))
        return {(label,) for label in labels}


@dataclass(frozen=True)
class ColumnSource(LabelSource):
    """A column whose cells hold a label, or several with a separator between them: "Cotton|Linen".

    Attributes:
        column: name of the column.
        separator: between labels; None: the first of | ; , that the column's cells have.
    """

    column: str
    separator: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def read(self, columns: Columns, reader: str) -> LabelLists:
        """Return the labels of each cell, sorted."""
        cells = get_column(columns, self.column, reader).tolist()
        separator = self.separator or next((mark for mark in _SEPARATORS if any(mark in cell for cell in cells)), "|")
        labels = {cell: sorted({part.strip() for part in cell.split(separator)} - {""}) for cell in set(cells)}
        return [tuple((label,) for label in labels[cell]) for cell in cells]


@dataclass(frozen=True)
class WornSource(LabelSource):
    """Whether images show a person or the product alone, by `worn_rules`."""

    columns: ClassVar[tuple[str, ...]] = ()

    def read(self, columns: Columns, reader: str) -> LabelLists:
        """Return "person" or "product" of each product that a rule covers."""
        return [((label,),) if label else () for label in person_or_product(columns).tolist()]


def get_column(columns: Columns, name: str, reader: str) -> NDArray[np.str_]:
    """Return a column as texts [n]; when it is missing, an InputError names it and `reader`."""
    if name not in columns:
        raise InputError(f"{reader} needs the column {name!r}; the catalog has: {', '.join(columns)}")
    return as_text(columns[name])
