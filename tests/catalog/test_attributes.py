"""Attributes: what names and columns say of a product, and what they leave unknown."""

import numpy as np
import pytest

from fashion_keras.catalog.attributes import (
    KAGGLE_GROUPS,
    AttributeGroup,
    ColumnSource,
    ProductType,
    TitleSource,
    parse_task,
)
from fashion_keras.catalog.label_groups import group_slices
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sample.generate import generate_sample
from fashion_keras.catalog.targets import encode_groups, encode_with_classes, hierarchy_levels, learnable_groups
from fashion_keras.catalog.tasks import get_task
from fashion_keras.catalog.title_rules import RULES, labels_from_title
from fashion_keras.support.errors import InputError

WATCH = ProductType("watch", "sub_category", ("Watches",))
DISPLAY = AttributeGroup("display", "single", TitleSource("display"), (WATCH,))
PATTERN = AttributeGroup("pattern", "multi", TitleSource("pattern"))


def catalogue(**columns):
    return {name: np.array(values) for name, values in columns.items()}


def named(*names):
    return catalogue(product_display_name=names)


@pytest.mark.parametrize(
    ("group", "name", "labels"),
    [
        ("pattern", "Scullers Men CHECK Purple Shirts", ("Checked",)),
        ("pattern", "Wildcraft Check-in Trolley Bag", ()),
        ("pattern", "Scullers Men Checkmate Purple Shirts", ()),
        ("pattern", "Femella Women Grey Polka Dotted Striped Dress", ("Polka Dot", "Striped")),
        ("pattern", "ADIDAS Men 3-Stripe Black Polo T-shirt", ()),
        ("pattern", "Vishudh Women Floral Print White Kurta", ("Floral",)),
        ("material", "Lino Perros Women Leatherette Bag", ("Faux Leather",)),
        ("material", "Fastrack Men Non Leather Brown Belts", ("Faux Leather",)),
        ("material", "Fabindia Women Cotton Silk Saree", ("Cotton", "Silk")),
        ("material", "Pepe Jeans Men Casual Sunglasses", ()),
        ("material", "Pepe Jeans Men Blue Jeans", ("Denim",)),
        ("material", "Fastrack Men Steel Dial Watch", ()),
        ("neck", "U.S. Polo Assn. Men Red Shirt", ()),
        ("neck", "U.S. Polo Assn. Men Red Polo Tshirt", ("Polo",)),
        ("neck", "Classic Polo Men Stripes Green Tshirts", ()),
        ("neck", "W Women V-Neck Top", ("V-Neck",)),
        ("sleeve", "W Women 3/4 Sleeve Kurta", ("3/4 Sleeve",)),
        ("sleeve", "Adidas Unisex Black Laptop Sleeve", ()),
        ("sleeve", "Flying Machine Women HS Blue Shirt", ("Short Sleeve",)),
        ("display", "CASIO G-Shock Men Analogue & Digital Watch", ("Analogue-Digital",)),
        ("display", "Timex Men Multi-Dial Watch", ()),
        ("display", "Fossil Women White Dial Chronograph Analogue Watch", ("Chronograph",)),
        ("fit", "Basics Men Slim Fit Shirt", ("Slim",)),
        ("heel", "Inc 5 Women Casual Blue Wedges", ("Wedge",)),
    ],
)
def test_labels_from_title_of_real_titles(group, name, labels):
    assert labels_from_title(group, name) == labels


def test_labels_from_title_knows_each_phrase_of_every_rule():
    for rule in RULES:
        for phrase in rule.phrases:
            assert labels_from_title(rule.group, f"Brand Women {phrase.upper()} Thing") == (rule.label,)
        for phrase in rule.but_not:
            assert rule.label not in labels_from_title(rule.group, f"Brand Women {phrase} Thing")


def test_rules_leave_labels_of_their_own_group_open():
    labels = {(rule.group, rule.label) for rule in RULES}
    assert all((rule.group, label) in labels for rule in RULES for label in rule.open)
    assert len(labels) == len(RULES)


def test_encode_groups_leaves_a_title_without_a_phrase_unknown():
    targets = encode_groups([PATTERN], named("Solid Shirt", "Striped Shirt", "Shirt", ""))
    assert targets.classes == ("Solid", "Striped")
    assert targets.values.tolist() == [[1, 0], [0, 1], [-1, -1], [-1, -1]]
    assert targets.values.dtype == np.int8
    assert targets.known.tolist() == [True, True, False, False]
    assert targets.reasons.tolist() == ["", "", "no pattern label", "no pattern label"]


