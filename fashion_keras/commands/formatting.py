"""Printed lines of a classifier's report and predictions."""

from collections.abc import Mapping
from typing import Any

from fashion_keras.evaluation.reports.report import Scores


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
