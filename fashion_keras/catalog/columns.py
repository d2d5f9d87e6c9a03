"""Table columns: the standard names, their synonyms, and how cells are cleaned and typed."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from fashion_keras.catalog.title_rules import is_word_mark
from fashion_keras.support.errors import InputError, unknown_name_error

SKU = "sku"
TITLE = "product_display_name"
GROUP = "item_group_id"  # Google Merchant's: variants of one product
COLUMNS = (
    "gender", "master_category", "sub_category", "article_type", "base_colour", "season", "year", "usage", TITLE,
)  # fmt: skip
LABEL_SEPARATOR = "|"  # between the labels of one cell

# Standard name -> headers that mean it, the most telling first; compared without case, spaces and underscores.
SYNONYMS = {
    SKU: (
        "sku", "product_sku", "sku_id", "sku_code", "product_id", "item_id", "id", "article_id", "style_id",
        "product_code", "item_code",
    ),
    TITLE: (TITLE, "title", "product_title", "product_name", "name", "display_name"),
    "article_type": ("article_type", "product_type", "category", "product_category", "product_type_name"),
    "base_colour": ("base_colour", "base_color", "colour", "color", "colour_name", "color_name"),
}  # fmt: skip
MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "Null", "None", "<NA>", r"\N", "#N/A", "#NA", "NaT"}
)

IMAGE_WORD = re.compile(r"(image|img|photo|foto|pic(ture)?)s?")
_PATH_COLUMN = re.compile(
    r"(?P<extra>additional_|extra_|secondary_|other_)?(main_|primary_|product_)?"
    r"((image|img|photo|foto|pic(ture)?)s?(_?(?P<number>\d+))?(_?(path|file|file_?name|name|link|url|src|uri))?s?"
    r"|(file_?)?path|file_?name|file)s?(_?(?P<last>\d+))?"
)
_EXCEL_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_FLOAT_ID = re.compile(r"\d+\.0+")


class Columns(Mapping[str, NDArray[Any]]):
    """Columns of n rows under their standard names, also found as the table writes them.

    `columns["article_type"]`, `columns["Article Type"]` and, where no other column is called so, `columns["category"]`
    are the same column.
    """

    def __init__(self, values: Mapping[str, NDArray[Any]], written: Mapping[str, str] | None = None) -> None:
        """Take name -> values [n], and header as written -> name."""
        self._values = dict(values)
        self.written = dict(written or {})
        self._names = {plain_name(word): name for name in SYNONYMS if name in values for word in SYNONYMS[name]}
        self._names |= {plain_name(header): name for header, name in self.written.items()}
        self._names |= {plain_name(name): name for name in reversed(self._values)}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._values[self.name_of(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._values or plain_name(name) in self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def name_of(self, name: str) -> str:
        """Return the standard name of a column, by that or as the table writes it; KeyError for an unknown one."""
        exact = self.written.get(name, name)
        return exact if exact in self._values else self._names[plain_name(name)]

    def map(self, change: Any) -> "Columns":  # noqa: ANN401 - a function of the values
        """Return the columns with `change` applied to the values of each."""
        return Columns({name: change(values) for name, values in self._values.items()}, self.written)


def plain_name(header: str) -> str:
    """Return a header without case, spaces and punctuation, for comparison.

    >>> plain_name("Article Type") == plain_name("article_type") == plain_name("articleType")
    True
    """
    return "".join(filter(is_word_mark, unicodedata.normalize("NFKC", header))).casefold() or header


def snake_case(header: str) -> str:
    """Return a header in snake_case; letters of any script are kept.

    >>> snake_case("masterCategory"), snake_case("Price (EUR)"), snake_case("カテゴリ")
    ('master_category', 'price_eur', 'カテゴリ')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", header).strip())
    return "_".join("".join(mark if is_word_mark(mark) else " " for mark in words).split()).lower()


