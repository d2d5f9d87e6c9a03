"""JSON records: dataclasses that are stored as one JSON object and checked when they are read."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.errors import InputError


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
        hints, known = get_type_hints(cls), {field.name: field for field in fields(cls)}
        for name in values:
            if name not in (*known, "format"):
                raise InputError(f"{path}: unknown key {name!r}")
        for name, field in known.items():
            if name not in values and field.default is MISSING and field.default_factory is MISSING:
                raise InputError(f"{path}: the key {name!r} is missing")
            if name in values and not _fits(values[name], hints[name]):
                raise InputError(
                    f"{path}: the key {name!r} holds {values[name]!r:.60}, not a {_type_name(hints[name])}"
                )
        return cls(**{name: value for name, value in values.items() if name != "format"})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"format": self.FORMAT, **{name: value for name, value in values.items() if value is not None}}

    def write(self, folder: Path) -> None:
        """Write the record into a folder."""
        write_json(folder / self.FILE, self.to_dict())


def _plain_types(hint: Any) -> tuple[type, ...]:  # noqa: ANN401 - a type hint
    parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return tuple(get_origin(part) or part for part in parts)


def _fits(value: Any, hint: Any) -> bool:  # noqa: ANN401
    kinds = _plain_types(hint)
    return type(value) in kinds or (type(value) is int and float in kinds)


def _type_name(hint: Any) -> str:  # noqa: ANN401
    return " or ".join(kind.__name__ for kind in _plain_types(hint))
