"""Tagger labels: values of product types and attributes, and the reason for what is left out."""

import numpy as np
import pytest

from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.model.labels import build_labels

TEXT = """\
product_types:
  - {name: watch, column: kind, values: [Watches]}
  - {name: shoe, column: kind, values: [Shoes, Sandals]}
  - {name: hat, column: kind, values: [Hats]}
  - {name: tent, column: room, values: [Tents]}
attributes:
  - {name: colour, kind: single, labels: [Red, Blue, Green], column: colour}
  - {name: cloth, kind: multi, labels: [Canvas, Suede, Silk], column: cloth, applies_to: [shoe, hat]}
  - {name: brim, kind: single, labels: [Wide, Small], column: brim, applies_to: [hat]}
"""
KINDS = ["Watches"] * 6 + ["Shoes"] * 4 + ["Sandals"] * 2 + ["Hats"] * 1 + [""]
COLOURS = ["Red"] * 5 + ["Blue"] * 5 + ["Green", "Mauve", "", "Red"]
CLOTHS = ["Canvas"] * 6 + ["Canvas", "Suede", "Canvas|Suede", "", "Canvas", "Suede"] + ["Suede", "Suede"]
COLUMNS = {name: np.array(values) for name, values in (("kind", KINDS), ("colour", COLOURS), ("cloth", CLOTHS))}
ALL = np.arange(14)


def taxonomy(folder, text=TEXT):
    path = folder / "shop.yaml"
    path.write_text(text)
    return load_taxonomy(path)


def test_build_labels_of_types_and_attributes(tmp_path):
    labels = build_labels(taxonomy(tmp_path), COLUMNS, ALL, 2)
    assert labels.gate.classes == ("watch", "shoe")
    assert labels.gate.values.T.tolist() == [[1] * 6 + [0] * 7 + [-1], [0] * 6 + [1] * 6 + [0] + [-1]]
    colour, cloth = labels.attributes
    assert (colour.classes, colour.applies_to) == (("Blue", "Red"), ("watch", "shoe"))
    # Green is known, but too rare to be a class: no label of the head is right. Mauve is no label of the taxonomy.
    assert colour.values[9:].tolist() == [[1, 0], [0, 0], [-1, -1], [-1, -1], [0, 1]]
    assert colour.applies.all()
    assert (cloth.kind, cloth.classes, cloth.applies_to) == ("multi", ("Canvas", "Suede"), ("shoe",))
    assert cloth.values[6:10].tolist() == [[1, 0], [0, 1], [1, 1], [-1, -1]]
    # Of watches it is not known, whatever their cells hold; hats have it, though their type has too few images.
    assert (cloth.values[:6] == -1).all()
    assert cloth.applies.tolist() == [False] * 6 + [True] * 7 + [False]


def test_build_labels_gives_the_reason_for_what_is_left_out(tmp_path):
    left_out = build_labels(taxonomy(tmp_path), COLUMNS, ALL, 2).left_out
    assert list(left_out) == ["product type hat", "product type tent", "brim"]
    assert "1 training images are of it" in left_out["product type hat"]
    assert "needs the column 'room'" in left_out["product type tent"]
    assert "only to product types that are left out" in left_out["brim"]


def test_build_labels_makes_classes_of_training_products_only(tmp_path):
    labels = build_labels(taxonomy(tmp_path), COLUMNS, ALL[:9], 1)
    assert labels.attributes[0].classes == ("Blue", "Red")
    assert build_labels(taxonomy(tmp_path), COLUMNS, ALL[:11], 1).attributes[0].classes == ("Blue", "Green", "Red")


def test_build_labels_leaves_out_an_attribute_with_one_label(tmp_path):
    columns = {**COLUMNS, "cloth": np.full(14, "Canvas")}
    reason = build_labels(taxonomy(tmp_path), columns, ALL, 2).left_out["cloth"]
    assert "1 of 1" in reason


def test_build_labels_refuses_a_taxonomy_without_trainable_parts(tmp_path):
    blank = {**COLUMNS, "colour": np.full(14, ""), "cloth": np.full(14, "")}
    with pytest.raises(InputError, match=r"taxonomy shop: no attribute can be trained: .*colour"):
        build_labels(taxonomy(tmp_path), blank, ALL, 2)
    with pytest.raises(InputError, match=r"no product type can be trained: .*0 training images are of it"):
        build_labels(taxonomy(tmp_path), {**COLUMNS, "kind": np.full(14, "Cakes")}, ALL, 2)
    with pytest.raises(InputError, match=r"no product type can be trained: .*--min-images requires 20"):
        build_labels(taxonomy(tmp_path), COLUMNS, ALL, 20)
