"""Words of texts: what separates them, what joins them, plurals."""

import pytest

from fashion_keras.catalog.words import fold_case, stem, tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" -- ! ", []),
        ("Nike Men's T-Shirt, 2-pack", ["nike", "mens", "t", "shirt", "2", "pack"]),
        ("rock 'n' roll, ladies' dress", ["rock", "n", "roll", "ladies", "dress"]),
        ("Levi’s™ 501® jeans", ["levis", "501", "jeans"]),
        ("base_colour", ["base", "colour"]),
        ("U.S. Polo & Co", ["u", "s", "polo", "co"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),  # the accent as a mark of its own, and as part of the letter
        ("ＮＩＫＥ ４２ ﬁt", ["nike", "42", "fit"]),  # NFKC: full width, ligature
        ("नीली शर्ट, पुरुषों के लिए", ["नीली", "शर्ट", "पुरुषों", "के", "लिए"]),
        ("क्\u200dष zero\u00adwidth", ["क्ष", "zerowidth"]),
        ("قميص أزرق", ["قميص", "أزرق"]),
        ("Платье КРАСНОЕ", ["платье", "красное"]),
    ],
)
def test_tokenize(text, words):
    assert tokenize(text) == words


def test_fold_case_keeps_other_signs():
    assert fold_case("SKU-1_a’B ®") == "sku-1_a'b ®"


@pytest.mark.parametrize(
    "words",
    [
        "shirt shirts", "dress dresses", "watch watches", "brush brushes", "box boxes", "shoe shoes", "blouse blouses",
        "tie ties", "hoodie hoodies hoody", "accessory accessories", "lady ladies", "kurti kurtis", "bra bras",
        "scarf scarves", "man men mens", "woman women womens", "child children", "sunglass sunglasses", "lens lenses",
        "clutch clutches", "jersey jerseys", "moustache moustaches",
    ],
)  # fmt: skip
def test_stem_joins_singular_and_plural(words):
    assert len({stem(word) for word in words.split()}) == 1


@pytest.mark.parametrize("word", ["dress", "glass", "bus", "gas", "plus", "lotus", "boss", "s", "", "नीली"])
def test_stem_leaves_what_is_no_plural(word):
    assert stem(word) == word


def test_stem_keeps_different_words_apart():
    words = ["shirt", "short", "skirt", "dress", "tie", "tee", "top", "tops"]
    assert len({stem(word) for word in words}) == len(words) - 1
