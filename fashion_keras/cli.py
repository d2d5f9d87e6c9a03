"""The commands of `fashion-keras`. Flags come from config fields; heavy libraries wait until a command needs them."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from fashion_keras import __doc__ as about
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import read_json
from fashion_keras.training.config import RECIPES, TrainConfig, field_type, get_recipe


class _Parser(argparse.ArgumentParser):
    """Errors about arguments are one line, as all our errors are."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong input or call, 130 interrupted."""
    try:
        options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
        options.command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; a training run goes on with --resume and its run folder", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _parser() -> _Parser:
    parser = _Parser(prog="fashion-keras", description=about)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_train(commands.add_parser("train", help="train a classifier", description="Train and judge a classifier."))
    _add_data(commands.add_parser("data", help="describe, download or draw a catalogue"))
    _add_evaluate(commands.add_parser("evaluate", help="score a run on a catalogue"))
    _add_predict(commands.add_parser("predict", help="classify images with a run"))
    _add_features(commands.add_parser("features", help="show or clear the cached vectors"))
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    for option in fields(TrainConfig):
        flag = f"--{option.name.replace('_', '-')}"
        about = option.metadata["about"]
        if option.default is not None and option.default != "" and option.default is not False:
            about += f" (default: {option.default})"
        settings: dict[str, Any] = {"help": about, "default": argparse.SUPPRESS}
        if field_type(option.name) is bool:
            parser.add_argument(flag, action="store_true", **settings)
            continue
        metavar = option.metadata["metavar"] or "|".join(option.metadata["choices"])
        if option.metadata["choices"] and option.metadata["metavar"]:
            settings["help"] = f"{about}: {', '.join(option.metadata['choices'])}"
        parser.add_argument(flag, type=field_type(option.name), metavar=metavar, **settings)
    recipes = ", ".join(recipe.name for recipe in RECIPES)
    parser.add_argument("--recipe", metavar="NAME", help=f"a paper's settings, flags win over them: {recipes}")
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings as JSON, flags win over them")
    parser.add_argument("--resume", metavar="DIR", type=Path, help="go on with an interrupted run; takes no other flag")
    parser.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> None:
    names = [option.name for option in fields(TrainConfig)]
    flags = {name: value for name, value in vars(options).items() if name in names}
    if options.resume and (flags or options.recipe or options.config):
        raise InputError("--resume takes no other flag: the run goes on with its own config.json")
    values = dict(get_recipe(options.recipe).values) if options.recipe else {}
    values |= read_json(options.config) if options.config else {}
    config = TrainConfig.from_dict(values | flags)
    from fashion_keras.support.progress import log_to_console
    from fashion_keras.support.quiet import import_tensorflow

    log_to_console()
    import_tensorflow()
    from fashion_keras.training.run import resume, train

    run = resume(options.resume) if options.resume else train(config)
    test = run.report["test"]
    print(f"run folder  {run.folder}")
    print(f"accuracy    {_with_interval(test)} on {run.report['counts']['test']} test products")


def _add_data(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=_Parser)
    describe = actions.add_parser("describe", help="count and draw what a catalogue holds")
    describe.add_argument("data", metavar="DIR", help="a catalogue, or 'sample'")
    describe.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("runs/describe"), help="folder of the figures"
    )
    describe.add_argument("--json", action="store_true", help="print one JSON object")
    describe.set_defaults(command=_describe)
    download = actions.add_parser("download", help="get the Kaggle set into data/")
    download.add_argument("--large", action="store_true", help="the full-size pictures, 25 GB")
    download.set_defaults(command=_download)
    sample = actions.add_parser("sample", help="draw the sample catalogue and print its folder")
    sample.set_defaults(command=_sample)


def _describe(options: argparse.Namespace) -> None:
    from fashion_keras.catalog.products import read_catalog
    from fashion_keras.catalog.sources import locate
    from fashion_keras.evaluation.describe import describe

    description = describe(read_catalog(locate(options.data)[0]), options.out)
    if options.json:
        _print_json(description)
        return
    for name in ("inputs", "products", "rejected", "repaired", "shared_titles"):
        print(f"{name.replace('_', ' '):16}{description[name]:>8}")
    for name in ("reasons", "missing", "sizes"):
        print(f"{name}:")
        _print_counts(description[name])
    for task, classes in description["tasks"].items():
        print(f"{task}: {len(classes)} classes")
        _print_counts(classes)
    print(f"figures in {options.out}")


