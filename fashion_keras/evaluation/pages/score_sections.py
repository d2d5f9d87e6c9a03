"""Sections on a classifier's scores: confusion, precision and recall, calibration, classes, products, several heads."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import Figure, Section, Table, Tile, figure
from fashion_keras.evaluation.reports.prediction_rows import PredictionRows
from fashion_keras.evaluation.reports.report import Scores
from fashion_keras.support.atomic_files import safe_file_name

_PAIRS = 15  # confused pairs of classes in the table
_CLASS_COLUMNS = {
    "name": "class", "support": "test images", "precision": "precision", "recall": "recall", "f1": "F1",
    "average_precision": "average precision", "frequency": "frequency",
}  # fmt: skip
_SCORES = {
    "top_3": ("top 3", "the true class is among the three most probable"),
    "macro_f1": ("macro F1", "mean over classes, small ones count as much"),
    "micro_average_precision": ("average precision", "of all classes together"),
    "ece": ("calibration error", "mean distance of confidence and accuracy; 0 is best"),
}


def with_interval(value: float | None, interval: object) -> str:
    """Return a score and its 95 % interval as text.

    >>> with_interval(0.8715, (0.853, 0.8899))
    '0.872 (0.853–0.890)'
    """
    if value is None:
        return "–"
    return f"{value:.3f}" + ("" if interval is None else " ({:.3f}–{:.3f})".format(*interval))


def score_tiles(scores: Scores) -> list[Tile]:
    """Return the headline: accuracy with its interval, the other scores, and the number of test images."""
    test = scores.test
    low, high = test["accuracy_ci95"]
    mean = ", mean over heads" if len(scores.groups) > 1 else ""
    tiles = [Tile(f"accuracy{mean}", f"{test['accuracy']:.3f}", f"95 % interval {low:.3f}–{high:.3f}")]
    tiles += [
        Tile(name, f"{test[key]:.3f}", note) for key, (name, note) in _SCORES.items() if test.get(key) is not None
    ]
    return [*tiles, Tile("test images", f"{scores.counts['test']:,}", "of products not trained on")]


def score_sections(scores: Scores, rows: Mapping[str, PredictionRows], folder: Path) -> list[Section]:
    """Return the sections on test scores, with the figures in `folder`; `rows`: single-valued group -> predictions."""
    sections = [_heads(scores, folder)] if len(scores.groups) > 1 else []
    for name, group in scores.groups.items():
        if group["test"] is None:
            continue
        home = folder / safe_file_name(name) if len(scores.groups) > 1 else folder
        sections += _group_sections(name, group, rows.get(name), home, scores)
    return [*sections, _products(scores), _hierarchy(scores)]


def _group_sections(
    name: str, group: Mapping[str, Any], rows: PredictionRows | None, home: Path, scores: Scores
) -> list[Section]:
    of = f": {name}" if len(scores.groups) > 1 else ""
    calibration = (getattr(scores, "calibration", None) or {}).get(name)
    sections = []
    if rows is not None:
        sections.append(_confusion(f"Confusion{of}", rows, home))
    text = f"Precision and recall of all classes of {name} together, and average precision of each class."
    sections.append(Section(f"Precision and recall{of}", figures=figure(home / "precision_recall.png", text)))
    text = f"Reliability diagram of {name}: accuracy by confidence, and how many predictions have it."
    tables = []
    if calibration:
        cells = [calibration["temperature"], calibration["ece_before"], calibration["ece_after"]]
        tables = [Table(("temperature", "calibration error before", "after"), [cells])]
    sections.append(Section(f"Calibration{of}", figures=figure(home / "reliability.png", text), tables=tables))
    return [*sections, _classes(f"Per class{of}", group, home)]


def _confusion(title: str, rows: PredictionRows, home: Path) -> Section:
    wrong = rows.take(~rows.right)
    pairs = Counter(zip(wrong.truth.tolist(), wrong.predicted.tolist(), strict=True))
    of_class = Counter(rows.truth.tolist())
    cells = [
        (truth, predicted, count, f"{count / of_class[truth]:.1%}")
        for (truth, predicted), count in pairs.most_common(_PAIRS)
    ]
    table = Table(("true class", "predicted as", "images", "of the class"), cells, "Most frequent confusions")
    text = "Confusion matrix: each row is a true class and sums to 100 %; on the diagonal what is predicted right."
    return Section(title, figures=figure(home / "confusion.png", text), tables=[table] if cells else [])


def _classes(title: str, group: Mapping[str, Any], home: Path) -> Section:
    columns = [name for name in _CLASS_COLUMNS if any(name in row for row in group["per_class"])]
    rows = [[row.get(name) for name in columns] for row in group["per_class"]]
    tables = [Table([_CLASS_COLUMNS[name] for name in columns], rows, "Scores of each class")]
    if group["by_frequency"]:
        tables.append(_by_frequency(group["by_frequency"]))
    text = "Accuracy of each class, best first, with its 95 % interval."
    return Section(title, figures=figure(home / "class_accuracy.png", text), tables=tables)


def _by_frequency(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    keys = list(next(iter(groups.values())))
    rows = [(name, *(row.get(key) for key in keys)) for name, row in groups.items()]
    caption = "Classes with many (head), some (mid) and few (tail) training images"
    names = (key.replace("_", " ").replace("support", "test images").replace("f1", "F1") for key in keys)
    return Table(("training images", *names), rows, caption)


def _products(scores: Scores) -> Section:
    per_product = scores.per_product
    if not per_product or not per_product["several_images"]["products"]:
        return Section("By product")
    titles = {
        "per_image": "each image by itself",
        "cumulative_maximum": "product, by the maximum over its images",
        "mean_probability": "product, by the mean over its images",
    }
    rows = [
        (title, *(with_interval(per_product[part][rule]["accuracy"], per_product[part][rule]["accuracy_ci95"])
                  for part in ("all", "several_images")))
        for rule, title in titles.items()
    ]  # fmt: skip
    columns = (
        "prediction",
        f"accuracy (95 %), all {per_product['all']['products']:,} products",
        f"the {per_product['several_images']['products']:,} with several images",
    )
    mixed = per_product["mixed"]["products"]
    text = [f"{mixed:,} products whose images disagree in their label are left out."] if mixed else []
    return Section("By product", text, tables=[Table(columns, rows)])


def _hierarchy(scores: Scores) -> Section:
    if not scores.hierarchy:
        return Section("Hierarchy")
    rows = [
        (name, level["rows"], level["separate"], level["joint"]) for name, level in scores.hierarchy["accuracy"].items()
    ]
    share = scores.hierarchy["contradictions"]
    text = "Article types and the categories above them: accuracy of each level by its own head, and jointly."
    if share is not None:
        text += f" Separate predictions contradict each other on {share:.1%} of the images."
    return Section("Hierarchy", [text], tables=[Table(("level", "images", "own head", "joint"), rows)])


def _heads(scores: Scores, folder: Path) -> Section:
    rows = []
    for name, group in scores.groups.items():
        test = group["test"] or {}
        accuracy = with_interval(test.get("accuracy"), test.get("accuracy_ci95"))
        numbers = (group["counts"]["test"], accuracy, test.get("top_3"), test.get("macro_f1"), test.get("ece"))
        rows.append((name, group["kind"], len(group["classes"]), *numbers))
    columns = ("head", "kind", "labels", "test images", "accuracy (95 %)", "top 3", "macro F1", "calibration error")
    figures: list[Figure] = [
        *figure(folder / "co_occurrence.png", "Of the images with the row's label, the share that has the column's."),
        *figure(folder / "labels_per_image.png", "Labels per image, true and predicted."),
    ]
    return Section("Heads", figures=figures, tables=[Table(columns, rows)])
