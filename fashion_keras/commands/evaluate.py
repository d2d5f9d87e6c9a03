"""evaluate, predict, explain."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.commands.arguments import Commands, print_counts, print_json, print_products, with_interval
from fashion_keras.commands.formatting import format_head_prediction, print_heads, print_hierarchy
from fashion_keras.support.atomic_files import check_png_path
from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    from fashion_keras.analysis.grad_cam import ClassActivation


def add(commands: Commands) -> None:
    """Add evaluate, predict and explain."""
    _add_evaluate(commands.add_parser("evaluate", help="score a run on a catalogue"))
    _add_predict(commands.add_parser("predict", help="classify images with a run"))
    about = "Draw where in each image a run sees its class: Grad-CAM (Selvaraju et al. 2016)."
    _add_explain(commands.add_parser("explain", help="show where in an image a run sees a class", description=about))


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
    from fashion_keras.analysis.run_evaluation import evaluate

    report = evaluate(options.run, options.data, options.part, options.out)
    if options.json:
        print_json(report)
        return
    print(f"accuracy  {with_interval(report['test'])} on {report['counts']['test']} products ({report['part']})")
    print(f"catalogue {report['catalog']}")
    for name in ("top_3", "macro_f1", "micro_average_precision", "ece"):
        if report["test"][name] is not None:
            print(f"{name:24}{report['test'][name]:.3f}")
    print_products(report)
    print_heads(report)
    print_hierarchy(report)
    if report["ids_in_training"]:
        print(f"{report['ids_in_training']} of them have ids that the run was trained on")
    if report["reasons"]:
        print("set aside:")
        print_counts(report["reasons"])


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_images(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_predict)


def _predict(options: argparse.Namespace) -> None:
    from fashion_keras.features.runtime import load_classifier

    classifier = load_classifier(options.run)
    good, bad = _usable(options.images)
    answers = classifier.predict(good).answers()
    rows = [{"image": str(path), **answer} for path, answer in zip(good, answers, strict=True)]
    if options.json:
        print_json({"predictions": rows, "rejected": bad})
        return
    for row in rows:
        _print_row(row)
    _print_rejected(bad)


def _print_row(row: dict[str, Any]) -> None:
    if "heads" not in row:
        print(row["image"], format_head_prediction(row), sep="  ")
        return
    print(row["image"])
    for name, answer in row["heads"].items():
        print(f"  {name:20}{format_head_prediction(answer)}")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    _add_images(parser)
    parser.add_argument("--label", default="", metavar="NAME", help="a class to explain beside the most probable one")
    parser.add_argument("--head", default="", metavar="NAME", help="of a run with several heads")
    parser.add_argument(
        "--stage", default="", help="of the backbone (default: the last one with maps of at least 7x7 places)"
    )
    parser.add_argument("--out", type=Path, metavar="PNG", help="figure (default: explain.png; none with --json)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.grad_cam import explain, plot_explanations

    figure = options.out or (None if options.json else Path("explain.png"))
    if figure:
        check_png_path(figure)
    good, bad = _usable(options.images)
    said = explain(options.run, good, options.label, options.head, options.stage)
    if figure:
        plot_explanations(figure, said, [path.name for path in good])
    rows = [{"image": str(path), "seen": [_seen(one) for one in of.seen]} for path, of in zip(good, said, strict=True)]
    if options.json:
        print_json({"head": said[0].head, "stage": said[0].stage, "explanations": rows, "rejected": bad})
        return
    for row in rows:
        print(row["image"], *(_line(one) for one in row["seen"]), sep="  ")
    _print_rejected(bad)
    print(f"figure  {figure}")


def _seen(one: "ClassActivation") -> dict[str, Any]:
    hottest = dict(zip(("row", "column"), one.peak, strict=True)) if one.peak else None
    return {"class": one.label, "probability": one.probability, "hottest": hottest}


def _line(one: dict[str, Any]) -> str:
    return f"{one['class']} {one['probability']:.3f}" + ("" if one["hottest"] else " (nothing speaks for it)")


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="a finished run folder")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="JPEG, PNG or WebP files")


def _usable(images: list[Path]) -> tuple[list[Path], list[dict[str, str]]]:
    """Return the images that can be used, and the others with their reasons; InputError when there is none to use."""
    from fashion_keras.images.validation import check_images

    reasons = dict(zip(images, check_images(images), strict=True))
    good = [path for path, reason in reasons.items() if not reason]
    bad = [{"image": str(path), "reason": reason} for path, reason in reasons.items() if reason]
    if not good:
        raise InputError(f"{bad[0]['image']}: {bad[0]['reason']}")
    return good, bad


def _print_rejected(bad: list[dict[str, str]]) -> None:
    for row in bad:
        print(f"set aside: {row['image']}: {row['reason']}", file=sys.stderr)
