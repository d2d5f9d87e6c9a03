"""Printed lines of a classifier's report and predictions."""

from collections.abc import Mapping
from typing import Any

from fashion_keras.evaluation.reports.report import Report, Scores


def with_interval(test: Mapping[str, Any]) -> str:
    """Return an accuracy with its interval as text."""
    low, high = test["accuracy_ci95"]
    return f"{test['accuracy']:.3f} (95 % between {low:.3f} and {high:.3f})"


def print_folds(report: Report) -> None:
    """Print a line for each fold of a cross-validation, and their best and mean; nothing for a single run."""
    if not report.folds:
        return
    names = list(report.over_folds)
    print(f"{'':20}{'products':>9}" + "".join(f"{name.replace('_', ' '):>20}" for name in names))
    for row in report.folds:
        scores = "".join(f"{row[name]:>20.3f}" for name in names)
        print(f"{row['folder']:20}{row['counts']['test']:>9}{scores}")
    titles = {"best": "best fold", "mean": "mean", "standard_deviation": "standard deviation, sample"}
    for name, title in titles.items():
        print(f"{title:29}" + "".join(f"{score[name]:>20.3f}" for score in report.over_folds.values()))


def print_products(report: Scores) -> None:
    """Print the accuracy per product where some have several images."""
    scores = report.per_product
    if not scores or not scores["several_images"]["products"]:
        return
    for title, key in {"per product": "all", "  with several images": "several_images"}.items():
        rules = {name: score["accuracy"] for name, score in scores[key].items() if isinstance(score, dict)}
        print(
            f"{title:22}{rules['cumulative_maximum']:.3f} by the maximum over its images, "
            f"{rules['mean_probability']:.3f} by the mean, {rules['per_image']:.3f} per image, "
            f"on {scores[key]['products']} products"
        )
    if scores["mixed"]["products"]:
        print(f"  left out            {scores['mixed']['products']} products whose images disagree in label")


def print_heads(report: Scores) -> None:
    """Print one line for each head of a report with several."""
    for name, group in report.groups.items() if len(report.groups) > 1 else ():
        test = group["test"]
        titles = {"accuracy": "accuracy", "macro_f1": "macro F1"} if test else {}
        scores = "".join(f"{title} {test[key]:.3f}  " for key, title in titles.items() if test[key] is not None)
        print(f"  {name:20}{len(group['classes']):>4} labels  {scores}on {group['counts']['test']} products")


def print_hierarchy(report: Scores) -> None:
    """Print how the levels of a report's hierarchy fit together, where there is one."""
    if not report.hierarchy:
        return
    share = report.hierarchy["contradictions"]
    contradictions = "" if share is None else f"; separate predictions contradict each other on {share:.1%}"
    print(f"article types and the categories above them{contradictions}")
    for name, level in report.hierarchy["accuracy"].items():
        separate = "" if level["separate"] is None else f"  separate {level['separate']:.3f}"
        joint = "" if level["joint"] is None else f"  joint {level['joint']:.3f}"
        print(f"  {name:20}accuracy{separate}{joint}  on {level['rows']} products")


def format_head_prediction(prediction: Mapping[str, Any]) -> str:
    """Return the prediction of one head as text: its best classes, or its labels."""
    labels = prediction["top"] if "top" in prediction else prediction["labels"]
    return "  ".join(f"{label['class']} {label['probability']:.3f}" for label in labels) or "-"
