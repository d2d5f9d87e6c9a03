"""JSON records: dataclasses that are stored as JSON objects and checked when they are read."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from fashion_keras.support.atomic_files import finite_json, read_json, write_json
from fashion_keras.support.errors import InputError

Record = TypeVar("Record")
_JSON_NAMES = {
    tuple: "a list", list: "a list", dict: "an object", str: "a text", int: "a whole number", float: "a number",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class JsonRecord:
    """Base of a dataclass whose fields are the keys of a JSON file; a field that is None has no key.

    FORMAT is written as the key "format", and another one is refused; FILE is the file's name in its folder.
    """

    FORMAT: ClassVar[str]
    FILE: ClassVar[str]

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the record in a folder; InputError for a missing file, another format or a wrong key, which it names."""
        path = Path(folder) / cls.FILE
        return cls.from_dict(read_json(path), path)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | Path) -> Self:
        """Return the record of a JSON object; `path`, where it was read, is for error messages."""
        if values.get("format") != cls.FORMAT:
            raise InputError(f"{path}: format {values.get('format')!r}; this version reads {cls.FORMAT}: make it again")
        return dataclass_from_json(cls, {name: values[name] for name in values if name != "format"}, path)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"format": self.FORMAT, **{name: value for name, value in vars(self).items() if value is not None}}

    def write(self, folder: Path) -> None:
        """Write the record into a folder; numbers that are NaN or infinite become null."""
        write_json(folder / self.FILE, finite_json(self.to_dict()))


def dataclass_from_json(kind: type[Record], values: object, source: object, key: str = "") -> Record:
    """Return a dataclass made of a JSON object; fields may be dataclasses, tuples, mappings or `X | None` themselves.

    Args:
        kind: the dataclass.
        values: what `json.loads` returned.
        source: the file, named in errors.
        key: where in the file the object is; "" for all of it.

    Raises:
        InputError: for a key that is missing, unknown or of another type; names file and key.
    """
    place = repr(key) if key else "the file"
    if not isinstance(values, Mapping):
        raise InputError(f"{source}: {place} must be an object, not {_shortened(values)}")
    known, hints, prefix = {each.name: each for each in fields(kind)}, type_hints(kind), f"{key}." if key else ""
    for name in values:
        if name not in known:
            raise InputError(f"{source}: unknown key {prefix + str(name)!r}")
    for name, each in known.items():
        if name not in values and each.default is MISSING and each.default_factory is MISSING:
            raise InputError(f"{source}: key {prefix + name!r} is missing")
    arguments = {name: _value(hints[name], value, source, prefix + name) for name, value in values.items()}
    try:
        return kind(**arguments)
    except InputError as error:
        raise InputError(f"{source}: {place}: {error}") from None


@cache
def type_hints(kind: type) -> dict[str, Any]:
    """Return the type hint of each field of a dataclass."""
    return get_type_hints(kind)


def _value(hint: Any, value: Any, source: object, key: str) -> Any:  # noqa: ANN401 - of any field type
    """Return a JSON value as a dataclass field of this type hint takes it."""
    if isinstance(hint, UnionType):
        if value is None:
            return None
        hint = get_args(hint)[0]
    if hint is Any:
        return value
    if is_dataclass(hint):
        return dataclass_from_json(hint, value, source, key)
    container, parts = get_origin(hint), get_args(hint)
    if container is Literal:
        if value not in parts:
            raise InputError(f"{source}: {key!r} must be {' or '.join(map(str, parts))}, not {_shortened(value)}")
        return value
    if container in (tuple, list) and isinstance(value, list):
        return container(_value(parts[0], item, source, f"{key}[{number}]") for number, item in enumerate(value))
    if container is dict and isinstance(value, dict):
        return {name: _value(parts[1], item, source, f"{key}.{name}") for name, item in value.items()}
    if type(value) is not hint and not (hint is float and type(value) is int):
        expected = _JSON_NAMES.get(container or hint, getattr(hint, "__name__", str(hint)))
        raise InputError(f"{source}: {key!r} must be {expected}, not {_shortened(value)}")
    if hint is float and not math.isfinite(value):
        raise InputError(f"{source}: {key!r} must be a finite number, not {value}")
    return value


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
