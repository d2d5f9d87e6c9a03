"""What can be learnt from a catalogue's columns: single-label tasks and the labels they give."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.worn_rules import person_or_product
from fashion_keras.support.errors import InputError, unknown_name_error

Columns = Mapping[str, NDArray[np.str_]]


@dataclass(frozen=True)
class TaskLabels:
    """The labels of n products for one task.

    Attributes:
        classes: k names, sorted.
        paths: k strings such as "Footwear/Shoes/Heels": what tells classes of the same name apart.
        codes [n] int64: index into `classes`; -1 where not known.
        reasons [n] str: why a label is not known, else "".
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    codes: NDArray[np.int64]
    reasons: NDArray[np.str_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """known [n] bool: where there is a label."""
        return self.codes >= 0

    @property
    def values(self) -> NDArray[np.int8]:
        """values [n, k] int8: 1 for the class of each product, 0 for the others; a row of -1 where it is not known."""
        return np.where(self.known[:, None], self.codes[:, None] == np.arange(len(self.classes)), -1).astype(np.int8)


@dataclass(frozen=True)
class Task:
    """A single-label classification task.

    Attributes:
        name: as written after `--task`.
        columns: the path of columns whose values make a class; products are counted per path.
        about: one line for people.
        joined: the class is named by all its columns ("Men Apparel"), not by the last alone.
        colour: colour is the label, so augmentation must leave colours alone.
        rule: reads the one column of the path from others.
    """

    name: str
    columns: tuple[str, ...]
    about: str
    joined: bool = False
    is_color: bool = False
    rule: Callable[[Columns], NDArray[np.str_]] | None = None

    def encode(self, columns: Columns, min_images: int = 1) -> TaskLabels:
        """Learn the classes with at least `min_images` products and label every product.

        Args:
            columns: name -> values [n] str, "" where missing.
            min_images: smaller classes are no classes; their products stay unlabelled.

        Raises:
            InputError: when a needed column is not there, or fewer than two classes remain.
        """
        paths = self._paths(columns)
        counts = Counter(path for path in paths if path)
        kept = sorted(path for path, count in counts.items() if count >= min_images)
        if len(kept) < 2:
            raise InputError(
                f"task {self.name}: {len(kept)} of {len(counts)} classes have at least {min_images} images; two are "
                f"needed (the largest has {max(counts.values(), default=0)}): lower --min-images"
            )
        small = {
            path: f"class {'/'.join(path)!r} has {count} images, fewer than --min-images {min_images}"
            for path, count in counts.items()
            if count < min_images
        }
        codes = {path: code for code, path in enumerate(kept)}
        return TaskLabels(
            classes=self._names(kept),
            paths=tuple("/".join(path) for path in kept),
            codes=np.array([codes.get(path, -1) for path in paths], dtype=np.int64),
            reasons=np.array([small.get(path, "" if path else self._missing()) for path in paths], dtype=np.str_),
        )

    def match(self, columns: Columns, classes: Sequence[str], class_paths: Sequence[str]) -> TaskLabels:
        """Label products with the classes of an earlier `encode`; what those do not contain stays unlabelled.

        A catalogue that lacks the parent columns (a folder per class, say) is matched by class name alone.
        """
        paths = self._paths(columns)
        by_path = len(self._present(columns)) == max(path.count("/") for path in class_paths) + 1
        keys = class_paths if by_path else classes
        codes = {key: code for code, key in enumerate(keys)}
        found = ["/".join(path) if by_path else self._name(path) for path in paths]
        return TaskLabels(
            classes=tuple(classes),
            paths=tuple(class_paths),
            codes=np.array([codes.get(key, -1) for key in found], dtype=np.int64),
            reasons=np.array(
                [
                    "" if key in codes else f"class {key!r} is unknown to the run" if key else self._missing()
                    for key in found
                ]
            ),
        )

    def _present(self, columns: Columns) -> Columns:
        """The columns of the path that the catalogue has; only the label itself must be there."""
        if self.rule:
            return {self.columns[0]: self.rule(columns)}
        needed = self.columns if self.joined else self.columns[-1:]
        for name in needed:
            if name not in columns:
                raise InputError(f"task {self.name} needs the column {name!r}; the catalogue has: {', '.join(columns)}")
        return {name: columns[name] for name in self.columns if name in columns}

    def _paths(self, columns: Columns) -> list[tuple[str, ...]]:
        values = zip(*(cells.tolist() for cells in self._present(columns).values()), strict=True)
        return [path if all(path) else () for path in values]

    def _name(self, path: tuple[str, ...]) -> str:
        return (" ".join(path) if self.joined else path[-1]) if path else ""

    def _names(self, paths: list[tuple[str, ...]]) -> tuple[str, ...]:
        uses = Counter(self._name(path) for path in paths)
        return tuple(self._name(path) if uses[self._name(path)] == 1 else "/".join(path) for path in paths)

    def _missing(self) -> str:
        return f"no {' or '.join(self.columns) if self.joined else self.columns[-1]} label"


TASKS = (
    Task("article_type", ("master_category", "sub_category", "article_type"), "T-shirt, heels, watch, ..."),
    Task("sub_category", ("master_category", "sub_category"), "topwear, shoes, bags, ..."),
    Task("master_category", ("master_category",), "apparel, footwear, accessories, ..."),
    Task("gender_master", ("gender", "master_category"), "men's apparel, women's footwear, ...", joined=True),
    Task("gender", ("gender",), "men, women, unisex, girls, boys"),
    Task("base_colour", ("base_colour",), "the main colour", is_color=True),
    Task("season", ("season",), "the season it was sold for"),
    Task("usage", ("usage",), "casual, formal, sports, ethnic, ..."),
    Task("person", ("person",), "worn by a person, or the product by itself", rule=person_or_product),
)


def is_color_column(column: str) -> bool:
    """Return whether a column holds colours, by its name."""
    return "colour" in column or "color" in column


def get_task(name: str) -> Task:
    """Return the task of that name; `column:NAME` makes one of any column of a catalogue.

    >>> get_task("column:brand").columns
    ('brand',)

    Raises:
        InputError: for an unknown name; names the nearest one.
    """
    prefix, _, column = name.partition(":")
    if prefix == "column" and column:
        return Task(name, (column,), f"the values of column {column}", is_color=is_color_column(column))
    for task in TASKS:
        if task.name == name:
            return task
    raise unknown_name_error("task", name, [*(task.name for task in TASKS), "column:NAME"])
