"""What a product's name says of its attributes: a table of words and phrases, and its reading."""

import re
from dataclasses import dataclass
from functools import lru_cache

from fashion_keras.support.errors import unknown_name_error

Labels = tuple[str, ...]


@dataclass(frozen=True)
class TitleRule:
    """The words that mean one label.

    Attributes:
        group: the attribute that the label belongs to.
        label: the label.
        phrases: whole words, in any case; "-" and other punctuation equal a space.
        but_not: longer phrases that hold one of those words and mean nothing: brands above all.
        open: labels of the group on which this one is silent; the group's other labels it denies.
    """

    group: str
    label: str
    phrases: Labels
    but_not: Labels = ()
    open: Labels = ()


_PRINTS = ("Floral", "Polka Dot", "Animal Print", "Graphic")
# How far a match can be trusted: those of random samples, as many per label, beside their pictures in the Kaggle set.
# pattern: 142 of 150 right; stripes and checks may be too fine to show at 60x80, sports wear is "graphic" by a panel.
# material: 185 of 186, as far as a picture tells; the steel of a watch is its case, its strap may be leather.
# neck: 101 of 102; one picture shows another product. sleeve: 36 of 37; one tunic hardly has any.
# display: 38 of 38 as named, but what Casio calls analogue often has the small dials of others' chronographs.
# heel: 56 of 61; low wedges are sold as flats. fit: all 92 names speak of the cut, which hardly shows in a picture.
RULES = (
    TitleRule("pattern", "Solid", ("solid", "plain")),
    TitleRule(
        "pattern",
        "Striped",
        ("stripe", "stripes", "striped", "striper", "pinstripe", "pinstriped"),
        but_not=("3 stripe", "3 stripes"),
    ),
    TitleRule(
        "pattern",
        "Checked",
        ("check", "checks", "checked", "checkered", "plaid", "gingham", "tartan"),
        but_not=("check-in", "check-out"),
    ),
    TitleRule("pattern", "Printed", ("print", "prints", "printed"), open=_PRINTS),
    TitleRule("pattern", "Graphic", ("graphic", "graphics", "graphic print", "graphic printed"), open=("Printed",)),
    TitleRule(
        "pattern",
        "Floral",
        ("floral", "florals", "floral print", "floral printed", "flower print", "flower printed", "flower pattern"),
        open=("Printed",),
    ),
    TitleRule(
        "pattern", "Polka Dot", ("polka dot", "polka dots", "polka dotted", "dotted", "dotted print"), open=("Printed",)
    ),
    TitleRule(
        "pattern",
        "Animal Print",
        ("animal print", "leopard", "leopard print", "tiger print", "zebra print", "snake print"),
        open=("Printed",),
    ),
    TitleRule("material", "Cotton", ("cotton",)),
    TitleRule("material", "Leather", ("leather",)),
    TitleRule("material", "Faux Leather", ("leatherette", "leatherite", "faux leather", "pu leather", "non-leather")),
    TitleRule(
        "material",
        "Denim",
        ("denim", "jeans"),
        but_not=("denim co", "dark denim", "denim analogue", "pepe jeans", "gas jeans", "calvin klein jeans"),
        open=("Cotton",),
    ),
    TitleRule("material", "Canvas", ("canvas",), open=("Cotton",)),
    TitleRule("material", "Silk", ("silk", "tussar"), but_not=("soma silk", "sona silk")),
    TitleRule("material", "Wool", ("wool", "woollen", "woolen")),
    TitleRule("material", "Linen", ("linen",)),
    TitleRule("material", "Synthetic", ("polyester", "poly", "nylon")),
    TitleRule("material", "Suede", ("suede",)),
    TitleRule("material", "Fleece", ("fleece",), open=("Synthetic",)),
    TitleRule(
        "material",
        "Metal",
        ("steel", "stainless steel", "metal", "metallic frame", "sterling silver"),
        but_not=("steel dial", "steel strap", "steel finish", "steel toned", "steel grey", "steel blue", "gun metal"),
        open=("Leather", "Faux Leather"),
    ),
    TitleRule("neck", "Round Neck", ("round neck", "roundneck", "crew neck", "crew")),
    TitleRule("neck", "V-Neck", ("v-neck", "vneck")),
    TitleRule(
        "neck", "Polo", ("polo", "polo neck", "polo collar"), but_not=("polo assn", "classic polo", "reverse polo")
    ),
    TitleRule("neck", "Hooded", ("hooded", "hood", "hoody", "hoodie")),
    TitleRule("neck", "Mandarin", ("mandarin", "mandarin neck", "mandarin collar")),
    TitleRule("neck", "Collared", ("collared", "shirt collar", "spread collar")),
    TitleRule("neck", "Square", ("square neck", "sqaure neck")),
    TitleRule("neck", "U-Neck", ("u-neck", "scoop neck")),
    TitleRule("neck", "Boat Neck", ("boat neck",)),
    TitleRule("neck", "Turtleneck", ("turtleneck", "turtle neck")),
    TitleRule("neck", "Halterneck", ("halter", "halter neck", "halterneck")),
    TitleRule("neck", "High Neck", ("high neck",)),
    TitleRule("neck", "One-Shoulder", ("one shoulder",)),
    TitleRule("neck", "Off the Shoulder", ("off shoulder", "off the shoulder")),
    TitleRule("neck", "Sweetheart", ("sweetheart neck", "sweetheart neckline")),
    TitleRule("neck", "Asymmetric", ("asymmetric neck", "asymmetric neckline")),
    TitleRule("sleeve", "Sleeveless", ("sleeveless", "sleevless", "tank", "camisole", "spaghetti", "racerback")),
    TitleRule("sleeve", "Short Sleeve", ("short sleeve", "short sleeves", "half sleeve", "half sleeves", "hs")),
    TitleRule("sleeve", "3/4 Sleeve", ("3/4 sleeve", "3/4 sleeves", "3/4th sleeve", "three quarter sleeve")),
    TitleRule("sleeve", "Long Sleeve", ("long sleeve", "long sleeves", "full sleeve", "full sleeves", "ls")),
    TitleRule("display", "Analogue", ("analogue", "analog")),
    TitleRule("display", "Digital", ("digital",)),
    TitleRule(
        "display",
        "Analogue-Digital",
        ("analogue-digital", "analog-digital", "digital analogue", "analogue and digital"),
    ),
    TitleRule("display", "Chronograph", ("chronograph", "chrono", "analogue chronograph", "chronograph analogue")),
    TitleRule("fit", "Slim", ("slim", "slim fit")),
    TitleRule("fit", "Skinny", ("skinny", "skinny fit"), but_not=("essential skinny",)),
    TitleRule("fit", "Regular", ("regular", "regular fit"), but_not=("regular rise",)),
    TitleRule("fit", "Relaxed", ("relaxed", "relaxed fit", "comfort fit", "loose fit")),
    TitleRule("fit", "Straight", ("straight fit",)),
    TitleRule("heel", "Flat", ("flat", "flats")),
    TitleRule("heel", "Wedge", ("wedge", "wedges")),
    TitleRule("heel", "Stiletto", ("stiletto", "stilettos")),
    TitleRule("heel", "Block Heel", ("block", "block heel", "block heels")),
    TitleRule("heel", "Kitten Heel", ("kitten", "kitten heel", "kitten heels")),
    TitleRule("heel", "Cone Heel", ("cone heel", "cone heels")),
    TitleRule("heel", "Louis Heel", ("louis heel", "louis heels")),
    TitleRule("heel", "Western Heel", ("western heel", "western heels", "cuban heel", "cuban heels")),
)


