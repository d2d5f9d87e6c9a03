"""Filters of a search: column -> accepted values."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from os import PathLike, fspath
from typing import Any

import numpy as np

from fashion_keras.support.errors import InputError, unknown_name_error

# Column -> value, or several values of which one must match; see `normalize_filters`.
Where = Mapping[str, Any]
Filters = Mapping[str, tuple[str, ...]]


def normalize_filters(where: Where | None) -> dict[str, tuple[str, ...]]:
    """Return filters as column -> accepted values, each as the text that an index stores; InputError for no mapping.

    Numbers become text (2012, 2012.0 and np.int64(2012): "2012"). None and NaN become "": a missing value. Lists,
    tuples, sets, arrays and Series are alternatives.

    >>> normalize_filters({"year": 2012, "gender": ["Women", None]})
    {'year': ('2012',), 'gender': ('Women', '')}
    """
    if where is not None and not isinstance(where, Mapping):
        raise InputError(f"where is a mapping of column -> value or values, not {type(where).__name__}")
    return {name: _texts(name, value) for name, value in (where or {}).items()}


def check_filters(where: Where | None, known: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return normalized filters; InputError for a column without a value, or a column or value that is not known."""
    filters = normalize_filters(where)
    for name, values in filters.items():
        if name not in known:
            raise unknown_name_error("column", name, known)
        if not values:
            raise InputError(f"no value of {name} to filter by; known: {', '.join(known[name])}")
        for value in values:
            if value not in known[name]:
                raise unknown_name_error(f"value of {name}", value, known[name])
    return filters


def _texts(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever a caller passes
    if isinstance(value, Mapping):
        raise InputError(f"filter on {name}: ranges are not supported; give a value or a list of values")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | PathLike)
    return tuple(dict.fromkeys(_text(item) for item in (value if several else [value])))


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a caller passes
    if value is None or value != value:  # NaN is the one value that differs from itself
        return ""
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        return str(int(value))
    return fspath(value) if isinstance(value, PathLike) else str(value)
