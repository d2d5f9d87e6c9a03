"""Frozen dataclasses whose fields are flags, JSON keys and lines of help at once."""

from collections.abc import Mapping
from dataclasses import field, fields
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from fashion_keras.support.errors import InputError, unknown

Config = TypeVar("Config")


def option(default: Any, about: str, choices: tuple[str, ...] = (), metavar: str = "") -> Any:  # noqa: ANN401
    """Return a field: its default, what its help says, which values there are, and what stands for one."""
    return field(default=default, metadata={"about": about, "choices": choices, "metavar": metavar})


def field_type(kind: type, name: str) -> type:
    """Return the plain type of a field: str, int, float or bool."""
    hint = get_type_hints(kind)[name]
    return get_args(hint)[0] if isinstance(hint, UnionType) else hint


def flag(name: str) -> str:
    """Return a field's name as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def check_options(config: object) -> None:
    """Raise InputError for the first field whose value is of another type or not among its choices."""
    for one in fields(config):
        value = getattr(config, one.name)
        _check_type(type(config), one.name, value)
        choices = one.metadata["choices"]
        if choices and value is not None and value not in choices:
            raise unknown(flag(one.name), value, choices)


def check_counts(config: object, names: tuple[str, ...], least: int = 1) -> None:
    """Raise InputError for the first of these fields that is given and below `least`."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < least:
            raise InputError(f"{flag(name)} is a whole number from {least}, not {value}")


def from_dict(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Make a config of `values`; an unknown key raises InputError that offers the nearest."""
    known = [one.name for one in fields(kind)]
    for name in values:
        if name not in known:
            raise unknown("config key", name, known)
    return kind(**values)


def _check_type(kind: type, name: str, value: object) -> None:
    wanted = field_type(kind, name)
    optional = isinstance(get_type_hints(kind)[name], UnionType)
    if value is None and optional:
        return
    fits = type(value) is wanted or (wanted is float and type(value) is int)
    if not fits:
        raise InputError(f"{name} must be {'null or ' if optional else ''}of type {wanted.__name__}, not {value!r}")
