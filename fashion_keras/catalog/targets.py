"""Encoding of label groups: targets of a catalog's products, and the hierarchy of their class paths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import ClassPath, LabelGroup, Targets
from fashion_keras.catalog.label_sources import Columns
from fashion_keras.catalog.tasks import AttributeGroup, get_task
from fashion_keras.support.errors import InputError


def encode_groups(groups: Sequence[AttributeGroup], columns: Columns, min_images: int = 1) -> Targets:
    """Return the targets of n products in one group, its classes by path, or in several, their classes by name.

    Errors as in `AttributeGroup.encode`.
    """
    return Targets.join([group.encode(columns, min_images, by_name=len(groups) > 1) for group in groups])


def encode_with_classes(sources: Sequence[AttributeGroup], groups: Sequence[LabelGroup], columns: Columns) -> Targets:
    """Return the targets of n products in the classes of earlier targets.

    A group whose columns the catalog lacks is unknown of every product; InputError when that is so of all groups.
    """
    parts, errors = [], []
    count = len(next(iter(columns.values())))
    for source, group in zip(sources, groups, strict=True):
        try:
            parts.append(source.encode_with_classes(columns, group))
        except InputError as error:
            errors.append(error)
            packed = np.full((count, group.target_width), -1, np.int64)
            parts.append(Targets((group,), packed, np.full(count, str(error))))
    if len(errors) == len(parts):
        raise errors[0]
    return Targets.join(parts)


def learnable_groups(
    groups: Sequence[AttributeGroup], columns: Columns, min_images: int = 1
) -> tuple[tuple[AttributeGroup, ...], dict[str, str]]:
    """Return the groups that `encode_groups` can encode, and name -> reason for the others."""
    usable, reasons = [], {}
    for group in groups:
        try:
            group.encode(columns, min_images)
        except InputError as error:
            reasons[group.name] = str(error)
        else:
            usable.append(group)
    return tuple(usable), reasons


@dataclass(frozen=True)
class HierarchyLevel:
    """The classes one step up a hierarchy.

    Attributes:
        column: the column that they are values of.
        paths: p class paths, sorted, such as ("Footwear", "Shoes").
        codes [k] int64: the class of this level that each of k leaf classes belongs to.
    """

    column: str
    paths: tuple[ClassPath, ...]
    codes: NDArray[np.int64]


def hierarchy_levels(paths: Sequence[ClassPath]) -> tuple[HierarchyLevel, ...]:
    """Return the levels above article types, nearest first, from the paths of k article types.

    >>> [level.paths for level in hierarchy_levels([("Footwear", "Shoes", "Flats"), ("Footwear", "Shoes", "Heels")])]
    [(('Footwear', 'Shoes'),), (('Footwear',),)]

    Raises:
        InputError: when a path has no parents, because the catalog lacks their columns.
    """
    columns = get_task("article_type").source.columns
    short = [path for path in paths if len(path) != len(columns)]
    if short:
        raise InputError(f"class {short[0][-1]!r} has no parents: a hierarchy needs the columns {', '.join(columns)}")
    levels = []
    for depth in range(len(columns) - 1, 0, -1):
        parents = sorted({path[:depth] for path in paths})
        code_of = {parent: code for code, parent in enumerate(parents)}
        levels.append(
            HierarchyLevel(columns[depth - 1], tuple(parents), np.array([code_of[path[:depth]] for path in paths]))
        )
    return tuple(levels)
