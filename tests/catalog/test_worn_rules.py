"""Which products are pictured on a person: what the table says, and what it leaves open."""

import numpy as np
import pytest

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.tasks import get_task
from fashion_keras.support.errors import InputError

PRODUCTS = (
    ("Footwear", "Shoes", "Heels", "Women", "Catwalk Women Heels", "product"),
    ("Accessories", "Watches", "Watches", "Men", "Titan Watch", "product"),
    ("Accessories", "Stoles", "Stoles", "Women", "Red Stole", ""),
    ("Apparel", "Topwear", "Tshirts", "Men", "Puma Men T-shirt", "person"),
    ("Apparel", "Topwear", "Tshirts", "Men", "Nike Men T-shirt", "product"),
    ("Apparel", "Topwear", "Tshirts", "Unisex", "Tantra Unisex T-shirt", "product"),
    ("Apparel", "Topwear", "Tshirts", "Boys", "Red T-shirt", "product"),
    ("Apparel", "Topwear", "Tops", "Women", "Palm Tree Girl's Pink Kidswear", "product"),
    ("Apparel", "Topwear", "Tops", "Women", "Girlish Pink Top", "person"),
    ("Apparel", "Topwear", "Shirts", "Men", "Arrow Men Shirt", ""),
    ("Apparel", "Topwear", "Shirts", "Men", "Reid & Taylor Men Shirt", "product"),
    ("Apparel", "Innerwear", "Briefs", "Men", "Jockey Men Brief", ""),
    ("", "", "", "", "", ""),
)
NAMES = ("master_category", "sub_category", "article_type", "gender", "product_display_name")
COLUMNS = dict(zip(NAMES, map(np.array, zip(*(row[:-1] for row in PRODUCTS), strict=True)), strict=True))


def test_each_product_is_labelled_by_the_first_rule_or_not_at_all():
    labels = get_task("person").encode(COLUMNS)
    assert labels.classes == ("person", "product")
    assert [labels.classes[code] if code >= 0 else "" for code in labels.codes] == [row[-1] for row in PRODUCTS]
    assert labels.reasons[2] == "no person label"
    again = get_task("person").encode_with_classes(COLUMNS, labels.groups[0])
    assert again.codes.tolist() == labels.codes.tolist()


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="task person needs the column 'gender'; the catalog has: master_category"):
        get_task("person").encode({name: values for name, values in COLUMNS.items() if name != "gender"})


def test_most_of_the_real_catalogue_is_labelled(real):
    labels = get_task("person").encode(read_catalog(real).columns)
    assert labels.known.mean() > 0.9
    assert np.bincount(labels.codes[labels.known]).min() > 4000
