"""Findings of a drift report as text: each test, whether it fired, and its numbers on one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

_SMALLEST_P = 1e-100  # written out
_LABEL_TITLES = {"column": "labels of", "missing": "missing labels of", "tags": "tags of", "states": "tag states of"}


@dataclass(frozen=True)
class Finding:
    """A test: its title, whether it fired (None: not measured), and its numbers, or why there are none, as text."""

    title: str
    drift: bool | None
    text: str

    @property
    def verdict(self) -> str:
        """ "drift", "no drift" or "not measured"."""
        return "not measured" if self.drift is None else "drift" if self.drift else "no drift"


def list_tests(report: Row) -> list[Finding]:
    """Return the tests of a report of `drift`; label mixes with the largest distance first, those not measured last."""
    shifts = (
        ("embeddings, classifier", report["classifier"], _classifier),
        ("embeddings, MMD", report["mmd"], _mmd),
        ("outliers", report["outliers"], outliers_text),
    )
    tests = [Finding(title, row["drift"], row["not_measured"] or text(row)) for title, row, text in shifts]
    rows = sorted(report["labels"], key=lambda row: -row.get("total_variation", -1))
    tests += [Finding(label_title(row), row["drift"], row["not_measured"] or _labels(row)) for row in rows]
    precision = report["precision"]
    for row in precision["attributes"] if precision else ():
        tests.append(Finding(f"precision of {row['name']}", row["drift"], _precision(row, precision)))
    return tests


def label_title(row: Row) -> str:
    """Return what a row of `measure_labels` compares."""
    return f"{_LABEL_TITLES[row['kind']]} {row['name']}"


def outliers_text(row: Row) -> str:
    """Return a measured share of outliers as text."""
    what = "outlier score" if row["by"] == "outlier_score" else "distance to the nearest reference image"
    return (
        f"{row['share']:.1%} of new products ({_interval(row['share_ci95'], '.1%')}) have a larger {what} than 95 % "
        "of the reference"
    )


def duplicates_text(row: Row) -> str:
    """Return the share of near-duplicates as text."""
    by = "thumbnails" if row["by"] == "thumbnails" else "embeddings with a cosine of at least 0.99"
    return (
        f"{row['share']:.1%} of new images ({_interval(row['share_ci95'], '.1%')}) are near-duplicates of a reference "
        f"image, by {by}; {row['shared_products']:,} products are on both sides"
    )


def _classifier(row: Row) -> str:
    return (
        f"tells new from reference with accuracy {row['accuracy']:.3f} ({_interval(row['accuracy_ci95'], '.3f')}; "
        f"chance 0.5), {_p(row['p'])}"
    )


def _mmd(row: Row) -> str:
    return f"MMD² {row['mmd2']:.4f}, {_p(row['p'])}"


def _labels(row: Row) -> str:
    changes = [*row["up"][:1], *row["down"][:1]]
    shares = "; ".join(f"{each['label']} {each['reference']:.1%} to {each['new']:.1%}" for each in changes)
    return f"total variation {row['total_variation']:.3f}, {_p(row['p_corrected'])}{f' ({shares})' if shares else ''}"


def _precision(row: Row, precision: Row) -> str:
    if not row["given"]:
        return f"none of {row['reviewed']} reviewed products has a tag"
    return (
        f"{row['right']} of {row['given']} tags of reviewed products are right: {row['precision']:.3f} "
        f"({_interval(row['precision_ci95'], '.3f')}), target {precision['target_precision']:g} {row['target']}, "
        f"{_p(row['p_corrected'])}"
    )


def _p(value: float) -> str:
    return f"p {value:.2g}" if value >= _SMALLEST_P else f"p < {_SMALLEST_P:g}"


def _interval(ends: tuple[float, float], form: str) -> str:
    return f"{ends[0]:{form}}–{ends[1]:{form}}"
