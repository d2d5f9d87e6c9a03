"""Commands `predict` and `explain`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.analysis.config import ExplainConfig, PredictConfig
from fashion_keras.commands.arguments import Commands, add_command, given_values, print_counts, print_json
from fashion_keras.commands.formatting import format_head_prediction
from fashion_keras.support.atomic_files import check_png_path
from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    from fashion_keras.analysis.grad_cam import ClassActivation


def add(commands: Commands) -> None:
    """Add the commands `predict` and `explain`."""
    predict = "Predict the classes of image files; of a folder or table, write the predictions as a CSV file."
    words = ("run", "images")
    add_command(commands, "predict", PredictConfig, _predict, "classify images with a run", predict, words)
    explain = "Draw Grad-CAM heat maps: which pixels raise the score of a class (Selvaraju et al. 2016)."
    add_command(commands, "explain", ExplainConfig, _explain, "draw Grad-CAM heat maps", explain, words)


def _predict(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.prediction_table import is_table_source
    from fashion_keras.models.serialization import load_classifier_spec

    config = PredictConfig(**given_values(options, PredictConfig))
    if is_table_source(config.images):
        _predict_table(config, options.json)
        return
    if config.out:
        raise InputError("--out is the CSV file for one folder or table of images; leave it out for image files")
    load_classifier_spec(config.run)
    readable, rejected = _split_readable(config.images)
    from fashion_keras.features.runtime import load_classifier

    predictions = load_classifier(config.run).predict(readable).to_dicts()
    rows = [{"image": path, **prediction} for path, prediction in zip(readable, predictions, strict=True)]
    if options.json:
        print_json({"predictions": rows, "rejected": rejected})
        return
    for row in rows:
        _print_prediction(row)
    _print_rejected(rejected, len(config.images))


def _predict_table(config: PredictConfig, as_json: bool) -> None:
    from fashion_keras.analysis.prediction_table import write_prediction_table

    summary = write_prediction_table(config)
    if as_json:
        print_json(summary)
        return
    for name in ("images", "predicted", "rejected"):
        print(f"{name:12}{summary[name]:>8}")
    print_counts(summary["reasons"])
    print(f"{'table':12}{summary['out']}")


def _print_prediction(row: Mapping[str, Any]) -> None:
    if "heads" not in row:
        print(row["image"], format_head_prediction(row), sep="  ")
        return
    print(row["image"])
    for name, prediction in row["heads"].items():
        print(f"  {name:20}{format_head_prediction(prediction)}")


def _explain(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.grad_cam import explain, plot_explanations
    from fashion_keras.models.serialization import load_classifier_spec

    config = ExplainConfig(**given_values(options, ExplainConfig))
    figure = config.out if config.out is not None else None if options.json else "explain.png"
    if figure is not None:
        check_png_path(Path(figure))
    load_classifier_spec(config.run)
    readable, rejected = _split_readable(config.images)
    explanations = explain(config.run, readable, config.label, config.head, config.stage)
    if figure is not None:
        plot_explanations(Path(figure), explanations, [Path(path).name for path in readable], config.run)
    rows = [
        {"image": path, "activations": [_activation(activation) for activation in explanation.activations]}
        for path, explanation in zip(readable, explanations, strict=True)
    ]
    if options.json:
        first = explanations[0]
        print_json({"head": first.head, "stage": first.stage, "explanations": rows, "rejected": rejected})
        return
    for row in rows:
        print(row["image"], *(_format_activation(activation) for activation in row["activations"]), sep="  ")
    _print_rejected(rejected, len(config.images))
    print(f"figure  {figure}")


def _activation(activation: "ClassActivation") -> dict[str, Any]:
    peak = dict(zip(("row", "column"), activation.peak, strict=True)) if activation.peak else None
    return {"class": activation.label, "probability": activation.probability, "peak": peak}


def _format_activation(activation: Mapping[str, Any]) -> str:
    return f"{activation['class']} {activation['probability']:.3f}" + ("" if activation["peak"] else " (no activation)")


def _split_readable(images: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Return the readable images, and the others with their reasons; InputError when none is readable."""
    from fashion_keras.images.validation import check_images

    reasons = check_images(images)
    readable = [path for path, reason in zip(images, reasons, strict=True) if not reason]
    rejected = [{"image": path, "reason": reason} for path, reason in zip(images, reasons, strict=True) if reason]
    if not readable:
        raise InputError(f"{rejected[0]['image']}: {rejected[0]['reason']}")
    return readable, rejected


def _print_rejected(rejected: Sequence[Mapping[str, str]], images: int) -> None:
    for row in rejected:
        print(f"rejected: {row['image']}: {row['reason']}", file=sys.stderr)
    if rejected:
        print(f"{len(rejected)} of {images} images rejected", file=sys.stderr)
