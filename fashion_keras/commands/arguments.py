"""Command-line arguments: flags from the fields of config dataclasses."""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import Field, fields
from typing import Any, NoReturn, TypeAlias

from fashion_keras.support.config_fields import Config, field_type, flag_name
from fashion_keras.support.errors import InputError, nearest_name

# What `add_subparsers` returns; argparse has no public name for it.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line with the nearest known name; flags must be written out.

    The namespace has `resumable`: the command, such as "fashion-keras train", where it has a flag --resume, else "".
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - those of argparse
        super().__init__(**{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        """Raise InputError, which `main` prints."""
        raise InputError(f"{message} (see {self.prog} --help)")

    def parse_known_args(  # noqa: D102 - as in argparse, but unknown arguments are an error of this very command
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flag = next((text for text in unknown if text.startswith("-")), "").partition("=")[0]
            self._refuse(f"unknown flag {flag!r}" if flag else f"surplus argument {unknown[0]!r}", flag, self._flags)
        if "--resume" in self._flags:
            namespace.resumable = self.prog
        namespace.resumable = getattr(namespace, "resumable", "")
        return namespace, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401
        if action.choices is not None and value not in action.choices:
            name = "command" if action.metavar == "COMMAND" else str(action.metavar or action.dest).lower()
            self._refuse(f"unknown {name} {value!r}", str(value), action.choices)

    def _refuse(self, message: str, value: str, known: Iterable[str]) -> NoReturn:
        nearest = nearest_name(value, known) if value else ""
        self.error(f"{message}; did you mean {nearest!r}?" if nearest else message)

    @property
    def _flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings]


def add_config_flags(
    parser: argparse.ArgumentParser,
    kind: type[Config],
    names: Iterable[str] | None = None,
    positional: Iterable[str] = (),
) -> None:
    """Add a flag for each field of a config class, or for those named; what is not given stays out of the namespace.

    The fields in `positional` become positional arguments, tuples with one or more values.
    """
    chosen = None if names is None else set(names)
    for field in fields(kind):
        if chosen is not None and field.name not in chosen:
            continue
        settings = _flag_settings(field, field_type(kind, field.name))
        if field.name in positional:
            del settings["default"]
            settings |= {"nargs": "+", "action": "store"} if settings.get("action") == "append" else {}
        parser.add_argument(field.name if field.name in positional else flag_name(field.name), **settings)


def add_command(
    commands: Commands,
    name: str,
    kind: type[Config],
    command: Callable[[argparse.Namespace], None],
    summary: str,
    description: str,
    positional: Iterable[str] = (),
) -> Parser:
    """Add a command with the flags of a config class and --json; `command` carries it out."""
    parser = commands.add_parser(name, help=summary, description=description)
    add_config_flags(parser, kind, positional=positional)
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.set_defaults(command=command)
    return parser


def _flag_settings(field: Field, plain_type: type) -> dict[str, Any]:
    """Return the arguments of `add_argument` for a config field."""
    text, choices, metavar = (field.metadata[key] for key in ("help", "choices", "metavar"))
    if choices and metavar:
        text = f"{text.removesuffix('.')}: {', '.join(choices)}."
    if field.default not in (None, "", False, True, ()):
        text += f" (default: {field.default})"
    settings: dict[str, Any] = {"help": text.replace("%", "%%"), "default": argparse.SUPPRESS}
    if plain_type is bool:
        return settings | {"action": argparse.BooleanOptionalAction if field.default else "store_true"}
    settings |= {"type": str if plain_type is tuple else plain_type, "metavar": metavar or "|".join(choices)}
    return settings | ({"action": "append"} if plain_type is tuple else {})


def given_values(options: argparse.Namespace, kind: type[Config]) -> dict[str, Any]:
    """Return the fields of a config class that were given as flags."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in vars(options).items() if name in names}


def start_tensorflow() -> None:
    """Show the log, and import TensorFlow without its messages."""
    from fashion_keras.support.progress import log_to_console
    from fashion_keras.support.tensorflow_import import import_tensorflow

    log_to_console()
    import_tensorflow()


def print_counts(counts: dict[str, int], most: int = 8) -> None:
    """Print the first `most` counts, and the sum of the others."""
    for name, count in list(counts.items())[:most]:
        print(f"  {count:>8}  {name}")
    if len(counts) > most:
        print(f"  {sum(list(counts.values())[most:]):>8}  in {len(counts) - most} more")


def print_scores(scores: dict[str, dict[str, Any]]) -> None:
    """Print each score with its interval and how many queries have none."""
    for name, score in scores.items():
        if score["value"] is None:
            print(f"{name:40}    -  (no query has one)")
        else:
            low, high = score["ci95"]
            print(f"{name:40}{score['value']:>6.3f} ({low:.3f}-{high:.3f}) over {score['queries']} queries")


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))
