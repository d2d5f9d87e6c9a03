"""Command-line arguments: commands whose flags are the fields of config dataclasses."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from fashion_keras.support.atomic_files import finite_json
from fashion_keras.support.config_fields import Config, field_type, flag_name, is_optional
from fashion_keras.support.errors import InputError, nearest_name
from fashion_keras.support.progress import LOG, log_as_program

# What `add_subparsers` returns; argparse has no public name for it.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
# JSON object that a command returns, prints by --json, and otherwise shows as text.
Report = dict[str, Any]


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line with the nearest known name; flags must be written out."""

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
            known = [name for action in self._actions for name in action.option_strings]
            self._refuse(f"unknown flag {flag!r}" if flag else f"surplus argument {unknown[0]!r}", flag, known)
        return namespace, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401
        if action.choices is not None and value not in action.choices:
            name = "command" if action.metavar == "COMMAND" else str(action.metavar or action.dest).lower()
            self._refuse(f"unknown {name} {value!r}", str(value), action.choices)

    def _refuse(self, message: str, value: str, known: Iterable[str]) -> NoReturn:
        nearest = nearest_name(value, known) if value else ""
        self.error(f"{message}; did you mean {nearest!r}?" if nearest else message)


def add_config_flags(parser: argparse.ArgumentParser, kind: type[Config], positional: Sequence[str] = ()) -> None:
    """Add a flag for each field of a config class; what is not given stays out of the namespace.

    The fields in `positional` become positional arguments, tuples with one or more values.
    """
    for field in fields(kind):
        plain_type, is_positional = field_type(kind, field.name), field.name in positional
        text, choices, metavar = (field.metadata[key] for key in ("help", "choices", "metavar"))
        if choices and metavar:
            text = f"{text.removesuffix('.')}: {', '.join(choices)}."
        if field.default not in (None, "", False, ()) and not is_positional:
            text += f" (default: {field.default})"
        settings: dict[str, Any] = {"help": text.replace("%", "%%")}
        if plain_type is bool:
            settings["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
        else:
            settings |= {"type": str if plain_type is tuple else plain_type, "metavar": metavar or "|".join(choices)}
        if plain_type is tuple:
            settings |= {"nargs": "+"} if is_positional else {"action": "append"}
        if is_positional:
            optional = {"nargs": "?", "default": argparse.SUPPRESS} if is_optional(kind, field.name) else {}
            parser.add_argument(field.name, **settings, **optional)
        else:
            parser.add_argument(flag_name(field.name), default=argparse.SUPPRESS, **settings)


def add_command(
    commands: Commands,
    name: str,
    kind: type[Config],
    run: Callable[[Any], Report],
    show: Callable[[Report, Any], None],
    summary: str,
    description: str,
    positional: Sequence[str] = (),
    figure: str | None = None,
    has_json: bool = True,
    draw: Callable[[Report, Any], bool] | None = None,
    exit_code: Callable[[Report], int] | None = None,
) -> None:
    """Add a command with the flags of a config class and, if `has_json`, --json.

    Args:
        run: config -> report, the JSON object that --json prints.
        show: (report, config); prints the report as text.
        figure: `out` of the config where neither --out nor --json is given, and the working folder can be written.
        draw: (report, config); draws into `out`, where that is not None, once the report is printed, and returns
            whether there was anything to draw.
        exit_code: report -> exit code of the command, called last. Default: 0.
    """

    def command(options: argparse.Namespace) -> int:
        as_json = has_json and options.json
        values = given_values(options, kind)
        log_as_program()
        if figure and not as_json and "out" not in values:
            values |= _default_figure(figure)
        config = kind(**values)
        report = run(config)
        if as_json:
            print(json.dumps(finite_json(report), ensure_ascii=False, allow_nan=False))
        else:
            show(report, config)
        if draw and config.out is not None:
            sys.stdout.flush()
            if draw(report, config) and not as_json:
                print(f"contact sheet  {config.out}")
        return exit_code(report) if exit_code else 0

    parser = commands.add_parser(name, help=summary, description=description)
    add_config_flags(parser, kind, positional)
    if has_json:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.set_defaults(command=command)


def _default_figure(figure: str) -> dict[str, str]:
    """Return `out` of a figure in the working folder; nothing, with a warning, where that cannot be written."""
    if os.access(Path(), os.W_OK):
        return {"out": figure}
    LOG.warning("no %s: this folder cannot be written; --out names another file", figure)
    return {}


def given_values(options: argparse.Namespace, kind: type[Config]) -> dict[str, Any]:
    """Return the fields of a config class that were given as flags."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in vars(options).items() if name in names}
