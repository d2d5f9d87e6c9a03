"""Words of product names and queries: case, forms of letters and English plurals make no difference."""

import re
import unicodedata
from functools import lru_cache

# NFKC would join ™ and ℠ to the word before them. Apostrophes become one; hyphens and joiners that are not shown, none.
_SIGNS = str.maketrans(
    dict.fromkeys("™℠", " ") | dict.fromkeys("’‘ʼ´", "'") | dict.fromkeys("\u00ad\u200b\u200c\u200d\ufeff", "")
)
_ASCII_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
# Where Unicode has marks: the planes of living and historic scripts, and the selectors of variants.
_MARK_CODES = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
# Plurals of names of products and buyers that no rule gives, after the final "s" is gone; "lens" is no plural.
_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "scarve": "scarf", "len": "lens", "lense": "lens",
}  # fmt: skip


def fold_case(text: str) -> str:
    """Return a text in lower case (Unicode's case folding) and in Unicode's form NFKC; other signs stay.

    >>> fold_case("LEVI’S® Größe ４２")
    "levi's® grösse 42"
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(_SIGNS)).casefold())


def tokenize(text: str) -> list[str]:
    """Return the words of a text in order: runs of letters, digits and marks on letters, as `fold_case` writes them.

    Apostrophes within a word are left out, so that "men's" is one word; every other sign separates words, "_" too.

    >>> tokenize("U.S. Polo Men's T-Shirt"), tokenize("नीली शर्ट")
    (['u', 's', 'polo', 'mens', 't', 'shirt'], ['नीली', 'शर्ट'])
    """
    text = fold_case(text)
    words = word_pattern(text).findall(text)
    return [word.replace("'", "") for word in words] if "'" in text else words


def word_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of a word in a text that `fold_case` returned; a word has its inner apostrophes."""
    return _ASCII_WORD if text.isascii() else _unicode_word()


@lru_cache(maxsize=1)
def _unicode_word() -> re.Pattern[str]:
    # \w leaves out marks: the vowel signs of Indic scripts, accents of letters that have no form with them.
    marks = "".join(chr(code) for code in _MARK_CODES if unicodedata.category(chr(code))[0] == "M")
    return re.compile(rf"[^\W_]+(?:[{marks}]+[^\W_]*|'[^\W_]+)*")


def stem(word: str) -> str:
    """Return a form that singular and plural of an English word share; `word` as `tokenize` returns it.

    After D. Harman, "How effective is suffixing?", JASIS 42 (1991): a final "s" goes, except in "ss" and "us" and in
    words of up to three letters; then "sse", "che", "she", "xe", "zze" lose their "e", and "ie" becomes "y".

    >>> [stem(word) for word in ("shirts", "dresses", "watches", "hoodies", "hoodie", "ties", "dress", "women")]
    ['shirt', 'dress', 'watch', 'hoody', 'hoody', 'tie', 'dress', 'woman']
    """
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-1]
    if len(word) > 3 and word.endswith(("sse", "che", "she", "xe", "zze")):
        word = word[:-1]
    elif len(word) > 3 and word.endswith("ie"):
        word = f"{word[:-2]}y"
    return _IRREGULAR.get(word, word)
