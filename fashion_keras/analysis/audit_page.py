"""Page of a label audit: counts, and the labels that may be wrong with their images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import PAGE, Card, Page, Section, Table, Tile
from fashion_keras.images.thumbnails import thumbnail_url

_CARDS = 48


def write_audit_page(report: Mapping[str, Any], data: str, folder: Path) -> Path:
    """Write report.html of what `audit` returns into its folder, and return its path; `data` names the catalog."""
    issues, counts = report["issues"], report["counts"]
    facts = [("data", data), ("task", report["task"]), ("encoder", report["encoder"])]
    tiles = [Tile("labels audited", f"{counts['audited']:,}", f"of {counts['inputs']:,} rows and files")]
    tiles += [
        Tile(reason.replace("_", " "), f"{count:,}", "labels that may be wrong")
        for reason, count in report["by_reason"].items()
    ]
    warnings = []
    if report["trained_products"]:
        warnings = [
            f"The encoder was trained on {report['trained_products']:,} of the audited rows, and has partly fitted "
            "their wrong labels: fewer are found; see --exclude-trained."
        ]
    rows = [tuple(row[name] for name in ("id", "given", "suggested", "score", "reason", "other")) for row in issues]
    table = Table(("image", "given", "suggested", "score", "reason", "other image"), rows)
    text = (
        "A label is listed when a classifier trained on other products predicts another one, or when a near-duplicate "
        "image or a product of the same title has another one. The first of each kind are the least likely to be right."
    )
    cards = [_card(row) for row in issues[:_CARDS]]
    excluded = Table(("rows", "count"), [(name.replace("_", " "), count) for name, count in counts.items()])
    sections = [
        Section("Labels that may be wrong", [text] if rows else ["None."], cards=cards),
        Section("All that are listed", tables=[table] if rows else []),
        Section("Counts", tables=[excluded]),
        Section("Files", ["audit.csv holds the listed labels, rejected.csv the rows and files that were not audited."]),
    ]
    return Page(f"Label audit of {report['task']}", facts, tiles, sections, warnings).write(folder / PAGE)


def _card(row: Mapping[str, Any]) -> Card:
    evidence = f"{row['score']:.3f}" if row["other"] is None else str(row["other"])
    lines = [f"given: {row['given']}", f"suggested: {row['suggested']}", f"{row['reason']} {evidence}"]
    return Card([(thumbnail_url(row["path"]), row["id"])], lines)
