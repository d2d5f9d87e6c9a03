"""Page of a run: report.html in its folder, made of its files, and of its catalog's images where they are at hand."""

import csv
import logging
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.evaluation.pages.image_cards import (
    grad_cam_cards,
    load_classifier_network,
    mistake_cards,
    search_cards,
)
from fashion_keras.evaluation.pages.page import PAGE, Card, Page, Section, Table, Tile, figure
from fashion_keras.evaluation.pages.score_sections import score_sections, score_tiles, with_interval
from fashion_keras.evaluation.reports.prediction_rows import PredictionRows
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.support.config_fields import flag_name
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.finished_run import FinishedRun
from fashion_keras.training.run_folder import CONFIG, Run

log = logging.getLogger("fashion_keras")

_REASONS, _MISTAKES = 15, 24
_LEAKS = {"same_sku": "same SKU", "same_title": "same title", "near_duplicate": "near-duplicate image"}


def write_run_page(
    folder: str | Path, catalog: Catalog | None = None, images: bool = True, path: Path | None = None
) -> Path:
    """Write the page of a finished run, and return its path: `path`, or report.html in the run's folder.

    Args:
        catalog: the run's; None: it is read again. Where it cannot be, the page tells why it shows no images.
        images: whether products are shown: mistakes, Grad-CAM and search examples.

    Raises:
        InputError: for a folder without a finished run, and an old or damaged one.
    """
    run = FinishedRun.read(folder)
    sections = [_data(run), _training(run), *score_sections(run.report, run.rows, run.folder)]
    sections += [*_image_sections(run, catalog, images), _settings(run)]
    report, config = run.report, run.config
    facts = [("run", str(run.folder)), ("data", str(config.data)), ("task", report.task), ("backbone", report.backbone)]
    facts += [("weights", report.weights), ("strategy", report.strategy), ("image size", _size(config))]
    facts += [("device", report.device)] if report.device else []
    minutes = Tile("time", _duration(report.seconds["total"]), "reading, training and testing")
    title = f"{report.task} with {report.backbone}, {report.strategy}"
    page = Page(title, facts, [*score_tiles(report), minutes], sections, report.warnings)
    return page.write(path or run.folder / PAGE)


def _size(config: TrainConfig) -> str:
    return f"{config.image_spec.height}×{config.image_spec.width}, {config.fit}"


