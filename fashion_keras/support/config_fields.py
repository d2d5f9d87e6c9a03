"""Config dataclasses: each field is a command-line flag, a JSON key, a line of help and a check."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields
from math import inf
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from types import UnionType
from typing import Any, Self, TypeVar, get_args, get_origin

from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.json_record import type_hints

ConfigType = TypeVar("ConfigType", bound="Config")
_LARGEST = 2**31 - 1  # what every library takes for a count
_MOST_BITS = 1024  # of a whole number; a longer one is no float, and Python may refuse to print it
_BOUNDS = {"at_least": operator.ge, "above": operator.gt, "at_most": operator.le, "below": operator.lt}


def config_field(
    default: Any,  # noqa: ANN401 - of any field type
    help: str,
    choices: tuple[str, ...] = (),
    metavar: str = "",
    *,
    convert: Callable[[Any], Any] | None = None,
    **bounds: float,
) -> Any:  # noqa: ANN401
    """Return a dataclass field of a `Config`.

    Args:
        default: its value when not given.
        help: its help text: one sentence or more; "Default: ..." last, where `default` does not show it.
        choices: the allowed values; () for any.
        metavar: the placeholder in the help text.
        convert: applied to a value other than None before it is checked, such as (224, 224) -> "224x224".
        bounds: of a number: at_least, above, at_most, below. NaN and infinity are always refused.
    """
    metadata = {"help": help, "choices": choices, "metavar": metavar, "bounds": bounds, "convert": convert}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Base of every config: values are converted and checked on construction.

    A Path becomes a str, a NumPy number a Python number, a list a tuple.

    Raises:
        InputError: for the first value of another type, outside its bounds or not among its choices.
    """

    def __post_init__(self) -> None:
        for field_ in fields(self):
            value = _convert(type(self), field_, getattr(self, field_.name))
            object.__setattr__(self, field_.name, value)
            _check(field_, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as config.json holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a config of `values`; InputError for an unknown key, with the nearest known key."""
        known = [field_.name for field_ in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name_error("config key", name, known)
        return cls(**values)


def _absolute(path: Any) -> Any:  # noqa: ANN401 - checked later
    """Return a path as it is found from any working directory."""
    return str(Path(path).absolute()) if isinstance(path, str | PathLike) else path


@dataclass(frozen=True, kw_only=True)
class TableConfig(Config):
    """Fields that say how a table of products is read; see `read_catalog`."""

    column: tuple[str, ...] = config_field(
        (), "Header of a column, such as article_type=Category; may be repeated.", metavar="NAME=HEADER"
    )
    delimiter: str | None = config_field(
        None, "Delimiter of a CSV file: a character, or comma, semicolon, tab, bar. Default: detected.", metavar="D"
    )
    allow_outside: bool = config_field(False, "Follow paths that lead out of the catalog's folder.")

    @property
    def table_options(self) -> dict[str, Any]:
        """The fields of this class, as `read_catalog` takes them."""
        return {"columns": self.column, "delimiter": self.delimiter, "allow_outside": self.allow_outside}


@dataclass(frozen=True, kw_only=True)
class SourceConfig(TableConfig):
    """Fields that say which catalog is read, and how."""

    data: str | None = config_field(
        None, "Catalog, or 'sample'. Default: data/ if it holds the Kaggle set, else the sample.", metavar="SOURCE"
    )
    images: str | None = config_field(None, "Folder of the images. Default: that of the table.", metavar="DIR")
    corrections: str | None = config_field(
        None, "File of reviewed labels, which replace those of the catalog.", metavar="FILE", convert=_absolute
    )
    group: str | None = config_field(
        None, "Images that also show one product. Default: those of one SKU or title.", ("near_duplicates",)
    )

    @property
    def source(self) -> dict[str, Any]:
        """The fields of this class alone."""
        return {field_.name: getattr(self, field_.name) for field_ in fields(SourceConfig)}


@dataclass(frozen=True, kw_only=True)
class LimitConfig(SourceConfig):
    """Fields of a command that can use a part of a catalog only; `read_source` draws it."""

    limit: int | None = config_field(
        None, "Approximate number of images to use, whole products, drawn at random. Default: all.", metavar="N",
        at_least=1,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DataConfig(SourceConfig):
    """Fields that every config of a command on a catalog shares."""

    seed: int = config_field(0, "Random seed.", metavar="N", at_least=0, at_most=2**32 - 1)
    out: str | None = config_field(None, "Output folder.", metavar="DIR")


def as_config(kind: type[ConfigType], config: ConfigType | Mapping[str, Any] | None) -> ConfigType:
    """Return `config` as a `kind`: itself, or made of a mapping; the default for None.

    Raises:
        InputError: for any other type, and as `Config.from_dict` does.
    """
    if not isinstance(config, kind | Mapping | None):
        raise InputError(f"expected a {kind.__name__} or a mapping of its fields, not {type(config).__name__}")
    return config if isinstance(config, kind) else kind.from_dict(config or {})


def field_type(kind: type, name: str) -> type:
    """Return the plain type of a field: str, int, float, bool or tuple."""
    hint = type_hints(kind)[name]
    hint = get_args(hint)[0] if isinstance(hint, UnionType) else hint
    return get_origin(hint) or hint


def is_optional(kind: type, name: str) -> bool:
    """Return whether a field may be None."""
    return isinstance(type_hints(kind)[name], UnionType)


def bounded_int(value: Integral, name: str) -> int:
    """Return a whole number as an int; InputError, which begins with `name`, for one that no float can hold."""
    number = int(value)
    if number.bit_length() > _MOST_BITS:
        raise InputError(f"{name}: a number of {number.bit_length()} bits")
    return number


def flag_name(name: str) -> str:
    """Return a field's name as it is written on the command line; "k" is -k."""
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


def _convert(kind: type, field_: Field, value: Any) -> Any:  # noqa: ANN401
    """Return a value as the plain type of its field, or raise InputError."""
    optional, plain_type = is_optional(kind, field_.name), field_type(kind, field_.name)
    if value is None and optional:
        return None
    if convert := field_.metadata.get("convert"):
        value = convert(value)
    if plain_type is str and isinstance(value, PathLike):
        value = fspath(value)
    elif plain_type in (int, float) and isinstance(value, Integral) and not isinstance(value, bool):
        value = bounded_int(value, flag_name(field_.name))
    elif plain_type is float and isinstance(value, Real) and not isinstance(value, bool):
        value = float(value)
    elif plain_type is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        value = tuple(fspath(part) if isinstance(part, PathLike) else part for part in value)
    if type(value) is not plain_type and not (plain_type is float and type(value) is int):
        expected = f"{'null or ' if optional else ''}of type {plain_type.__name__}"
        raise InputError(f"{field_.name} must be {expected}, not {value!r}")
    return value


def _check(field_: Field, value: Any) -> None:  # noqa: ANN401
    """Raise InputError for a value that is not among its field's choices, or outside its bounds."""
    choices, bounds = field_.metadata.get("choices"), field_.metadata.get("bounds", {})
    if choices and value is not None and value not in choices:
        raise unknown_name_error(flag_name(field_.name), value, choices)
    if type(value) not in (int, float):
        return
    if type(value) is int and "at_most" not in bounds and abs(value) > _LARGEST:
        raise InputError(f"{flag_name(field_.name)} must be a whole number of at most {_LARGEST}, not {value}")
    if not -inf < value < inf or not all(_BOUNDS[kind](value, bound) for kind, bound in bounds.items()):
        texts = [f"{kind.replace('_', ' ')} {bound}" for kind, bound in bounds.items()]
        expected = f"{'a whole number ' if type(value) is int else ''}{' and '.join(texts) or 'finite'}"
        raise InputError(f"{flag_name(field_.name)} must be {expected}, not {value}")
