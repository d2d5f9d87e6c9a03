"""Page of a run's evaluation on a catalog."""

from pathlib import Path

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.evaluation.pages.image_cards import mistake_cards
from fashion_keras.evaluation.pages.page import PAGE, Page, Section, Table
from fashion_keras.evaluation.pages.score_sections import score_sections, score_tiles
from fashion_keras.evaluation.reports.prediction_rows import read_prediction_rows
from fashion_keras.evaluation.reports.report import EvaluationReport


def write_evaluation_page(report: EvaluationReport, products: Catalog, folder: Path) -> Path:
    """Write report.html of an evaluation, whose predictions and figures are in its folder, and return its path."""
    rows = read_prediction_rows(folder, report)
    facts = [("run", report.run), ("data", report.catalog), ("part", report.part), ("task", report.task)]
    counts = Table(("images", "count"), [(name.replace("_", " "), count) for name, count in report.counts.items()])
    reasons = [Table(("reason", "rows and files"), list(report.reasons.items()), "Rejected")] if report.reasons else []
    text = []
    if report.test_products_missing:
        text = [f"{report.test_products_missing:,} products of the run's test part are not in the catalog."]
    cards = [card for head in rows.values() for card in mistake_cards(head, products)]
    sections = [
        Section("Data", text, tables=[counts, *reasons]),
        *score_sections(report, rows, folder),
        Section("Mistakes", ["The most confident wrong predictions."] if cards else ["None."], cards=cards),
    ]
    return Page(f"Evaluation of {Path(report.run).name}", facts, score_tiles(report), sections).write(folder / PAGE)