def _print_counts(counts: dict[str, int], most: int = 8) -> None:
    for name, count in list(counts.items())[:most]:
        print(f"  {count:>8}  {name}")
    if len(counts) > most:
        print(f"  {sum(list(counts.values())[most:]):>8}  in {len(counts) - most} more")


def _download(options: argparse.Namespace) -> None:
    from fashion_keras.catalog.products import read_catalog
    from fashion_keras.catalog.sources import download

    folder = download(options.large)
    catalog = read_catalog(folder)
    print(f"{folder}: {len(catalog)} products, {len(catalog.rejected)} rows and files set aside")


def _sample(_: argparse.Namespace) -> None:
    from fashion_keras.catalog.sources import SAMPLE, locate

    print(locate(SAMPLE)[0])


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="a finished run folder")
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument(
        "--part", default="auto", metavar="auto|test|all", help="which products to judge by (default: auto)"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="also write report, predictions and figures there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from fashion_keras.evaluation.evaluate import evaluate

    report = evaluate(options.run, options.data, options.part, options.out)
    if options.json:
        _print_json(report)
        return
    print(f"accuracy  {_with_interval(report['test'])} on {report['counts']['test']} products ({report['part']})")
    print(f"catalogue {report['catalog']}")
    for name in ("top_3", "macro_f1", "micro_average_precision", "ece"):
        print(f"{name:24}{report['test'][name]:.3f}")
    if report["ids_in_training"]:
        print(f"{report['ids_in_training']} of them have ids that the run was trained on")
    if report["reasons"]:
        print("set aside:")
        _print_counts(report["reasons"])


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="a finished run folder")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="JPEG, PNG or WebP files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_predict)


def _predict(options: argparse.Namespace) -> None:
    from fashion_keras.images.decode import check_images

    reasons = dict(zip(options.images, check_images(options.images), strict=True))
    good = [path for path, reason in reasons.items() if not reason]
    bad = [{"image": str(path), "reason": reason} for path, reason in reasons.items() if reason]
    from fashion_keras.encoding.runtime import load_classifier

    classifier = load_classifier(options.run)
    if not good:
        raise InputError(f"{bad[0]['image']}: {bad[0]['reason']}")
    rows = [_row(path, *said) for path, said in zip(good, classifier.predict(good).top(3), strict=True)]
    if options.json:
        _print_json({"predictions": rows, "rejected": bad})
        return
    for row in rows:
        print(row["image"], *(f"{one['class']} {one['probability']:.3f}" for one in row["top"]), sep="  ")
    for row in bad:
        print(f"set aside: {row['image']}: {row['reason']}", file=sys.stderr)


def _add_features(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=_Parser)
    actions.add_parser("ls", help="list what is cached").set_defaults(command=_list_features)
    actions.add_parser("rm", help="remove all of it").set_defaults(command=_remove_features)


def _list_features(_: argparse.Namespace) -> None:
    from fashion_keras.encoding.vectors import stored

    for entry in stored():
        size = f"{entry['image']['height']}x{entry['image']['width']}"
        made = f"{entry['network']} {size} {entry['runtime']} {entry['precision']}"
        print(f"{entry['vectors']:>8} vectors {entry['bytes'] / 2**20:>8.1f} MB  {made}  {entry['view']}")


def _remove_features(_: argparse.Namespace) -> None:
    from fashion_keras.encoding.vectors import clear

    print(f"{clear() / 2**20:.1f} MB freed")


def _row(path: Path, *said: tuple[str, float]) -> dict[str, Any]:
    top = [{"class": name, "probability": probability} for name, probability in said]
    return {"image": str(path), "class": top[0]["class"], "confidence": top[0]["probability"], "top": top}


def _with_interval(test: dict[str, Any]) -> str:
    low, high = test["accuracy_ci95"]
    return f"{test['accuracy']:.3f} (95 % between {low:.3f} and {high:.3f})"


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))