def name_columns(headers: Sequence[str], mapping: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the name of each header, and header as written -> name.

    A header without letters is named "" (an index column, or an empty one). Of headers that look alike, the first gets
    the name and the others keep their own, with a number where even that is taken.

    Raises:
        InputError: when `mapping` names a header that is not there.
    """
    headers = [valid_text(header) for header in headers]
    plain = [plain_name(header) for header in headers]
    chosen: dict[int, str] = {}
    for name, header in mapping.items():
        if plain_name(header) not in plain:
            raise unknown_name_error(f"column of --column {name}=", header, [text for text in headers if text.strip()])
        chosen[plain.index(plain_name(header))] = name
    for name, synonyms in SYNONYMS.items():
        places = [plain.index(plain_name(word)) for word in synonyms if plain_name(word) in plain]
        free = [place for place in places if place not in chosen]
        if free and name not in chosen.values():
            chosen[free[0]] = name
    names = dict(chosen)
    # A header that is written as its name has the better claim to it.
    for place in sorted(range(len(headers)), key=lambda place: _known_name(headers[place]) != headers[place]):
        name, taken = _known_name(headers[place]), set(names.values())
        names.setdefault(place, name if name not in taken or not name else _free_name(headers[place], taken))
    written = {headers[place]: names[place] for place in reversed(range(len(headers))) if names[place]}
    return [names[place] for place in range(len(headers))], written


def _known_name(header: str) -> str:
    if not header.strip() or re.fullmatch(r"Unnamed: \d+|index", header.strip()):
        return ""
    known = {plain_name(name): name for name in COLUMNS}
    return known.get(plain_name(header)) or snake_case(header) or header.strip()


def _free_name(header: str, taken: set[str]) -> str:
    names = [header.strip(), *(f"{snake_case(header)}_{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def path_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that hold paths of images: those of the main image first, additional ones last.

    >>> path_columns(["sku", "additional_image_link", "image_2", "image_link", "image_1"])
    ['image_link', 'image_1', 'image_2', 'additional_image_link']
    """
    matches = {name: _PATH_COLUMN.fullmatch(name) for name in names}
    order = [
        (bool(match["extra"]), int(match["number"] or match["last"] or 0), name)
        for name, match in matches.items()
        if match
    ]
    return [name for *_, name in sorted(order, key=lambda row: row[:2])]


def clean_cells(values: Iterable[str]) -> list[str]:
    """Return cells without outer spaces and NUL characters; "" where the cell is written as a missing value.

    `="00123"`, which keeps Excel from dropping zeros, becomes `00123`.

    >>> clean_cells(["  Red ", "N/A", '="00123"'])
    ['Red', '', '00123']
    """
    values = list(values)
    cleaned = {value: _clean(value) for value in set(values)}
    return [cleaned[value] for value in values]


def valid_text(text: str) -> str:
    """Return a text with "?" for lone surrogates, which JSON can hold and no file."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _clean(value: str) -> str:
    value = valid_text(value.replace("\0", "").strip())
    excel = _EXCEL_TEXT.fullmatch(value) if value.startswith("=") else None
    if excel:
        value = excel[1].replace('""', '"').strip()
    return "" if value in MISSING else value


def clean_skus(values: list[str]) -> list[str]:
    """Return SKUs to the letter; where all are floats of a lost integer column, `15970.0` becomes `15970`."""
    if all(_FLOAT_ID.fullmatch(value) for value in values if value) and any(values):
        return [value.partition(".")[0] for value in values]
    return values


def merge_variants(values: list[str]) -> tuple[list[str], dict[str, int]]:
    """Return a column with spellings that differ in case or spaces merged, and "from -> to" with its count.

    The commonest spelling stays, of equally common ones one in mixed case.

    >>> merge_variants(["Men", "men", "Men", "Women"])
    (['Men', 'Men', 'Men', 'Women'], {"'men' -> 'Men'": 1})
    """
    counts = Counter(values)
    best: dict[str, str] = {}
    for value in sorted(counts, key=lambda value: (-counts[value], value.isupper() or value.islower(), value)):
        best.setdefault(plain_label(value), value)
    if len(best) == len(counts):
        return values, {}
    merged = {value: best[plain_label(value)] for value in counts}
    changed = {f"{value!r} -> {target!r}": counts[value] for value, target in merged.items() if value != target}
    return [merged[value] for value in values], changed


def plain_label(label: str) -> str:
    """Return a label as it is compared: in one case and Unicode form, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """Return the values of `--column NAME=HEADER` as name -> header; InputError for another form."""
    mapping = {}
    for pair in pairs:
        name, equals, header = pair.partition("=")
        if not (name.strip() and equals and header.strip()):
            raise InputError(f"--column {pair!r}: expected NAME=HEADER, such as article_type=category")
        mapping[snake_case(name)] = header.strip()
    return mapping
