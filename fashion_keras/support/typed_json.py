"""Dataclasses from JSON objects: every value is checked against its field's type."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fashion_keras.support.errors import InputError

Record = TypeVar("Record")


def dataclass_from_json(kind: type[Record], values: object, source: object, key: str = "") -> Record:
    """Return a dataclass made of a JSON object; fields may be dataclasses, tuples, mappings or `X | None` themselves.

    Args:
        kind: the dataclass.
        values: what `json.loads` returned.
        source: the file, named in errors.
        key: where in the file the object is; "" for all of it.

    Raises:
        InputError: for the first key that is missing, unknown or of another type; names file and key.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{source}: {_quoted(key)} must be an object, not {_shortened(values)}")
    hints = get_type_hints(kind)
    prefix = f"{key}." if key else ""
    for name in values:
        if name not in hints:
            raise InputError(f"{source}: unknown key {prefix + str(name)!r}")
    arguments = {}
    for each in fields(kind):
        path = prefix + each.name
        if each.name in values:
            arguments[each.name] = _value(hints[each.name], values[each.name], source, path)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise InputError(f"{source}: key {path!r} is missing")
    try:
        return kind(**arguments)
    except InputError as error:
        raise InputError(f"{source}: {_quoted(key)}: {error}") from None


def _value(hint: Any, value: Any, source: object, key: str) -> Any:  # noqa: ANN401 - of any field type
    if isinstance(hint, UnionType):
        if value is None:
            return None
        hint = get_args(hint)[0]
    container, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return dataclass_from_json(hint, value, source, key)
    if container is tuple and isinstance(value, list):
        return tuple(_value(parts[0], item, source, f"{key}[{number}]") for number, item in enumerate(value))
    if container is dict and isinstance(value, dict):
        return {name: _value(parts[1], item, source, f"{key}.{name}") for name, item in value.items()}
    if type(value) is not hint and not (hint is float and type(value) is int):
        names = {tuple: "a list", dict: "an object", str: "a text", int: "a whole number", float: "a number"}
        expected = names.get(container or hint, getattr(hint, "__name__", str(hint)))
        raise InputError(f"{source}: {key!r} must be {expected}, not {_shortened(value)}")
    return value


def _quoted(key: str) -> str:
    return repr(key) if key else "the file"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
