"""Attributes: what names and columns say of a product, and what they leave unknown."""

import numpy as np
import pytest

from fashion_keras.catalog.attributes import (
    KAGGLE_GROUPS,
    AttributeGroup,
    ColumnSource,
    ProductType,
    TitleSource,
    parse_groups,
)
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
def test_names_are_read(group, name, labels):
    assert labels_from_title(group, name) == labels


def test_every_rule_is_reached_by_each_of_its_phrases():
    for rule in RULES:
        for phrase in rule.phrases:
            assert labels_from_title(rule.group, f"Brand Women {phrase.upper()} Thing") == (rule.label,)
        for phrase in rule.but_not:
            assert rule.label not in labels_from_title(rule.group, f"Brand Women {phrase} Thing")


def test_labels_left_open_are_labels_of_the_group():
    labels = {(rule.group, rule.label) for rule in RULES}
    assert all((rule.group, label) in labels for rule in RULES for label in rule.open)
    assert len(labels) == len(RULES)


def test_a_name_that_says_nothing_leaves_the_group_unknown():
    targets = encode_groups([PATTERN], named("Solid Shirt", "Striped Shirt", "Shirt", ""))
    assert targets.classes == (("Solid", "Striped"),)
    assert targets.values.tolist() == [[1, 0], [0, 1], [-1, -1], [-1, -1]]
    assert targets.values.dtype == np.int8
    assert targets.known.tolist() == [[True, True], [True, True], [False, False], [False, False]]


def test_a_printed_shirt_may_be_floral_but_is_not_solid():
    targets = encode_groups([PATTERN], named("Floral Top", "Printed Top", "Solid Top"))
    assert targets.classes == (("Floral", "Printed", "Solid"),)
    assert targets.values.tolist() == [[1, -1, 0], [-1, 1, 0], [0, 0, 1]]


def test_two_labels_of_a_multi_valued_group_both_hold():
    targets = encode_groups([PATTERN], named("Striped Checked Top", "Solid Top"))
    assert targets.values.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_two_labels_of_a_single_valued_group_contradict_each_other():
    neck = AttributeGroup("neck", "single", TitleSource("neck"))
    targets = encode_groups([neck], named("Polo T-shirt", "V-Neck T-shirt", "Hooded V-Neck T-shirt"))
    assert targets.classes == (("Polo", "V-Neck"),)
    assert targets.codes("neck").tolist() == [0, 1, -1]


def test_a_group_is_unknown_of_products_it_does_not_apply_to():
    columns = catalogue(
        product_display_name=["Digital Watch", "Analog Watch", "Digital Print Shirt"],
        sub_category=["Watches", "Watches", "Topwear"],
    )
    assert encode_groups([DISPLAY], columns).codes("display").tolist() == [1, 0, -1]


def test_small_labels_are_no_classes():
    names = named("Solid", "Solid", "Striped", "Striped", "Checked")
    assert encode_groups([PATTERN], names, min_images=2).values.tolist() == [[1, 0]] * 2 + [[0, 1]] * 2 + [[0, 0]]
    single = AttributeGroup("pattern", "single", TitleSource("pattern"))
    assert encode_groups([single], names, min_images=2).codes("pattern").tolist() == [0, 0, 1, 1, -1]


def test_cells_hold_several_labels():
    group = AttributeGroup("cloth", "multi", ColumnSource("cloth"), labels=("Cotton", "Linen"))
    targets = encode_groups([group], catalogue(cloth=["Cotton|Linen", "Linen", "", "Silk"]))
    assert targets.classes == (("Cotton", "Linen"),)
    assert targets.values.tolist() == [[1, 1], [0, 1], [-1, -1], [0, 0]]


def test_groups_stand_side_by_side():
    columns = catalogue(
        product_display_name=["Solid Shirt", "Striped Shirt", "Tie"],
        gender=["Men", "Women", ""],
        article_type=["Shirts", "Shirts", "Ties"],
        sub_category=["Topwear", "Topwear", "Ties"],
        master_category=["Apparel", "Apparel", "Accessories"],
    )
    targets = encode_groups(parse_groups("article_type,pattern,gender"), columns)
    assert targets.slices == {"article_type": slice(0, 2), "pattern": slice(2, 4), "gender": slice(4, 6)}
    assert targets.names[1:4] == ("article_type: Ties", "pattern: Solid", "pattern: Striped")
    assert targets.values.tolist() == [[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, -1, -1, -1, -1]]
    assert targets.paths[0] == ("Apparel/Topwear/Shirts", "Accessories/Ties/Ties")
    assert targets.of("gender").tolist() == [[1, 0], [0, 1], [-1, -1]]


def test_codes_equal_those_of_the_task():
    columns = catalogue(usage=["Casual", "", "Sports", "Casual"])
    assert encode_groups(parse_groups("usage"), columns).codes("usage").tolist() == [0, -1, 1, 0]
    assert get_task("usage").encode(columns).codes.tolist() == [0, -1, 1, 0]