def _duration(seconds: float) -> str:
    """Return seconds as text.

    >>> [_duration(value) for value in (48.2, 222, 7300)]
    ['48 s', '3.7 min', '2.0 h']
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _data(run: FinishedRun) -> Section:
    """Return the section on the data, its parts, and the images of test products that training has seen."""
    report, config = run.report, run.config
    hashes = {} if report.folds else run.manifest.part_hashes
    parts = [(part, count, len(set(hashes[part])) if part in hashes else None) for part, count in report.counts.items()]
    tables = [Table(("part", "images", "products"), parts, "Parts; rejected are rows and files")]
    if report.leaks:
        tested = list(next(iter(report.leaks.values())))
        rows = [(_LEAKS[kind], *((counts or {}).get(part) for part in tested)) for kind, counts in report.leaks.items()]
        caption = "Leaks: images that share something with the training part"
        tables.append(Table(("shared", *(f"{part} images" for part in tested)), rows, caption))
    if applied := report.corrections:
        counts = [("changed", applied["changed"]), *((f"of them {name}", n) for name, n in applied["columns"].items())]
        counts += [(name, applied[name]) for name in ("verified", "skipped", "superseded", "conflicts", "rejected")]
        caption = f"Reviewed labels of {Path(applied['file']).name}: {applied['products']} products have other labels"
        tables.append(Table(("corrections", "labels"), counts, caption))
    if reasons := _rejected(run.folder):
        tables.append(Table(("reason", "rows and files"), reasons, "Rejected"))
    text = [f"Split: {config.split}, seed {config.seed}."]
    if report.test_in_initial_weights:
        text.append(f"The initial weights have seen the products of {report.test_in_initial_weights:,} test images.")
    if report.leaks:
        text.append("Images of one SKU or title are in one part; near-duplicates are images that look the same.")
    return Section("Data and split", text, tables=tables)


def _rejected(folder: Path) -> list[tuple[str, int]]:
    """Return the most frequent reasons in rejected.csv, without their names and numbers, and the sum of all others."""
    path = folder / "rejected.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        texts = (re.sub(r"'[^']*'|\b\d+(?= images?\b)", "…", row.get("reason") or "") for row in csv.DictReader(file))
        reasons = Counter(texts).most_common()
    rest = sum(count for _, count in reasons[_REASONS:])
    return [*reasons[:_REASONS], *([(f"{len(reasons) - _REASONS} other reasons", rest)] if rest else [])]


def _training(run: FinishedRun) -> Section:
    report = run.report
    if report.folds:
        return _folds(report)
    history, tables = Run(run.folder, None).history, []
    rows = []
    for phase, epochs in history.groupby("phase", sort=False):
        best = epochs.loc[epochs["val_loss"].idxmin()] if epochs["val_loss"].notna().any() else epochs.iloc[-1]
        losses = float(best["loss"]), float(best["val_loss"]), float(best["val_accuracy"])
        rows.append((phase, len(epochs), int(best["epoch"]), *losses, round(float(epochs["seconds"].sum()), 1)))
    columns = ("phase", "epochs", "best epoch", "its loss", "validation loss", "validation accuracy", "seconds")
    tables.append(Table(columns, rows, "Phases; the weights are those of the best epoch"))
    speeds = report.images_per_second or {}
    times = [(name, seconds, speeds.get(name)) for name, seconds in report.seconds.items()]
    tables.append(Table(("step", "seconds", "images per second"), times, "Time"))
    text = [f"Head chosen among {report.tuned['trials']} trials; see tune.csv."] if report.tuned else []
    shown = figure(
        run.folder / "history.png", "Loss, accuracy and learning rate by epoch; the circle is the best epoch."
    )
    return Section("Training", text, figures=shown, tables=tables)


def _folds(report: Report) -> Section:
    rows = [
        (row["folder"], row["counts"]["test"], with_interval(row["accuracy"], row["accuracy_ci95"]), row["macro_f1"])
        for row in report.folds
    ]
    tables = [Table(("fold", "test images", "accuracy (95 %)", "macro F1"), rows, "Folds")]
    spread = [
        (name.replace("_", " "), row["best_fold"], row["best"], row["mean"], row["standard_deviation"])
        for name, row in (report.over_folds or {}).items()
    ]
    tables.append(Table(("score", "best fold", "best", "mean", "standard deviation"), spread, "Over the folds"))
    return Section("Cross-validation", tables=tables)


def _image_sections(run: FinishedRun, catalog: Catalog | None, images: bool) -> list[Section]:
    """Return mistakes, Grad-CAM and search examples of the first single-valued head."""
    if not run.rows:
        return []
    head, rows = next(iter(run.rows.items()))
    worst = rows.take(rows.worst(_MISTAKES))
    columns = worst.ids.tolist(), worst.truth.tolist(), worst.predicted.tolist(), worst.confidence.tolist()
    table = Table(("image", "true", "predicted", "confidence"), list(zip(*columns, strict=True)))
    text = "The most confident wrong predictions: often labels that are wrong or ambiguous."
    shown, reason = (catalog, "") if images else (None, "Images are left out of this copy.")
    if images and shown is None:
        try:
            shown = run.read_catalog()
        except InputError as error:
            reason = f"No images: {error}"
            log.warning("WARNING  %s: %s", run.folder, reason)
    if shown is None:
        return [Section("Mistakes", [text, reason], tables=[table] if len(worst) else [])]
    cards = mistake_cards(rows, shown)
    sections = [Section("Mistakes", [text] if len(worst) else ["None."], cards=cards)]
    return sections if run.report.folds else [*sections, *_model_sections(run, head, rows, shown)]


def _model_sections(run: FinishedRun, head: str, rows: PredictionRows, catalog: Catalog) -> list[Section]:
    spec, network = load_classifier_network(run.folder)
    heat = (
        "Heat on the pixels that raise the score of a class, yellow to red: of the most confident mistakes for the "
        "predicted and the true class, and of images predicted right."
    )
    search = (
        "Test images, and the nearest images of other test products by the embedding of the run's penultimate layer; "
        "at most 300 test images are searched."
    )
    return [
        _card_section("Grad-CAM", heat, lambda: grad_cam_cards(spec, network, head, rows, catalog)),
        _card_section("Search examples", search, lambda: search_cards(spec, network, rows, catalog)),
    ]


def _card_section(title: str, text: str, make_cards: Callable[[], list[Card]]) -> Section:
    """Return a section of cards, or one that tells why there are none."""
    try:
        return Section(title, [text], cards=make_cards())
    except InputError as error:
        return Section(title, [f"None: {error}."])


def _settings(run: FinishedRun) -> Section:
    """Return the section that tells how to run it again: the command, settings that are no defaults, versions."""
    defaults, values = TrainConfig().to_dict(), run.config.to_dict()
    given = {name: value for name, value in values.items() if value != defaults[name] and name != "out"}
    rows = [(name, _text(value), _text(defaults[name]) or None) for name, value in given.items()]
    tables = [Table(("setting", "value", "default"), rows, "Settings that differ from their defaults")]
    tables.append(Table(("package", "version"), list(run.report.versions.items()), "Versions"))
    commands = [
        f"fashion-keras train --config {shlex.quote(str(run.folder / CONFIG))} --out runs/again",
        _command(given),
    ]
    text = ["Either command trains the same run again; the same seed on the same machine gives the same report."]
    return Section("How to run it again", text, tables=tables, commands=commands)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else "" if value is None else str(value)


def _command(given: Mapping[str, Any]) -> str:
    """Return the command with a flag for each given setting."""
    words = ["fashion-keras", "train"]
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    for name, value in given.items():
        flag = flag_name(name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
            continue
        for item in value if isinstance(value, tuple | list) else [value]:
            words += [flag, str(defaults[name] if item is None else item)]
    return shlex.join(words)
