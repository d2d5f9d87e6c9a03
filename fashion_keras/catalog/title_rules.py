"""Title rules: a table of the words and phrases in product titles that name attribute labels."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from fashion_keras.support.errors import unknown_name_error

Labels = tuple[str, ...]


@dataclass(frozen=True)
class TitleRule:
    """Words and phrases in a title that name a label.

    Attributes:
        group: the attribute that the label belongs to.
        label: the label.
        phrases: whole words, in any case; "-" and other punctuation equal a space.
        but_not: longer phrases with such a word that name no label: brands above all.
        open: labels of the group that a product with this label may or may not have; it lacks all others.
    """

    group: str
    label: str
    phrases: Labels
    but_not: Labels = ()
    open: Labels = ()


_PRINTS = ("Floral", "Polka Dot", "Animal Print", "Graphic")
# Precision of the rules, by random samples, as many per label, compared with their images in the Kaggle set.
# pattern: 142 of 150 right; stripes and checks may be too fine to show at 60x80, sports wear is "graphic" by a panel.
# material: 185 of 186, as far as an image shows; the steel of a watch is its case, its strap may be leather.
# neck: 101 of 102; one image shows another product. sleeve: 36 of 37; one tunic hardly has any.
# display: 38 of 38 as named, but what Casio calls analogue often has the small dials of others' chronographs.
# heel: 56 of 61; low wedges are sold as flats. fit: all 92 names speak of the cut, which hardly shows in an image.
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
    """Return the words of a text in lower case, separated by single spaces.

    >>> normalize_text("U.S. Polo  V-Neck")
    'u s polo v neck'
    """
    text = text.casefold()
    if not text.isascii():
        # Vowel signs of Indic and Thai scripts are marks, which \w leaves out.
        text = unicodedata.normalize("NFC", text)
        return " ".join("".join(mark if is_word_mark(mark) else " " for mark in text).split())
    return re.sub(r"[\W_]+", " ", text).strip()


def is_word_mark(mark: str) -> bool:
    """Return whether a character belongs to a word: a letter, a digit or a mark on one of them."""
    return mark.isalnum() or unicodedata.category(mark).startswith("M")


def rules_for_group(group: str) -> tuple[TitleRule, ...]:
    """Return the rules of a group; InputError for a group that has none."""
    rows = tuple(rule for rule in RULES if rule.group == group)
    if not rows:
        raise unknown_name_error("group of title rules", group, dict.fromkeys(rule.group for rule in RULES))
    return rows


def labels_from_title(group: str, title: str) -> Labels:
    """Return the labels of a group that a product title names, sorted; () for none.

    Where phrases overlap, the one that begins first counts, and of those that begin together the longest.

    >>> labels_from_title("neck", "U.S. Polo Assn. V-Neck T-shirt"), labels_from_title("neck", "U.S. Polo Assn. Shoes")
    (('V-Neck',), ())
    """
    pattern, label_of = _phrases(group)
    return tuple(sorted({label_of[phrase] for phrase in pattern.findall(normalize_text(title))} - {""}))


@lru_cache
def undetermined_labels(group: str, labels: Labels) -> frozenset[str]:
    """Return the labels that a product whose title names `labels` may or may not have; it lacks all others."""
    return frozenset(label for rule in rules_for_group(group) if rule.label in labels for label in rule.open)


@lru_cache
def _phrases(group: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """Return the pattern of all phrases of a group, longest first, and the label of each; "" for none."""
    rules = rules_for_group(group)
    label_of = {normalize_text(phrase): "" for rule in rules for phrase in rule.but_not}
    label_of |= {normalize_text(phrase): rule.label for rule in rules for phrase in rule.phrases}
    longest = sorted(label_of, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b"), label_of
