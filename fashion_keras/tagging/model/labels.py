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
from fashion_keras.tagging.model.heads import Mask

GATE = "product type"
Values, Integers = NDArray[np.int8], NDArray[np.int64]


@dataclass(frozen=True)
class AttributeLabels:
    """Labels of one attribute, and their values for n products.

    Attributes:
        name, kind, classes, applies_to: as of `LinearHead`; GATE is the name of the product types.
        values [n, k] int8: 1 yes, 0 no, -1 not known. A row of zeros in a single-valued attribute: another label.
        applies [n] bool: the products of those types.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    applies_to: tuple[str, ...]
    values: Values
    applies: Mask

    def take(self, rows: Integers) -> "AttributeLabels":
        """Return the labels of the products at `rows` [m]."""
        return replace(self, values=self.values[rows], applies=self.applies[rows])


@dataclass(frozen=True)
class TaggerLabels:
    """Labels of the gate and of all attributes for n products; left_out: name -> reason of what is not trained."""

    gate: AttributeLabels
    attributes: tuple[AttributeLabels, ...]
    left_out: dict[str, str]

    def take(self, rows: Integers) -> "TaggerLabels":
        """Return the labels of the products at `rows` [m]."""
        attributes = tuple(attribute.take(rows) for attribute in self.attributes)
        return replace(self, gate=self.gate.take(rows), attributes=attributes)


def build_labels(taxonomy: Taxonomy, columns: Columns, train: Integers, min_images: int) -> TaggerLabels:
    """Return the labels of a catalog's products for the product types and attributes of a taxonomy.

    Labels and product types with fewer than `min_images` images in the rows `train` [m] are no classes. A product with
    such a label has a known label that no head can predict: whatever a head predicts for it is wrong. InputError when
    no product type or no attribute is left.
    """
    types, attributes, left_out = {}, [], {}
    for kind in taxonomy.types:
        try:
            types[kind.name] = _type_values(kind, columns, train, min_images)
        except InputError as error:
            left_out[f"{GATE} {kind.name}"] = str(error)
    if not types:
        raise InputError(f"taxonomy {taxonomy.name}: no product type can be trained: {next(iter(left_out.values()))}")
    names, values = tuple(types), np.stack([*types.values()], axis=1)
    for group in taxonomy.attributes:
        try:
            attributes.append(_attribute_labels(group, names, columns, train, min_images))
        except InputError as error:
            left_out[group.name] = str(error)
    if not attributes:
        reason = left_out[taxonomy.attributes[0].name]
        raise InputError(f"taxonomy {taxonomy.name}: no attribute can be trained: {reason}")
    gate = AttributeLabels(GATE, "multi", names, names, values, np.ones(len(values), bool))
    return TaggerLabels(gate, tuple(attributes), left_out)


def _type_values(kind: ProductType, columns: Columns, train: Integers, min_images: int) -> Values:
    of_type = kind.rows(columns)
    values = np.where(columns[kind.column] == "", -1, of_type).astype(np.int8)
    yes, no = (int(np.sum(values[train] == value)) for value in (1, 0))
    if min(yes, no) < min_images:
        raise InputError(
            f"product type {kind.name}: {yes} training images are of it and {no} are not; --min-images "
            f"requires {min_images} of each"
        )
    return values


def _attribute_labels(
    group: AttributeGroup, types: Sequence[str], columns: Columns, train: Integers, min_images: int
) -> AttributeLabels:
    applies_to = tuple(kind.name for kind in group.applies_to if kind.name in types) if group.applies_to else types
    if not applies_to:
        raise InputError(f"attribute {group.name} applies only to product types that are left out")
    targets = encode_groups([group], columns)
    trained = targets.values[train]
    enough = np.sum(trained == 1, axis=0) >= min_images
    if group.kind == "multi":
        enough &= np.sum(trained == 0, axis=0) >= min_images
    classes = tuple(label for label, is_class in zip(targets.classes, enough, strict=True) if is_class)
    if len(classes) < 2:
        raise InputError(
            f"attribute {group.name}: {len(classes)} of {len(enough)} labels have at least {min_images} training "
            f"images and two are needed: lower --min-images"
        )
    rows = [kind.rows(columns) for kind in group.applies_to] or [np.ones(len(targets.values), bool)]
    applies = np.any(rows, axis=0)
    return AttributeLabels(group.name, group.kind, classes, applies_to, targets.values[:, enough], applies)
