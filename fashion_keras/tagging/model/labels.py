"""Tagger labels: product types and attributes of a taxonomy, with the values that a catalog has for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import AttributeGroup, ProductType
from fashion_keras.catalog.targets import encode_groups
from fashion_keras.catalog.tasks import Columns
from fashion_keras.catalog.taxonomy import Taxonomy
from fashion_keras.support.errors import InputError

GATE = "product type"


@dataclass(frozen=True)
class AttributeLabels:
    """Labels of one attribute, and their values for n products.

    Attributes:
        name: of the attribute; GATE for the product types.
        kind: "single" or "multi".
        classes: k labels.
        applies_to: the product types that have the attribute.
        values [n, k] int8: 1 yes, 0 no, -1 not known. A row of zeros in a single-valued attribute: another label.
        applies [n] bool: the products of those types.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    applies_to: tuple[str, ...]
    values: NDArray[np.int8]
    applies: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> "AttributeLabels":
        """Return the labels of the products at `rows` [m]."""
        return replace(self, values=self.values[rows], applies=self.applies[rows])


@dataclass(frozen=True)
class TaggerLabels:
    """Labels of the gate and of all attributes for n products; left_out: name -> reason of what is not trained."""

    gate: AttributeLabels
    attributes: tuple[AttributeLabels, ...]
    left_out: dict[str, str]

    def take(self, rows: NDArray[np.int64]) -> "TaggerLabels":
        """Return the labels of the products at `rows` [m]."""
        attributes = tuple(attribute.take(rows) for attribute in self.attributes)
        return replace(self, gate=self.gate.take(rows), attributes=attributes)


def build_labels(taxonomy: Taxonomy, columns: Columns, train: NDArray[np.int64], min_images: int) -> TaggerLabels:
    """Return the labels of a catalog's products for the product types and attributes of a taxonomy.

    Args:
        taxonomy: product types and attributes.
        columns: name -> values [n] str, "" where missing.
        train [m] int64: the rows that heads are trained on.
        min_images: labels and product types with fewer training images are no classes. A product with such a label has
            a known label that no head can predict: whatever a head predicts for it is wrong.

    Raises:
        InputError: when no product type or no attribute is left.
    """
    gate, left_out = _gate_labels(taxonomy, columns, train, min_images)
    attributes = []
    for group in taxonomy.attributes:
        try:
            attributes.append(_attribute_labels(group, gate.classes, columns, train, min_images))
        except InputError as error:
            left_out[group.name] = str(error)
    if not attributes:
        raise InputError(
            f"taxonomy {taxonomy.name}: no attribute can be trained: {left_out[taxonomy.attributes[0].name]}"
        )
    return TaggerLabels(gate, tuple(attributes), left_out)


def _gate_labels(
    taxonomy: Taxonomy, columns: Columns, train: NDArray[np.int64], min_images: int
) -> tuple[AttributeLabels, dict[str, str]]:
    names, values, left_out = [], [], {}
    for kind in taxonomy.types:
        try:
            of_type = _type_values(kind, columns)
            _check_type(kind, of_type[train], min_images)
        except InputError as error:
            left_out[f"{GATE} {kind.name}"] = str(error)
        else:
            names.append(kind.name)
            values.append(of_type)
    if not names:
        raise InputError(f"taxonomy {taxonomy.name}: no product type can be trained: {next(iter(left_out.values()))}")
    table = np.stack(values, axis=1)
    return AttributeLabels(GATE, "multi", tuple(names), tuple(names), table, np.ones(len(table), bool)), left_out


def _type_values(kind: ProductType, columns: Columns) -> NDArray[np.int8]:
    rows = kind.rows(columns)
    return np.where(columns[kind.column] == "", -1, rows).astype(np.int8)


def _check_type(kind: ProductType, values: NDArray[np.int8], min_images: int) -> None:
    yes, no = (int(np.sum(values == value)) for value in (1, 0))
    if min(yes, no) < min_images:
        raise InputError(
            f"product type {kind.name}: {yes} training images are of it and {no} are not; --min-images "
            f"requires {min_images} of each"
        )


def _attribute_labels(
    group: AttributeGroup, types: Sequence[str], columns: Columns, train: NDArray[np.int64], min_images: int
) -> AttributeLabels:
    applies_to = tuple(kind.name for kind in group.applies_to if kind.name in types) if group.applies_to else types
    if not applies_to:
        raise InputError(f"attribute {group.name} applies only to product types that are left out")
    targets = encode_groups([group], columns)
    enough = _trainable_labels(group, targets.values[train], min_images)
    classes = tuple(label for label, is_class in zip(targets.classes, enough, strict=True) if is_class)
    if len(classes) < 2:
        raise InputError(
            f"attribute {group.name}: {len(classes)} of {len(enough)} labels have at least {min_images} training "
            f"images and two are needed: lower --min-images"
        )
    rows = [kind.rows(columns) for kind in group.applies_to] or [np.ones(len(targets.values), bool)]
    return AttributeLabels(
        group.name, group.kind, classes, tuple(applies_to), targets.values[:, enough], np.any(rows, axis=0)
    )


def _trainable_labels(group: AttributeGroup, values: NDArray[np.int8], min_images: int) -> NDArray[np.bool_]:
    """Return [k] bool: labels with enough training images, and of a multi-valued attribute enough without it."""
    enough = np.sum(values == 1, axis=0) >= min_images
    if group.kind == "multi":
        enough &= np.sum(values == 0, axis=0) >= min_images
    return enough
