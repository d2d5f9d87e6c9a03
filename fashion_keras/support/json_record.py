"""JSON records: dataclasses that are stored as JSON objects and checked when they are read."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, TypeVar, get_args, get_origin, get_type_hints

from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.errors import InputError

Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class JsonRecord:
    """Base of a dataclass whose fields are the keys of a JSON file; a field that is None has no key.

    Attributes:
        FORMAT: written as the key "format"; another one is refused.
        FILE: the name of the file in its folder.
    """

    FORMAT: ClassVar[str]
    FILE: ClassVar[str]

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the record in a folder.

        Raises:
            InputError: when the file is missing, is not JSON, has another format, or a key is wrong; names the key.
        """
        path = Path(folder) / cls.FILE
        return cls.from_dict(read_json(path), path)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | Path) -> Self:
        """Return the record of a JSON object; `path`, where it was read, is for error messages."""
        if values.get("format") != cls.FORMAT:
            raise InputError(f"{path}: format {values.get('format')!r}; this version reads {cls.FORMAT}: make it again")
        stored = {name: value for name, value in values.items() if name != "format"}
        return dataclass_from_json(cls, stored, path)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"format": self.FORMAT, **{name: value for name, value in values.items() if value is not None}}

    def write(self, folder: Path) -> None:
        """Write the record into a folder."""
        write_json(folder / self.FILE, self.to_dict())


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
    hints = {each.name: _type_hints(kind)[each.name] for each in fields(kind)}
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


@cache
def _type_hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: Any, source: object, key: str) -> Any:  # noqa: ANN401 - of any field type
    if isinstance(hint, UnionType):
        if value is None:
            return None
        hint = get_args(hint)[0]
    if hint is Any:
        return value
    container, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return dataclass_from_json(hint, value, source, key)
    if container is tuple and isinstance(value, list):
        return tuple(_value(parts[0], item, source, f"{key}[{number}]") for number, item in enumerate(value))
    if container is list and isinstance(value, list):
        return [_value(parts[0], item, source, f"{key}[{number}]") for number, item in enumerate(value)]
    if container is dict and isinstance(value, dict):
        return {name: _value(parts[1], item, source, f"{key}.{name}") for name, item in value.items()}
    if type(value) is not hint and not (hint is float and type(value) is int):
        names = {
            tuple: "a list",
            list: "a list",
            dict: "an object",
            str: "a text",
            int: "a whole number",
            float: "a number",
        }
        expected = names.get(container or hint, getattr(hint, "__name__", str(hint)))
        raise InputError(f"{source}: {key!r} must be {expected}, not {_shortened(value)}")
    return value


def _quoted(key: str) -> str:
    return repr(key) if key else "the file"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
