"""Types of columns: texts, and numbers as people write them."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.columns import TITLE

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_PRICE = re.compile("price|cost|msrp|rrp|preis|prix|precio")
_CURRENCY = re.compile(r"[^\w.,'’-]*(?:[A-Za-z]{3}\s*)?(-?\d[\d.,'’\s]*)(?:[A-Za-z]{3}|[^\w.,'’-]*)")
# Decimal mark -> numbers with it, the other mark between groups of digits, as in 1,299.00 and 1,29,900.
_MARKED = {
    mark: re.compile(rf"-?(0|[1-9]\d{{0,2}}({other}\d{{2,3}})*{other}\d{{3}}|[1-9]\d*)({re.escape(mark)}\d+)?")
    for mark, other in ((".", ","), (",", r"\."))
}
_LARGEST_EXACT = 2**53  # whole numbers beyond it are not exact as float64
_LONGEST_CELL = 1000  # characters; an array of fixed-width text with a longer cell would waste memory


def typed(name: str, values: NDArray[Any] | list[str]) -> NDArray[Any]:
    """Return a column as int64 or float64 (NaN where missing) when every cell is a number, else as text [n].

    `01` is text: it is not `1`. Prices, by the name of their column, may have a currency, the same in every cell, and
    decimal commas and groups of thousands, where all can be read in one way.
    """
    if isinstance(values, np.ndarray):
        is_exact = values.dtype.kind == "f" or np.abs(values.astype(np.float64)).max(initial=0) <= _LARGEST_EXACT
        numbers = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
        return _whole(numbers) if is_exact else numbers.astype(np.str_)
    distinct = set(values) - {""}
    if not distinct or name == TITLE:
        return text_array(values)
    number_of = _read_prices(distinct) if _PRICE.search(name) else _read_numbers(distinct)
    if not number_of or max(map(abs, number_of.values())) > _LARGEST_EXACT:
        return text_array(values)
    return _whole(np.array([number_of.get(value, np.nan) for value in values], dtype=np.float64))


def _read_numbers(texts: Collection[str]) -> dict[str, float]:
    return {text: float(text) for text in texts} if all(map(_NUMBER.fullmatch, texts)) else {}


def _read_prices(texts: Collection[str]) -> dict[str, float]:
    """Return text -> number; {} where a cell is no price, currencies differ, or a mark could mean two things."""
    matches = {text: _CURRENCY.fullmatch(text) for text in texts}
    if not all(matches.values()) or len({text.replace(match[1], "").strip() for text, match in matches.items()}) > 1:
        return {}
    plain = {text: re.sub(r"['’\s]", "", match[1]) for text, match in matches.items()}
    marks = [mark for mark, pattern in _MARKED.items() if all(map(pattern.fullmatch, plain.values()))]
    has_point = any("." in number for number in plain.values())
    if not marks or (len(marks) == 2 and has_point):  # 1.299 alone is a number of dollars or of thousands
        return {}
    groups = "," if marks[0] == "." else "."
    return {text: float(number.replace(groups, "").replace(",", ".")) for text, number in plain.items()}


def _whole(array: NDArray[np.float64]) -> NDArray[Any]:
    """Return whole numbers without a gap as int64, and other numbers as they are."""
    return array.astype(np.int64) if np.isfinite(array).all() and not (array % 1).any() else array


def text_array(values: Sequence[str]) -> NDArray[Any]:
    """Return texts [n], of dtype object where a cell is so long that a fixed width would waste memory."""
    longest = max(map(len, values), default=0)
    return np.array(values, dtype=np.str_ if longest <= _LONGEST_CELL else object)


def as_text(values: NDArray[Any]) -> NDArray[Any]:
    """Return a column as texts [n], as labels and filters compare them: 2012 and 2012.0 as "2012", NaN as "".

    >>> as_text(np.array([2012.0, np.nan, 9.5])).tolist()
    ['2012', '', '9.5']
    """
    if values.dtype.kind not in "iufb":
        return values
    return text_array(["" if value != value else f"{value:.15g}" for value in values.tolist()])