def test_codes_are_for_single_valued_groups():
    targets = encode_groups([PATTERN], named("Solid", "Striped"))
    with pytest.raises(InputError, match="pattern is multi-valued"):
        targets.codes("pattern")
    with pytest.raises(InputError, match="unknown attribute group 'patern'; did you mean 'pattern'"):
        targets.of("patern")


def test_another_catalogue_is_labelled_with_the_same_classes():
    groups = [PATTERN, *parse_groups("usage")]
    first = encode_groups(groups, named("Solid", "Striped") | catalogue(usage=["Casual", "Sports"]))
    columns = named("Checked", "Striped", "") | catalogue(usage=["Formal", "Sports", "Casual"])
    second = encode_with_classes(first.groups, first.classes, first.paths, columns)
    assert second.values.tolist() == [[0, 0, -1, -1], [0, 1, 0, 1], [-1, -1, 1, 0]]


def test_one_value_is_no_group():
    with pytest.raises(
        InputError, match=r"attribute group pattern: 1 of 2 labels have at least 2 .*Solid 2, Striped 1"
    ):
        encode_groups([PATTERN], named("Solid", "Solid", "Striped"), min_images=2)


def test_what_cannot_be_learnt_is_listed_with_its_reason():
    columns = named("Solid", "Striped") | catalogue(master_category=["Apparel", "Apparel"])
    kept, reasons = learnable_groups(parse_groups("pattern,season,fit"), columns)
    assert [group.name for group in kept] == ["pattern"]
    assert reasons.keys() == {"season", "fit"}
    assert "needs the column 'season'" in reasons["season"]
    assert "0 of 0 labels" in reasons["fit"]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (PATTERN, "attribute group pattern needs the column 'product_display_name'; the catalogue has: sub_category"),
        (AttributeGroup("cloth", "multi", ColumnSource("cloth")), "attribute group cloth needs the column 'cloth'"),
        (DISPLAY, "unknown sub_category of attribute group display 'Watches'; did you mean 'Watch'"),
        (
            AttributeGroup("cut", "single", ColumnSource("cut"), (ProductType("shirt", "article_type", ("Shirts",)),)),
            "product type shirt needs the column 'article_type'",
        ),
        (AttributeGroup("cut", "single", TitleSource("cut")), "needs the column 'product_display_name'"),
    ],
)
def test_what_a_group_lacks_is_named(group, message):
    with pytest.raises(InputError, match=message):
        encode_groups([group], catalogue(sub_category=["Watch", "Bags"]))


def test_groups_are_had_by_name():
    assert parse_groups("attributes") is KAGGLE_GROUPS
    assert [group.name for group in parse_groups("gender_master, heel")] == ["gender_master", "heel"]
    assert len({group.name for group in KAGGLE_GROUPS}) == len(KAGGLE_GROUPS)
    with pytest.raises(InputError, match="unknown attribute group 'patern'; did you mean 'pattern'"):
        parse_groups("gender,patern")
    with pytest.raises(InputError, match="'gender' is named twice"):
        parse_groups("gender,gender")


def test_parents_of_article_types():
    sub, master = hierarchy_levels(["Footwear/Shoes/Heels", "Accessories/Bags/Clutches", "Footwear/Shoes/Flats"])
    assert (sub.column, sub.paths, sub.codes.tolist()) == (
        "sub_category",
        ("Accessories/Bags", "Footwear/Shoes"),
        [1, 0, 1],
    )
    assert (master.column, master.paths, master.codes.tolist()) == (
        "master_category",
        ("Accessories", "Footwear"),
        [1, 0, 1],
    )


def test_a_class_without_parents_has_no_hierarchy():
    with pytest.raises(InputError, match=r"class 'Heels' has no parents: .*sub_category, article_type"):
        hierarchy_levels(["Footwear/Shoes/Flats", "Heels"])


def test_the_drawn_sample_says_what_it_shows(tmp_path):
    columns = read_catalog(generate_sample(tmp_path / "sample", products=240)).columns
    targets = encode_groups(parse_groups("pattern,neck,sleeve,display,heel"), columns)
    assert dict(zip(targets.slices, targets.classes, strict=True)) == {
        "pattern": ("Checked", "Printed", "Solid", "Striped"),
        "neck": ("Polo", "Round Neck", "V-Neck"),
        "sleeve": ("3/4 Sleeve", "Long Sleeve", "Short Sleeve", "Sleeveless"),
        "display": ("Analogue", "Chronograph", "Digital"),
        "heel": ("Block Heel", "Flat", "Stiletto"),
    }
    watches = columns["article_type"] == "Watches"
    titled = columns["product_display_name"] != ""
    assert np.array_equal(targets.codes("display") >= 0, watches & titled)


def test_the_real_catalogue_has_every_group(real):
    targets = encode_groups(KAGGLE_GROUPS, read_catalog(real).columns)
    known = {name: int((targets.of(name) >= 0).any(axis=1).sum()) for name in targets.slices}
    assert len(targets.values) == 9_382
    assert known["pattern"] == 3_349
    assert known["season"] == 9_381
    assert min(known.values()) == known["sleeve"] == 37
