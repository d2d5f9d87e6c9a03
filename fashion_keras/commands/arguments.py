"""Command-line arguments: flags from the fields of config dataclasses."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, NoReturn, TypeAlias

from fashion_keras.support.config_fields import Config, field_type, flag_name
from fashion_keras.support.errors import InputError

# What `add_subparsers` returns; argparse has no public name for it.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """Errors about arguments are one line, as all our errors are."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise InputError(f"{message} (see {self.prog} --help)")


def add_config_flags(
    parser: argparse.ArgumentParser,
    kind: type[Config],
    names: Iterable[str] | None = None,
    positional: Iterable[str] = (),
) -> None:
    """Add a flag for each field of a config class, or for those named; what is not given stays out of the namespace.

    The fields in `positional` become positional arguments, tuples with one or more values.
    """
    chosen = {option.name for option in fields(kind)} if names is None else set(names)
    for option in fields(kind):
        if option.name not in chosen:
            continue
        about, choices, metavar = (option.metadata[key] for key in ("about", "choices", "metavar"))
        if choices and metavar:
            about += f": {', '.join(choices)}"
        if option.default not in (None, "", False, ()):
            about += f" (default: {option.default})"
        settings: dict[str, Any] = {"help": about.replace("%", "%%"), "default": argparse.SUPPRESS}
        plain = field_type(kind, option.name)
        if plain is bool:
            settings["action"] = "store_true"
        else:
            settings |= {"type": str if plain is tuple else plain, "metavar": metavar or "|".join(choices)}
        if plain is tuple:
            settings["action"] = "append"
        if option.name in positional:
            del settings["default"]
            settings |= {"nargs": "+", "action": "store"} if plain is tuple else {}
        parser.add_argument(option.name if option.name in positional else flag_name(option.name), **settings)


def given_values(options: argparse.Namespace, kind: type[Config]) -> dict[str, Any]:
    """Return the fields of a config class that were given as flags."""
    names = {option.name for option in fields(kind)}
    return {name: value for name, value in vars(options).items() if name in names}


def start_tensorflow() -> None:
    """Show the log, and import TensorFlow without its chatter."""
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
