"""Page of a drift report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import Page, Section, Table, Tile
from fashion_keras.evaluation.pages.score_sections import with_interval
from fashion_keras.monitoring.findings import duplicates_text, label_title, list_tests

PAGE = "drift.html"
_LEGEND = (
    "A test fires where the change is large, by a threshold, and more than chance at the significance level alpha. "
    "In brackets: 95 % intervals."
)


def write_drift_page(report: Mapping[str, Any], folder: Path) -> Path:
    """Write drift.html of what `drift` returns into a folder, and return its path."""
    sides = [(name, f"{side['place']}: {side['images']:,} images of {side['products']:,} products")
             for name, side in (("new", report["new"]), ("against", report["against"]))]  # fmt: skip
    facts = [*sides, ("encoder", report["new"]["encoder"]), ("seed", str(report["seed"]))]
    tests = [(test.title, test.verdict, test.text) for test in list_tests(report)]
    duplicates = report["near_duplicates"]
    changed = [row for row in report["labels"] if row["drift"] and "shares" not in row]
    sections = [
        Section("Tests", [_LEGEND], tables=[Table(("test", "result", "measured"), tests)]),
        Section("Labels that changed", tables=[_changes(row) for row in changed]),
        Section("Products without label or tag", tables=_states(report["labels"])),
        Section("Near-duplicates", [duplicates["not_measured"] or duplicates_text(duplicates)]),
        Section("Precision of tags", tables=_precision(report["precision"])),
        Section("Thresholds", tables=[Table(("threshold", "value"), list(report["thresholds"].items()))]),
    ]
    return Page("Drift", facts, _tiles(report), sections, report["warnings"]).write(folder / PAGE)


def _tiles(report: Mapping[str, Any]) -> list[Tile]:
    classifier, outliers = report["classifier"], report["outliers"]
    shifts = [row for row in report["labels"] if row["not_measured"] is None]
    tiles = [Tile("drift", "yes" if report["drift"] else "no", f"{len(report['fired'])} tests fired")]
    if classifier["not_measured"] is None:
        score = with_interval(classifier["accuracy"], classifier["accuracy_ci95"])
        tiles.append(Tile("classifier accuracy", score, "new against reference; chance 0.5"))
    if outliers["not_measured"] is None:
        tiles.append(Tile("outliers", f"{outliers['share']:.1%}", "of new products; 5 % of the reference"))
    if shifts:
        largest = max(shifts, key=lambda row: row["total_variation"])
        tiles.append(Tile("largest label shift", f"{largest['total_variation']:.3f}", label_title(largest)))
    return tiles


def _changes(row: Mapping[str, Any]) -> Table:
    changes = [
        (each["label"], f"{each['reference']:.1%}", f"{each['new']:.1%}", each["new"] - each["reference"])
        for each in (*row["up"], *reversed(row["down"]))
    ]
    lists = [f"{name}: {', '.join(row[key])}" for name, key in (("new", "new_labels"), ("vanished", "vanished_labels"))
             if row[key]]  # fmt: skip
    caption = "; ".join([label_title(row), *lists])
    return Table(("label", "reference", "new", "change"), changes, caption)


def _states(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    cells = [
        (label_title(row), state, f"{reference:.1%}", f"{new:.1%}")
        for row in rows
        for state, (reference, new) in row.get("shares", {}).items()
    ]
    return [Table(("column or attribute", "state", "reference", "new"), cells, "Shares of products")] if cells else []


def _precision(precision: Mapping[str, Any] | None) -> list[Table]:
    if not precision:
        return []
    cells = [
        (row["name"], row["reviewed"], row["given"], row["right"],
         with_interval(row["precision"], row["precision_ci95"]), row["target"], row["p_corrected"])
        for row in precision["attributes"]
    ]  # fmt: skip
    columns = ("attribute", "reviewed products", "tags", "right", "precision (95 %)", "target", "p")
    caption = f"Target precision {precision['target_precision']:g}; {precision['corrections']}"
    return [Table(columns, cells, caption)]
