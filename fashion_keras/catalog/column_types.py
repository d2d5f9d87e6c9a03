"""Types of columns: texts, and numbers as people write them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.columns import TITLE

_NUMBER = re.compile(r"-?((0|[1-9]\d*)(\.\d+)?|[1-9]\d{0,2}(,\d{3})+\.\d+)")
_PRICE = re.compile("price|cost|msrp|rrp|preis|prix|precio")
_COMMA_NUMBER = re.compile(r"-?(0|[1-9]\d{0,2}(\.\d{3})*|[1-9]\d*),\d+|-?(0|[1-9]\d*)")
_CURRENCY = re.compile(r"[^\w.,-]*(?:[A-Z]{3}\s*)?(-?[\d.,]*\d)\s*(?:[A-Z]{3}|[^\w.,-]*)")
_LARGEST_EXACT = 2**53  # whole numbers beyond it are not exact as float64
_LONGEST_CELL = 1000  # characters; an array of fixed-width text with a longer cell would waste memory


def typed(name: str, values: NDArray[Any] | list[str]) -> NDArray[Any]:
    """Return a column as int64 or float64 (NaN where missing) when every cell is a number, else as text [n].

    `01` is text: it is not `1`. Prices, by the name of their column, may have a currency, the same in every cell, and
    decimal commas, when every one can be read so.
    """
    if isinstance(values, np.ndarray):
        is_exact = values.dtype.kind == "f" or np.abs(values.astype(np.float64)).max(initial=0) <= _LARGEST_EXACT
        numbers = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
        return _whole(numbers) if is_exact else numbers.astype(np.str_)
    distinct = set(values) - {""}
    if not distinct or name == TITLE:
        return text_array(values)
    is_price = bool(_PRICE.search(name))
    numbers = _without_currency(distinct) if is_price else {text: text for text in distinct}
    number_of = _decimals(numbers, is_price)
    if not number_of or max(map(abs, number_of.values())) > _LARGEST_EXACT:
        return text_array(values)
    return _whole(np.array([number_of.get(value, np.nan) for value in values], dtype=np.float64))


def _decimals(numbers: Mapping[str, str], has_commas: bool) -> dict[str, float]:
    """Return text -> number where every number is written alike, with decimal points or perhaps commas; else {}."""
    if all(map(_NUMBER.fullmatch, numbers.values())):
        return {text: float(number.replace(",", "")) for text, number in numbers.items()}
    if has_commas and all(map(_COMMA_NUMBER.fullmatch, numbers.values())):
        return {text: float(number.replace(".", "").replace(",", ".")) for text, number in numbers.items()}
    return {}


def _whole(array: NDArray[np.float64]) -> NDArray[Any]:
    """Return whole numbers without a gap as int64, and other numbers as they are."""
    return array if np.isnan(array).any() or (array % 1).any() else array.astype(np.int64)


def _without_currency(values: Iterable[str]) -> dict[str, str]:
    """Return text -> number; {} where a cell is no price, or the cells differ in currency."""
    matches = {value: _CURRENCY.fullmatch(value) for value in values}
    if not all(matches.values()):
        return {}
    currencies = {value.replace(match[1], "").strip() for value, match in matches.items()}
    return {value: match[1] for value, match in matches.items()} if len(currencies) == 1 else {}


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
