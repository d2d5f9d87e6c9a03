"""Filters of a search: column -> accepted values, or a range of numbers."""

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isnan, nan
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.columns import Columns, plain_label
from fashion_keras.support.config_fields import bounded_int
from fashion_keras.support.errors import InputError, unknown_name_error

# Column -> value, several values of which one must match, or a range; see `parse_filters`.
Where = Mapping[str, Any]
OPERATORS = {"gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt}
_SIGNS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_CONDITION = re.compile(r"([^=<>]+)(>=|<=|=|>|<)(.*)", re.DOTALL)
# An error names so many values of a column, none of them longer.
_MAX_NAMED, _LONGEST_NAMED = 100, 100


@dataclass(frozen=True)
class Condition:
    """Condition on a column: one of `values` ("" or NaN: missing), or within all `bounds`, operator -> number."""

    values: tuple[Any, ...] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)

    def matches(self, numbers: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which of `numbers` [n] meet the condition; a missing number is in no range."""
        if self.bounds:
            return np.all([OPERATORS[name](numbers, bound) for name, bound in self.bounds.items()], axis=0)
        return np.any([np.isnan(numbers) if isnan(value) else numbers == value for value in self.values], axis=0)


Filters = Mapping[str, Condition]


def parse_filters(where: Where | None) -> dict[str, Condition]:
    """Return filters as column -> condition.

    Numbers become text (2012, 2012.0 and np.int64(2012): "2012"). None and NaN become "": a missing value. Lists,
    tuples, sets, arrays and Series are alternatives. A mapping is a range.

    >>> parse_filters({"gender": ["Women", None]})
    {'gender': Condition(values=('Women', ''), bounds={})}
    >>> parse_filters({"price": {"gte": 100, "lt": 500}})
    {'price': Condition(values=(), bounds={'gte': 100.0, 'lt': 500.0})}

    Raises:
        InputError: for no mapping, an unknown operator of a range, or a bound that is no number.
    """
    if where is not None and not isinstance(where, Mapping):
        raise InputError(f"where is a mapping of column -> value or values, not {type(where).__name__}")
    return {name: _parse(name, value) for name, value in (where or {}).items()}


def parse_conditions(conditions: Iterable[str]) -> dict[str, Any]:
    """Return the texts of --where as filters: column -> its values, or a range.

    >>> parse_conditions(["gender=Women", "gender=Men", "price>=100"])
    {'gender': ['Women', 'Men'], 'price': {'gte': '100'}}

    Raises:
        InputError: for a text that is no condition, and one that contradicts another.
    """
    filters: dict[str, Any] = {}
    for condition in conditions:
        parts = _CONDITION.fullmatch(condition)
        if parts is None:
            raise InputError(f"--where is COLUMN=VALUE, such as gender=Women or price>=100, not {condition!r}")
        column, sign, value = parts.groups()
        given = filters.setdefault(column.strip(), [] if sign == "=" else {})
        if isinstance(given, list) != (sign == "=") or (sign != "=" and _SIGNS[sign] in given):
            raise InputError(f"--where {condition!r}: contradicts another condition on {column.strip()}; give one")
        if sign == "=":
            given.append(value)
        else:
            given[_SIGNS[sign]] = value
    return filters


def check_filters(
    where: Where | None,
    columns: Collection[str],
    numbers: Collection[str],
    known: Callable[[str, tuple[str, ...]], Collection[str]],
) -> dict[str, Condition]:
    """Return filters under the index's own names of columns and values; numbers for the columns in `numbers`.

    A name is matched as `Columns` does. A text that no image has stands for those that differ from it in case, spaces
    or Unicode form.

    Args:
        where: see `parse_filters`.
        columns, numbers: the index's columns; those of them that hold numbers.
        known: a text column and the values looked for -> these values, where images have all of them, or all values.

    Raises:
        InputError: for an unknown column, a column without a value or given twice, an unknown text, a range of texts.
    """
    names = Columns({name: name for name in columns})
    checked: dict[str, Condition] = {}
    for given, condition in parse_filters(where).items():
        if given not in names:
            raise unknown_name_error("column", given, columns)
        name = str(names[given])
        if name in checked:
            raise InputError(f"two filters on {name}: give one")
        if not condition.values and not condition.bounds:
            raise InputError(f"no value of {name} to filter by")
        if name in numbers:
            checked[name] = Condition(tuple(_number(name, text) for text in condition.values), condition.bounds)
        elif condition.bounds:
            raise InputError(f"filter on {name}: it holds texts, which have no range; give a value or a list of values")
        else:
            texts = known(name, condition.values)
            spellings = (spelling for text in condition.values for spelling in _spellings(name, text, texts))
            checked[name] = Condition(tuple(dict.fromkeys(spellings)))
    return checked


def _parse(name: str, value: Any) -> Condition:  # noqa: ANN401 - whatever a caller passes
    if isinstance(value, Condition):
        return value
    if isinstance(value, Mapping):
        for key, bound in value.items():
            if key not in OPERATORS:
                raise unknown_name_error(f"operator of the range of {name}", key, OPERATORS)
            if not _text(bound):
                raise InputError(f"filter on {name}: {key} needs a number, not {bound!r}")
        return Condition(bounds={key: _number(name, _text(bound)) for key, bound in value.items()})
    if isinstance(value, np.ndarray):
        value = value.tolist()
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | PathLike)
    return Condition(tuple(dict.fromkeys(_text(item) for item in (value if several else [value]))))


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a caller passes
    if value is None or value != value:  # NaN is the one value that differs from itself
        return ""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(bounded_int(value, "filter"))
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        return str(int(value))
    return fspath(value) if isinstance(value, PathLike) else str(value)


def _number(name: str, text: str) -> float:
    try:
        return float({"True": 1, "False": 0}.get(text, text)) if text else nan
    except ValueError:
        raise InputError(f"filter on {name}: {text!r} is no number") from None


def _spellings(name: str, text: str, known: Collection[str]) -> list[str]:
    spellings = [text] if text in known else [value for value in known if plain_label(value) == plain_label(text)]
    if not spellings:
        named = [value for value in known if len(value) <= _LONGEST_NAMED]
        named = named if len(named) <= _MAX_NAMED else get_close_matches(text, named, _MAX_NAMED, cutoff=0.4)
        raise unknown_name_error(f"value of {name}", text, named)
    return spellings
