"""How a run with several heads is printed."""

from collections.abc import Mapping
from typing import Any


def print_heads(report: Mapping[str, Any]) -> None:
    """Print one line for each head of a report; nothing for a run with one task."""
    for name, group in report.get("groups", {}).items():
        test = group["test"]
        scores = {"accuracy": "accuracy", "macro_f1": "macro F1"} if test else {}
        said = "".join(f"{title} {test[key]:.3f}  " for key, title in scores.items() if test[key] is not None)
        print(f"  {name:20}{len(group['classes']):>4} labels  {said}on {group['counts']['test']} products")


def print_hierarchy(report: Mapping[str, Any]) -> None:
    """Print how the levels of a report's hierarchy go together, where there is one."""
    found = report.get("hierarchy")
    if not found:
        return
    contradictions = found["contradictions"]
    said = "" if contradictions is None else f"; separate answers contradict each other on {contradictions:.1%}"
    print(f"article types and what they lie in{said}")
    for name, level in found["accuracy"].items():
        separate = "" if level["separate"] is None else f"  separate {level['separate']:.3f}"
        joint = "" if level["joint"] is None else f"  joint {level['joint']:.3f}"
        print(f"  {name:20}accuracy{separate}{joint}  on {level['rows']} products")


def format_head_prediction(answer: Mapping[str, Any]) -> str:
    """Write what one head says of an image: its best classes, or the labels that it gives."""
    labels = answer["top"] if "top" in answer else answer["labels"]
    return "  ".join(f"{one['class']} {one['probability']:.3f}" for one in labels) or "-"
