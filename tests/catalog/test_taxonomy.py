"""Taxonomies: what a file may say, and the line on which it says something else."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import fashion_keras
from fashion_keras.catalog.attributes import ColumnSource, ProductType, TitleSource
from fashion_keras.catalog.targets import encode_groups
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.support.errors import InputError

TEXT = """\
product_types:
  - {name: watch, column: sub_category, values: [Watches]}
  - {name: top, column: sub_category, values: [Topwear, Dress]}
attributes:
  - name: display
    kind: single
    labels: [Digital, Analogue]
    rules: display
    applies_to: [watch]
  - name: cloth
    kind: multi
    labels: [Cotton, no, 2]
    column: cloth
"""


def load(folder, text=TEXT):
    path = folder / "shop.yaml"
    path.write_text(text)
    return load_taxonomy(path)


def test_a_file_becomes_types_and_groups(tmp_path):
    taxonomy = load(tmp_path)
    watch = ProductType("watch", "sub_category", ("Watches",))
    assert taxonomy.name == "shop"
    assert taxonomy.types == (watch, ProductType("top", "sub_category", ("Topwear", "Dress")))
    display, cloth = taxonomy.attributes
    assert (display.name, display.kind, display.source) == ("display", "single", TitleSource("display"))
    assert (display.applies_to, display.labels) == ((watch,), ("Digital", "Analogue"))
    assert (cloth.kind, cloth.source, cloth.applies_to) == ("multi", ColumnSource("cloth"), ())
    assert cloth.labels == ("Cotton", "no", "2")


def test_its_groups_label_a_catalog(tmp_path):
    taxonomy = load(tmp_path)
    columns = {
        "sub_category": np.array(["Watches", "Watches", "Dress", "Watches"]),
        "product_display_name": np.array(["Digital Watch", "Analog Watch", "Digital Dress", "Chronograph Watch"]),
        "cloth": np.array(["", "2", "Cotton|2", "Silk"]),
    }
    targets = encode_groups(taxonomy.attributes, columns)
    assert [group.classes for group in targets.groups] == [("Analogue", "Digital"), ("2", "Cotton")]
    assert targets.group("display").codes.tolist() == [1, 0, -1, -1]
    assert targets.group("cloth").packed.tolist() == [[-1, -1], [1, 0], [1, 1], [0, 0]]
    assert [kind.rows(columns).tolist() for kind in taxonomy.types] == [
        [True, True, False, True],
        [False, False, True, False],
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    kind: single", "    kinds: single", r"6: unknown key 'kinds'; did you mean 'kind'"),
        ("product_types", "product_typs", r"1: unknown key 'product_typs'; did you mean 'product_types'"),
        ("kind: single", "kind: singel", r"6: unknown kind 'singel'; did you mean 'single'"),
        ("[Digital, Analogue]", "[Digital]", r"7: attribute 'display' has a single label; an attribute needs two"),
        ("[Digital, Analogue]", "[Digital, Digital]", r"7: 'Digital' stands in the list already"),
        ("[Digital, Analogue]", "[Digital, Analoge]", r"7: unknown label of .* 'Analoge'; did you mean 'Analogue'"),
        ("[Digital, Analogue]", "Digital", r"7: expected a list"),
        ("[Digital, Analogue]", "[Digital, [Analogue]]", r"7: expected a word or a text"),
        ("rules: display", "rules: displays", r"8: unknown group of title rules 'displays'; did you mean 'display'"),
        ("    rules: display\n", "", r"5: attribute 'display' needs either 'rules' or 'column'"),
        ("column: cloth", "column: cloth\n    rules: material", r"10: attribute 'cloth' needs either"),
        ("[watch]", "[watches]", r"9: unknown product type 'watches'; did you mean 'watch'"),
        ("name: cloth", "name: display", r"10: attribute 'display' stands on line 5 already"),
        ("name: top", "name: watch", r"3: product type 'watch' stands on line 2 already"),
        ("    kind: multi\n", "    kind: multi\n    kind: multi\n", r"12: key 'kind' stands on line 11 already"),
        ("    kind: multi\n", "", r"10: the key 'kind' is missing"),
        ("column: cloth", "column:", r"13: expected a word or a text"),
        ("column: cloth", "column: !!python/name:os.system x", r"13: expected a word or a text"),
        ("[watch]", "!!python/object/apply:os.system [watch]", r"9: expected a list"),
        ("attributes:", "attributes: [", r"5: not YAML \("),
        ("name: cloth", "name: \x07", r"1: not YAML \("),
        (TEXT, "", r"1: empty; expected the keys product_types and attributes"),
        (TEXT, "- watch", r"1: expected the keys product_types, attributes"),
    ],
)
def test_a_breach_is_named_with_its_line(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(InputError, match=rf"shop\.yaml:{message}"):
        load(tmp_path, TEXT.replace(old, new))


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="unknown taxonomy 'kagle'; did you mean 'kaggle'"):
        load_taxonomy("kagle")
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        load_taxonomy(tmp_path / "none.yaml")


def test_the_nine_attributes_of_the_paper():
    taxonomy = load_taxonomy("gutierrez2019")
    assert {group.name: len(group.labels) for group in taxonomy.attributes} == {
        "sleeve type": 4,
        "boot style": 8,
        "display type": 4,
        "heel type": 8,
        "shell type": 2,
        "skirt length": 4,
        "sandal style": 6,
        "neck style": 12,
        "number of wheels": 3,
    }
    assert taxonomy.attributes[-1].labels == ("0", "2", "4")
    assert {kind.name for kind in taxonomy.types} >= {"luggage", "watch", "shoe", "dress", "top"}


def test_the_kaggle_taxonomy_fits_the_real_catalog(real):
    columns = fashion_keras.read_catalog(real).columns
    taxonomy = load_taxonomy("kaggle")
    assert all(kind.rows(columns).any() for kind in taxonomy.types)
    targets = encode_groups(taxonomy.attributes, columns)
    known = {group.name: int(targets.group(group.name).known.sum()) for group in targets.groups}
    assert (known["colour"], known["display"]) == (9_379, 90)


def test_the_taxonomies_are_packaged():
    folder = Path(fashion_keras.__file__).parent
    packaged = tomllib.loads((folder.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    files = {path for pattern in packaged["fashion_keras"] for path in folder.glob(pattern)}
    assert {"kaggle", "gutierrez2019"} <= {path.stem for path in files}
