"""Page of a comparison of encoders and indexes: retrieval scores side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import PAGE, Page, Section, Table, Tile
from fashion_keras.evaluation.pages.score_sections import with_interval

_HEADLINE = "article_type precision@10"


def write_retrieval_page(report: Mapping[str, Any], folder: Path) -> Path:
    """Write report.html of what `evaluate_search` returns into a folder, and return its path."""
    rows, trained = report["rows"], [row for row in report["rows"] if row["trained_products"]]
    facts = [("data", report["data"]), ("part", report["part"]), ("products", f"{report['products']:,}")]
    tiles = [
        Tile(row["name"], with_interval(row["scores"][_HEADLINE]["value"], None), _interval(row["scores"][_HEADLINE]))
        for row in rows
    ]
    warnings = [
        f"{row['name']} was trained on {row['trained_products']:,} of these products: its scores are too high."
        for row in trained
    ]
    text = [
        "Each product of the catalog is a query against all others. Tiles: share of the ten nearest with the article "
        "type of the query. In brackets: 95 % bootstrap intervals."
    ]
    speeds = [(row["name"], row["width"], row["seconds"], row["trained_products"]) for row in rows]
    columns = ("encoder or index", "width", "seconds", "products trained on")
    sections = [
        Section("Images as queries", text, tables=[_scores(rows)]),
        Section("Words as queries", tables=[_scores(report["text_rows"])] if report["text_rows"] else []),
        Section("Encoders", tables=[Table(columns, speeds)]),
        Section("Left out", tables=[_left_out(report)]),
    ]
    return Page("Retrieval scores", facts, tiles, sections, warnings).write(folder / PAGE)


def _interval(score: Mapping[str, Any]) -> str:
    return _HEADLINE + (", 95 % {:.3f}–{:.3f}".format(*score["ci95"]) if score["ci95"] else "")


def _scores(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each score and a column for each encoder."""
    names = list(rows[0]["scores"])
    cells = [
        (name, rows[0]["scores"][name].get("queries"), *(_cell(row["scores"][name]) for row in rows)) for name in names
    ]
    return Table(("score", "queries", *(row["name"] for row in rows)), cells)


def _cell(score: Mapping[str, Any]) -> str | None:
    return None if score["value"] is None else with_interval(score["value"], score["ci95"])


def _left_out(report: Mapping[str, Any]) -> Table:
    names = ("rejected", "excluded", "test_products_missing")
    return Table(("rows", "count"), [(name.replace("_", " "), report[name]) for name in names])
