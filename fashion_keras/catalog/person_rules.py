"""Which products are pictured on a person, which by themselves: a table of rules, and its reading."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.name_rules import plain
from fashion_keras.catalog.tables import TITLE
from fashion_keras.support.errors import InputError

PERSON, PRODUCT = "person", "product"


@dataclass(frozen=True)
class Rule:
    """What the pictures of some products show.

    Attributes:
        label: PERSON or PRODUCT.
        where: column -> values; the product has one of the values in each column, or of the words in its name.
    """

    label: str
    where: Mapping[str, tuple[str, ...]]


# The first rule that holds decides. No rule means no label: jackets, sweatshirts, sports T-shirts (half of them worn),
# shorts, skirts, formal shirts (one in five is folded), underwear and stoles are worn in some pictures, in others not.
# How far a label can be trusted, by random samples of the Kaggle set's pictures: of 300 "product" none shows a person;
# of 300 "person" 11 show none, mostly T-shirts and folded shirts.
RULES = (
    Rule(PRODUCT, {"master_category": ("Footwear",)}),
    Rule(
        PRODUCT,
        {
            "sub_category": (
                "Accessories", "Bags", "Belts", "Cufflinks", "Eyewear", "Gloves", "Headwear", "Jewellery", "Mufflers",
                "Scarves", "Shoe Accessories", "Socks", "Ties", "Umbrellas", "Wallets", "Watches",
            )
        },
    ),
    # Children's clothes lie. Without them clothes would always be worn, and a detector would find clothes, not people.
    Rule(PRODUCT, {"master_category": ("Apparel",), "gender": ("Boys", "Girls")}),
    Rule(PRODUCT, {"master_category": ("Apparel",), TITLE: ("boy", "boys", "girl", "girls", "infant", "kids")}),
    Rule(PERSON, {"article_type": ("Shirts", "Tshirts"), "usage": ("Casual",)}),
    Rule(
        PERSON,
        {
            "article_type": (
                "Dresses", "Dupatta", "Jeans", "Kurta Sets", "Kurtas", "Kurtis", "Night suits", "Nightdress", "Patiala",
                "Sarees", "Sweaters", "Tops", "Trousers", "Tunics",
            )
        },
    ),
)  # fmt: skip


def person_or_product(columns: Mapping[str, NDArray[np.str_]]) -> NDArray[np.str_]:
    """Return what the pictures of n products show, [n] str: PERSON, PRODUCT, or "" where the table does not say.

    Raises:
        InputError: when a column that the rules read is not there.
    """
    return np.select([_holds(rule, columns) for rule in RULES], [rule.label for rule in RULES], "")


def _holds(rule: Rule, columns: Mapping[str, NDArray[np.str_]]) -> NDArray[np.bool_]:
    for name in rule.where:
        if name not in columns:
            raise InputError(f"task person needs the column {name!r}; the catalogue has: {', '.join(columns)}")
    return np.all([_has(columns[name], values, name == TITLE) for name, values in rule.where.items()], axis=0)


def _has(cells: NDArray[np.str_], values: tuple[str, ...], words: bool) -> NDArray[np.bool_]:
    if words:
        return np.array([not set(values).isdisjoint(plain(cell).split()) for cell in cells.tolist()], dtype=bool)
    return np.isin(cells, values)
