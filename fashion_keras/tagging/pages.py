"""Pages of a tagger's training and of a tagged catalog."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import PAGE, Card, Figure, Page, Section, Table, Tile, figure
from fashion_keras.evaluation.pages.score_sections import with_interval
from fashion_keras.images.thumbnails import thumbnail_url

_EXAMPLES = 24


def write_tagger_page(report: Mapping[str, Any], folder: Path) -> Path:
    """Write report.html of a tagger's report.json into its folder, and return its path."""
    together, counts = report["together"], report["counts"]
    facts = [("tagger", folder.name), ("data", report["data"]), ("taxonomy", report["taxonomy"])]
    facts += [("encoder", report["encoder"]["name"]), ("target precision", f"{report['target_precision']:.0%}")]
    tiles = [*_precision_tiles(together), Tile("test images", f"{counts['test']:,}", "of products not trained on")]
    parts = Table(("part", "images"), list(counts.items()), "Parts; rejected are rows and files")
    left_out = list(report["left_out"].items())
    sections = [
        Section("Attributes", [report["statement"]], tables=[_attributes(report["attributes"])]),
        Section("Risk and calibration", figures=_figures(folder)),
        Section("Product-type gate", figures=_gate_figure(folder), tables=[_gate(report["gate"])]),
        Section("Data", tables=[parts, *([Table(("left out", "reason"), left_out)] if left_out else [])]),
    ]
    return Page(f"Tagger of {report['taxonomy']}", facts, tiles, sections, report["warnings"]).write(folder / PAGE)


def write_tags_page(report: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], data: str, folder: Path) -> Path:
    """Write report.html of a tagged catalog into its folder, and return its path; `rows` are those of tags.csv."""
    facts = [("data", data), ("tagger", report["tagger"]), ("target precision", f"{report['target_precision']:.0%}")]
    typed = report["products"] - report["without_type"]
    tiles = [Tile("products of a known type", f"{typed:,}", f"of {report['products']:,}")]
    if report["test"]:
        tiles += _precision_tiles(report["test"])
    names = ("attribute", "tagged", "abstained", "gated", "same", "filled", "changed")
    attributes = [tuple(row[name] for name in names) for row in report["updates"]]
    columns = ("attribute", "tagged", "without a tag", "of other types", "as in the catalog", "new", "another label")
    keys = ("read", "accepted", "rejected", "encoded", "products", "without_type", "disagreeing")
    counts = [(key.replace("_", " "), report[key]) for key in keys]
    text = [
        "An attribute is left without a tag where no label reaches its threshold; products of other types do not have "
        "it. Of the tagged products some have the same label in the catalog, none there (new), or another one.",
        "Disagreeing are images that would get other tags by themselves than their product.",
    ]
    trained = report["parts"]["train"]
    warnings = (
        [f"The tagger was trained on {trained:,} of these images: its confidence is too high there."] if trained else []
    )
    sections = [
        Section("Attributes", text, tables=[Table(columns, attributes)]),
        Section("Counts", tables=[Table(("images or products", "count"), counts)]),
        Section(
            "Examples", ["The first products of tags.csv."], cards=[_card(row, attributes) for row in rows[:_EXAMPLES]]
        ),
    ]
    return Page("Tags of a catalog", facts, tiles, sections, warnings).write(folder / PAGE)


def _precision_tiles(scores: Mapping[str, Any]) -> list[Tile]:
    tiles = []
    if scores["precision"] is not None:
        interval = scores["precision_ci95"]
        note = "95 % interval {:.3f}–{:.3f}".format(*interval) if interval else ""
        tiles.append(
            Tile("precision of tags", f"{scores['precision']:.3f}", f"{note}; target: {scores['target'] or '–'}")
        )
    if scores["coverage"] is not None:
        tiles.append(
            Tile("coverage", f"{scores['coverage']:.3f}", "share of test images with a known label that get one")
        )
    return tiles


def _attributes(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [
        (row["name"], row["known"], row["given"], with_interval(row["precision"], row["precision_ci95"]),
         row["coverage"], row["accuracy"], row["ece_before"], row["ece"], row["target"])
        for row in rows
    ]  # fmt: skip
    columns = ("attribute", "images known", "tags", "precision (95 %)", "coverage", "accuracy",
               "calibration error before", "after", "target")  # fmt: skip
    return Table(columns, cells)


def _gate(gate: Mapping[str, Any]) -> Table:
    names = ("precision", "target", "rejected", "of_no_type", "of_no_type_rejected")
    return Table(("gate", "value"), [(name.replace("_", " "), gate[name]) for name in names])


def _figures(folder: Path) -> list[Figure]:
    text = "Risk against coverage: how many tags are wrong where only the most confident are given."
    figures = [*figure(folder / "coverage_risk.png", text)]
    for path in sorted(folder.glob("reliability_*.png")):
        figures += figure(path, f"Reliability diagram of {path.stem.split('_', 2)[2]}.")
    return figures


def _gate_figure(folder: Path) -> Sequence[Figure]:
    return figure(folder / "gate.png", "Outliers among the images that are given a label, with and without the gate.")


def _card(row: Mapping[str, Any], attributes: Sequence[tuple[Any, ...]]) -> Card:
    tags = [(name, row.get(name)) for name in ("product_types", *(name for name, *_ in attributes))]
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in tags if value]
    return Card([(thumbnail_url(row["path"]), str(row["sku"]))], lines or ["no tag"])
