"""Commands that use a run: `evaluate`, `predict` and `explain`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fashion_keras
from fashion_keras.analysis.config import EvaluateConfig, ExplainConfig, PredictConfig
from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.commands.formatting import print_counts, print_heads, print_products, with_interval
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.atomic_files import check_png_path
from fashion_keras.support.errors import InputError


def add(commands: Commands) -> None:
    """Add the commands `evaluate`, `predict` and `explain`."""
    text = "Score a run on its own test products, or on products of any catalog that it was not trained on."
    add_command(
        commands, "evaluate", EvaluateConfig, lambda config: fashion_keras.evaluate(config).to_dict(),
        _print_evaluation, "score a run on a catalog", text, ("run",),
    )  # fmt: skip
    text = "Predict the classes of image files; of a folder or table, write the predictions as a CSV file."
    words = ("run", "images")
    add_command(
        commands, "predict", PredictConfig, _predict, _print_predictions, "classify images with a run", text, words
    )
    text = "Draw Grad-CAM heat maps: which pixels raise the score of a class (Selvaraju et al. 2016)."
    add_command(
        commands, "explain", ExplainConfig, _explain, _print_explanations, "draw Grad-CAM heat maps", text, words,
        figure="explain.png",
    )  # fmt: skip


def _print_evaluation(report: Report, _: EvaluateConfig) -> None:
    products = f"{report['counts']['test']} products ({report['part']})"
    if report["trained_on_left_out"]:
        products += f"; {report['trained_on_left_out']} that the run was trained on are left out"
    if report["test_products_missing"] and report["part"] == "test":
        products += f"; {report['test_products_missing']} of its test products are not in the catalog"
    print(f"accuracy  {with_interval(report['test'])} on {products}")
    print(f"catalog   {report['catalog']}")
    for name in ("top_3", "macro_f1", "micro_average_precision", "ece"):
        if report["test"].get(name) is not None:
            print(f"{name:24}{report['test'][name]:.3f}")
    print_products(report)
    print_heads(report)
    if "hierarchy" in report:
        _print_hierarchy(report["hierarchy"])
    if report["reasons"]:
        print("rejected:")
        print_counts(report["reasons"])


def _print_hierarchy(hierarchy: Report) -> None:
    share = hierarchy["contradictions"]
    contradictions = "" if share is None else f"; separate predictions contradict each other on {share:.1%}"
    print(f"article types and the categories above them{contradictions}")
    for name, level in hierarchy["accuracy"].items():
        scores = "".join(f"  {kind} {level[kind]:.3f}" for kind in ("separate", "joint") if level[kind] is not None)
        print(f"  {name:20}accuracy{scores}  on {level['rows']} products")


def _predict(config: PredictConfig) -> Report:
    from fashion_keras.analysis.prediction_table import is_table_source, load_predictor, write_prediction_table

    if is_table_source(config.images):
        return write_prediction_table(config)
    if config.out:
        raise InputError("--out is the CSV file for one folder or table of images; leave it out for image files")
    if config.labels is None:
        load_classifier_spec(config.run)
    readable, rejected = _split_readable(config.images)
    predictions = load_predictor(config).predict(readable).to_dicts()
    rows = [{"image": path, **prediction} for path, prediction in zip(readable, predictions, strict=True)]
    return {"predictions": rows, "rejected": rejected}


def _print_predictions(report: Report, config: PredictConfig) -> None:
    if "predictions" not in report:
        for name in ("images", "predicted", "rejected"):
            print(f"{name:12}{report[name]:>8}")
        print_counts(report["reasons"])
        print(f"{'table':12}{report['out']}")
        return
    for row in report["predictions"]:
        if "heads" not in row:
            print(row["image"], _format_prediction(row), sep="  ")
            continue
        print(row["image"])
        for name, prediction in row["heads"].items():
            print(f"  {name:20}{_format_prediction(prediction)}")
    _print_rejected(report["rejected"], len(config.images))


def _format_prediction(prediction: Mapping[str, Any]) -> str:
    """Return the prediction of one head as text: its best classes, or its labels."""
    labels = prediction["top"] if "top" in prediction else prediction["labels"]
    return "  ".join(f"{label['class']} {label['probability']:.3f}" for label in labels) or "-"


def _explain(config: ExplainConfig) -> Report:
    from fashion_keras.analysis.grad_cam import explain, plot_explanations

    if config.out is not None:
        check_png_path(Path(config.out))
    load_classifier_spec(config.run)
    readable, rejected = _split_readable(config.images)
    explanations = explain(config.run, readable, config.label, config.head, config.stage)
    if config.out is not None:
        plot_explanations(Path(config.out), explanations, [Path(path).name for path in readable], config.run)
    rows = [
        {
            "image": path,
            "activations": [
                {
                    "class": activation.label,
                    "probability": activation.probability,
                    "peak": dict(zip(("row", "column"), activation.peak, strict=True)) if activation.peak else None,
                }
                for activation in explanation.activations
            ],
        }
        for path, explanation in zip(readable, explanations, strict=True)
    ]
    first = explanations[0]
    return {"head": first.head, "stage": first.stage, "explanations": rows, "rejected": rejected}


def _print_explanations(report: Report, config: ExplainConfig) -> None:
    for row in report["explanations"]:
        classes = (
            f"{entry['class']} {entry['probability']:.3f}{'' if entry['peak'] else ' (no activation)'}"
            for entry in row["activations"]
        )
        print(row["image"], *classes, sep="  ")
    _print_rejected(report["rejected"], len(config.images))
    print(f"figure  {config.out}")


def _split_readable(images: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Return the readable images, and the others with their reasons; InputError when none is readable."""
    from fashion_keras.images.validation import check_images

    reasons = dict(zip(images, check_images(images), strict=True))
    readable = [path for path in images if not reasons[path]]
    rejected = [{"image": path, "reason": reasons[path]} for path in images if reasons[path]]
    if not readable:
        raise InputError(f"{rejected[0]['image']}: {rejected[0]['reason']}")
    return readable, rejected


def _print_rejected(rejected: Sequence[Mapping[str, str]], images: int) -> None:
    for row in rejected:
        print(f"rejected: {row['image']}: {row['reason']}", file=sys.stderr)
    if rejected:
        print(f"{len(rejected)} of {images} images rejected", file=sys.stderr)