def test_encode_groups_leaves_undetermined_whether_a_printed_shirt_is_floral():
    targets = encode_groups([PATTERN], named("Floral Top", "Printed Top", "Solid Top"))
    assert targets.classes == ("Floral", "Printed", "Solid")
    assert targets.values.tolist() == [[1, -1, 0], [-1, 1, 0], [0, 0, 1]]


def test_encode_groups_gives_both_labels_of_a_multi_valued_group():
    targets = encode_groups([PATTERN], named("Striped Checked Top", "Solid Top"))
    assert targets.values.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_encode_groups_leaves_two_labels_of_a_single_valued_group_unknown():
    neck = AttributeGroup("neck", "single", TitleSource("neck"))
    targets = encode_groups([neck], named("Polo T-shirt", "V-Neck T-shirt", "Hooded V-Neck T-shirt"))
    assert targets.classes == ("Polo", "V-Neck")
    assert targets.codes.tolist() == [0, 1, -1]


def test_encode_groups_masks_products_that_a_group_does_not_apply_to():
    columns = catalogue(
        product_display_name=["Digital Watch", "Analog Watch", "Digital Print Shirt"],
        sub_category=["Watches", "Watches", "Topwear"],
    )
    assert encode_groups([DISPLAY], columns).codes.tolist() == [1, 0, -1]


def test_encode_groups_leaves_small_labels_out():
    names = named("Solid", "Solid", "Striped", "Striped", "Checked")
    assert encode_groups([PATTERN], names, min_images=2).values.tolist() == [[1, 0]] * 2 + [[0, 1]] * 2 + [[0, 0]]
    single = AttributeGroup("pattern", "single", TitleSource("pattern"))
    assert encode_groups([single], names, min_images=2).codes.tolist() == [0, 0, 1, 1, -1]


def test_encode_groups_reads_several_labels_of_a_cell():
    group = AttributeGroup("cloth", "multi", ColumnSource("cloth"), labels=("Cotton", "Linen"))
    targets = encode_groups([group], catalogue(cloth=["Cotton|Linen", "Linen", "", "Silk"]))
    assert targets.classes == ("Cotton", "Linen")
    assert targets.values.tolist() == [[1, 1], [0, 1], [-1, -1], [0, 0]]


def test_encode_groups_joins_groups_side_by_side():
    columns = catalogue(
        product_display_name=["Solid Shirt", "Striped Shirt", "Tie"],
        gender=["Men", "Women", ""],
        article_type=["Shirts", "Shirts", "Ties"],
        sub_category=["Topwear", "Topwear", "Ties"],
        master_category=["Apparel", "Apparel", "Accessories"],
    )
    targets = encode_groups(parse_task("article_type,pattern,gender"), columns)
    assert group_slices(targets.groups) == {
        "article_type": slice(0, 2), "pattern": slice(2, 4), "gender": slice(4, 6),
    }  # fmt: skip
    assert targets.packed.tolist() == [[0, 1, 0, 0], [0, 0, 1, 1], [1, -1, -1, -1]]
    assert targets.classes[1:4] == ("article_type: Ties", "pattern: Solid", "pattern: Striped")
    assert targets.values.tolist() == [[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, -1, -1, -1, -1]]
    assert targets.groups[0].paths == (("Apparel", "Topwear", "Shirts"), ("Accessories", "Ties", "Ties"))
    assert targets.group("gender").codes.tolist() == [0, 1, -1]
    assert targets.known.tolist() == [True, True, True]


def test_encode_groups_equals_the_encoding_of_one_task():
    columns = catalogue(usage=["Casual", "", "Sports", "Casual"])
    assert encode_groups(parse_task("usage"), columns).codes.tolist() == [0, -1, 1, 0]
    assert get_task("usage").encode(columns).codes.tolist() == [0, -1, 1, 0]


def test_codes_are_of_one_single_valued_group():
    targets = encode_groups([PATTERN], named("Solid", "Striped"))
    with pytest.raises(InputError, match="pattern is multi-valued"):
        _ = targets.codes
    with pytest.raises(InputError, match="unknown attribute group 'patern'; did you mean 'pattern'"):
        targets.group("patern")


def test_encode_with_classes_labels_another_catalogue():
    groups = [PATTERN, *parse_task("usage")]
    first = encode_groups(groups, named("Solid", "Striped") | catalogue(usage=["Casual", "Sports"]))
    columns = named("Checked", "Striped", "") | catalogue(usage=["Formal", "Sports", "Casual"])
    second = encode_with_classes(groups, first.groups, columns)
    assert second.values.tolist() == [[0, 0, -1, -1], [0, 1, 0, 1], [-1, -1, 1, 0]]


