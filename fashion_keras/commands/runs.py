"""evaluate, predict."""

import argparse
import sys
from pathlib import Path
from typing import Any

from fashion_keras.commands.heads import print_heads, print_hierarchy, written
from fashion_keras.commands.shared import Commands, print_counts, print_json, with_interval
from fashion_keras.support.errors import InputError


def add(commands: Commands) -> None:
    """Add evaluate and predict."""
    _add_evaluate(commands.add_parser("evaluate", help="score a run on a catalogue"))
    _add_predict(commands.add_parser("predict", help="classify images with a run"))


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
        print_json(report)
        return
    print(f"accuracy  {with_interval(report['test'])} on {report['counts']['test']} products ({report['part']})")
    print(f"catalogue {report['catalog']}")
    for name in ("top_3", "macro_f1", "micro_average_precision", "ece"):
        if report["test"][name] is not None:
            print(f"{name:24}{report['test'][name]:.3f}")
    print_heads(report)
    print_hierarchy(report)
    if report["ids_in_training"]:
        print(f"{report['ids_in_training']} of them have ids that the run was trained on")
    if report["reasons"]:
        print("set aside:")
        print_counts(report["reasons"])


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
    answers = classifier.predict(good).answers()
    rows = [{"image": str(path), **answer} for path, answer in zip(good, answers, strict=True)]
    if options.json:
        print_json({"predictions": rows, "rejected": bad})
        return
    for row in rows:
        _print_row(row)
    for row in bad:
        print(f"set aside: {row['image']}: {row['reason']}", file=sys.stderr)


def _print_row(row: dict[str, Any]) -> None:
    if "heads" not in row:
        print(row["image"], written(row), sep="  ")
        return
    print(row["image"])
    for name, answer in row["heads"].items():
        print(f"  {name:20}{written(answer)}")