def normalize_text(text: str) -> str:
    """Return the words of a text, in lower case, one space apart.

    >>> plain("U.S. Polo  V-Neck")
    'u s polo v neck'
    """
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def rules_for_group(group: str) -> tuple[TitleRule, ...]:
    """Return the rows of one group; InputError for a group that has none."""
    rows = tuple(rule for rule in RULES if rule.group == group)
    if not rows:
        raise unknown_name_error("group of name rules", group, dict.fromkeys(rule.group for rule in RULES))
    return rows


def labels_from_title(group: str, name: str) -> Labels:
    """Return the labels of a group that a product's name says, sorted; () when it says nothing.

    Where phrases overlap, the one that begins first holds, and of those that begin together the longest.

    >>> read_name("neck", "U.S. Polo Assn. Men V-Neck T-shirt"), read_name("neck", "U.S. Polo Assn. Men Shoes")
    (('V-Neck',), ())
    """
    found, meanings = _phrases(group)
    return tuple(sorted({meanings[phrase] for phrase in found.findall(normalize_text(name))} - {""}))


@lru_cache
def undetermined_labels(group: str, said: Labels) -> frozenset[str]:
    """Return the labels on which a name is silent that says `said`; all others that it does not say, it denies."""
    return frozenset(label for rule in rules_for_group(group) if rule.label in said for label in rule.open)


@lru_cache
def _phrases(group: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """Return the pattern of all phrases of a group, longest first, and what each means; "" for nothing."""
    meanings = {normalize_text(phrase): rule.label for rule in rules_for_group(group) for phrase in rule.phrases}
    nothing = {normalize_text(phrase): "" for rule in rules_for_group(group) for phrase in rule.but_not}
    meanings = nothing | meanings
    longest = sorted(meanings, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b"), meanings