def test_encode_groups_needs_two_labels():
    with pytest.raises(InputError, match=r"task pattern: 1 of 2 classes have at least 2 .*Solid 2, Striped 1"):
        encode_groups([PATTERN], named("Solid", "Solid", "Striped"), min_images=2)


def test_learnable_groups_gives_a_reason_for_the_others():
    columns = named("Solid", "Striped") | catalogue(master_category=["Apparel", "Apparel"])
    kept, reasons = learnable_groups(parse_task("pattern,season,fit"), columns)
    assert [group.name for group in kept] == ["pattern"]
    assert reasons.keys() == {"season", "fit"}
    assert "needs the column 'season'" in reasons["season"]
    assert "0 of 0 classes" in reasons["fit"]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (PATTERN, "task pattern needs the column 'product_display_name'; the catalog has: sub_category"),
        (AttributeGroup("cloth", "multi", ColumnSource("cloth")), "task cloth needs the column 'cloth'"),
        (DISPLAY, "unknown sub_category of attribute group display 'Watches'; did you mean 'Watch'"),
        (
            AttributeGroup("cut", "single", ColumnSource("cut"), (ProductType("shirt", "article_type", ("Shirts",)),)),
            "product type shirt needs the column 'article_type'",
        ),
        (AttributeGroup("cut", "single", TitleSource("cut")), "needs the column 'product_display_name'"),
    ],
)
def test_encode_groups_names_what_a_group_lacks(group, message):
    with pytest.raises(InputError, match=message):
        encode_groups([group], catalogue(sub_category=["Watch", "Bags"]))


def test_parse_task_finds_groups_by_name():
    assert parse_task("attributes") is KAGGLE_GROUPS
    assert [group.name for group in parse_task("gender_master, heel")] == ["gender_master", "heel"]
    assert len({group.name for group in KAGGLE_GROUPS}) == len(KAGGLE_GROUPS)
    with pytest.raises(InputError, match="unknown task 'patern'; did you mean 'pattern'"):
        parse_task("gender,patern")
    with pytest.raises(InputError, match="'gender' is named twice"):
        parse_task("gender,gender")


def test_hierarchy_levels_are_the_parents_of_article_types():
    leaves = [("Footwear", "Shoes", "Heels"), ("Accessories", "Bags", "Clutches"), ("Footwear", "Shoes", "Flats")]
    sub, master = hierarchy_levels(leaves)
    assert (sub.column, sub.paths, sub.codes.tolist()) == (
        "sub_category",
        (("Accessories", "Bags"), ("Footwear", "Shoes")),
        [1, 0, 1],
    )
    assert (master.column, master.paths, master.codes.tolist()) == (
        "master_category",
        (("Accessories",), ("Footwear",)),
        [1, 0, 1],
    )


def test_hierarchy_levels_need_parents():
    with pytest.raises(InputError, match=r"class 'Heels' has no parents: .*sub_category, article_type"):
        hierarchy_levels([("Footwear", "Shoes", "Flats"), ("Heels",)])


def test_encode_groups_of_the_drawn_sample(tmp_path):
    columns = read_catalog(generate_sample(tmp_path / "sample", products=240)).columns
    targets = encode_groups(parse_task("pattern,neck,sleeve,display,heel"), columns)
    assert {group.name: group.classes for group in targets.groups} == {
        "pattern": ("Checked", "Printed", "Solid", "Striped"),
        "neck": ("Polo", "Round Neck", "V-Neck"),
        "sleeve": ("3/4 Sleeve", "Long Sleeve", "Short Sleeve", "Sleeveless"),
        "display": ("Analogue", "Chronograph", "Digital"),
        "heel": ("Block Heel", "Flat", "Stiletto"),
    }
    watches = columns["article_type"] == "Watches"
    titled = columns["product_display_name"] != ""
    assert np.array_equal(targets.group("display").known, watches & titled)


def test_encode_groups_of_the_real_catalogue(real):
    targets = encode_groups(KAGGLE_GROUPS, read_catalog(real).columns)
    known = {group.name: int(targets.group(group.name).known.sum()) for group in targets.groups}
    assert len(targets.values) == 9_382
    assert known["pattern"] == 3_349
    assert known["season"] == 9_381
    assert min(known.values()) == known["sleeve"] == 37
