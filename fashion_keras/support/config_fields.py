"""Config dataclasses: each field is a command-line flag, a JSON key, a line of help and a check."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from os import PathLike, fspath
from types import UnionType
from typing import Any, Self, TypeVar, get_args, get_origin, get_type_hints

from fashion_keras.support.errors import InputError, unknown_name_error

ConfigType = TypeVar("ConfigType", bound="Config")
MAX_SEED = 2**32 - 1


def config_field(
    default: Any,  # noqa: ANN401 - of any field type
    help: str,
    choices: tuple[str, ...] = (),
    metavar: str = "",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Any:  # noqa: ANN401
    """Return a dataclass field of a `Config`.

    Args:
        default: its value when not given.
        help: its help text: one sentence or more; "Default: ..." last, where `default` does not show it.
        choices: the allowed values; () for any.
        metavar: the placeholder in the help text.
        at_least, at_most, above, below: bounds of a number; None for no bound. NaN and infinity are always refused.
        convert: applied to a value other than None before it is checked, such as (224, 224) -> "224x224".
    """
    bounds = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
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
            value = _convert(type(self), field_.name, getattr(self, field_.name), field_.metadata.get("convert"))
            object.__setattr__(self, field_.name, value)
            _check(field_.name, value, field_.metadata)

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


@dataclass(frozen=True, kw_only=True)
class DataConfig(Config):
    """Fields that every config of a command on a catalog shares."""

    data: str | None = config_field(
        None, "Catalog, or 'sample'. Default: data/ if it holds the Kaggle set, else the sample.", metavar="SOURCE"
    )
    seed: int = config_field(0, "Random seed.", metavar="N", at_least=0, at_most=MAX_SEED)
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
    hint = get_type_hints(kind)[name]
    hint = get_args(hint)[0] if isinstance(hint, UnionType) else hint
    return get_origin(hint) or hint


def is_optional(kind: type, name: str) -> bool:
    """Return whether a field may be None."""
    return isinstance(get_type_hints(kind)[name], UnionType)


def flag_name(name: str) -> str:
    """Return a field's name as it is written on the command line; "k" is -k."""
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


def _convert(kind: type, name: str, value: Any, convert: Callable[[Any], Any] | None) -> Any:  # noqa: ANN401
    optional, plain_type = is_optional(kind, name), field_type(kind, name)
    if value is None and optional:
        return None
    if convert:
        value = convert(value)
    if plain_type is str and isinstance(value, PathLike):
        value = fspath(value)
    elif plain_type is int and isinstance(value, Integral) and not isinstance(value, bool):
        value = int(value)
    elif plain_type is float and isinstance(value, Real) and not isinstance(value, bool):
        value = float(value) if not isinstance(value, int) else value
    elif plain_type is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        value = tuple(fspath(part) if isinstance(part, PathLike) else part for part in value)
    has_type = type(value) is plain_type or (plain_type is float and type(value) is int)
    if not has_type:
        raise InputError(f"{name} must be {'null or ' if optional else ''}of type {plain_type.__name__}, not {value!r}")
    return value


def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:  # noqa: ANN401
    choices = metadata.get("choices") or ()
    if choices and value is not None and value not in choices:
        raise unknown_name_error(flag_name(name), value, choices)
    if type(value) not in (int, float):
        return
    tests = {
        "at_least": lambda bound: value >= bound,
        "at_most": lambda bound: value <= bound,
        "above": lambda bound: value > bound,
        "below": lambda bound: value < bound,
    }
    bounds = {kind: bound for kind, bound in metadata.get("bounds", {}).items() if bound is not None}
    if not -float("inf") < value < float("inf") or not all(tests[kind](bound) for kind, bound in bounds.items()):
        raise InputError(f"{flag_name(name)} must be {_range(value, bounds)}, not {value}")


def _range(value: float, bounds: Mapping[str, float]) -> str:
    texts = [f"{kind.replace('_', ' ')} {bound}" for kind, bound in bounds.items()]
    return f"{'a whole number ' if type(value) is int else ''}{' and '.join(texts) or 'finite'}"
