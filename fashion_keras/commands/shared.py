"""What commands share: flags from the fields of `TrainConfig`, ways to print."""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, NoReturn, TypeAlias

from fashion_keras.support.errors import InputError
from fashion_keras.support.options import field_type, flag
from fashion_keras.training.config import TrainConfig

OPTIONS = tuple(option.name for option in fields(TrainConfig))

# What `add_subparsers` returns; argparse has no public name for it.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """Errors about arguments are one line, as all our errors are."""

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise InputError(f"{message} (see {self.prog} --help)")


def add_options(parser: argparse.ArgumentParser, names: Iterable[str], kind: type = TrainConfig) -> None:
    """Add a flag for each of these fields of a config."""
    for option in fields(kind):
        if option.name not in names:
            continue
        about = option.metadata["about"]
        if option.default is not None and option.default != "" and option.default is not False:
            about += f" (default: {option.default})"
        settings: dict[str, Any] = {"help": about, "default": argparse.SUPPRESS}
        if field_type(kind, option.name) is bool:
            parser.add_argument(flag(option.name), action="store_true", **settings)
            continue
        metavar = option.metadata["metavar"] or "|".join(option.metadata["choices"])
        if option.metadata["choices"] and option.metadata["metavar"]:
            settings["help"] = f"{about}: {', '.join(option.metadata['choices'])}"
        parser.add_argument(flag(option.name), type=field_type(kind, option.name), metavar=metavar, **settings)


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the values of `TrainConfig`'s fields that were given as flags."""
    return {name: value for name, value in vars(options).items() if name in OPTIONS}


def start_tensorflow() -> None:
    """Show the log, and import TensorFlow without its chatter."""
    from fashion_keras.support.progress import log_to_console
    from fashion_keras.support.quiet import import_tensorflow

    log_to_console()
    import_tensorflow()


def with_interval(test: dict[str, Any]) -> str:
    """Write an accuracy with its interval."""
    low, high = test["accuracy_ci95"]
    return f"{test['accuracy']:.3f} (95 % between {low:.3f} and {high:.3f})"


def print_folds(report: Mapping[str, Any]) -> None:
    """Print a line for each fold of a cross-validation, and their best and mean; nothing for a single run."""
    if "folds" not in report:
        return
    spreads = report["over_folds"]
    print(f"{'':20}{'products':>9}" + "".join(f"{name.replace('_', ' '):>20}" for name in spreads))
    for row in report["folds"]:
        scores = "".join(f"{row[name]:>20.3f}" for name in spreads)
        print(f"{row['folder']:20}{row['counts']['test']:>9}{scores}")
    titles = {"best": "best fold", "mean": "mean", "standard_deviation": "standard deviation, sample"}
    for name, title in titles.items():
        print(f"{title:29}" + "".join(f"{spread[name]:>20.3f}" for spread in spreads.values()))


def print_products(report: Mapping[str, Any]) -> None:
    """Print the accuracy per product where some are photographed several times."""
    found = report.get("per_product")
    if not found or not found["several_images"]["products"]:
        return
    for title, key in {"per product": "all", "  with several images": "several_images"}.items():
        scores = {name: score["accuracy"] for name, score in found[key].items() if isinstance(score, dict)}
        print(
            f"{title:22}{scores['cumulative_maximum']:.3f} by the maximum over its images, "
            f"{scores['mean_probability']:.3f} by the mean, {scores['per_image']:.3f} per image, "
            f"on {found[key]['products']} products"
        )
    if found["mixed"]["products"]:
        print(f"  set aside           {found['mixed']['products']} products whose images disagree in label")


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
