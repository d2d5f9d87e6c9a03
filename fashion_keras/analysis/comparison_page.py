"""Page of a comparison of runs: side by side, differences, settings, and the products that flipped."""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fashion_keras.analysis.run_comparison import GAINED, LOST, Comparison, Flip, RunScores
from fashion_keras.evaluation.metrics.paired import Difference
from fashion_keras.evaluation.pages.image_cards import paths_by_id
from fashion_keras.evaluation.pages.page import Card, Figure, Page, Section, Table, Tile, figure
from fashion_keras.evaluation.pages.score_sections import with_interval
from fashion_keras.evaluation.plots.bars import plot_differences
from fashion_keras.evaluation.plots.style import context
from fashion_keras.images.thumbnails import thumbnail_url
from fashion_keras.support.errors import InputError
from fashion_keras.training.finished_run import FinishedRun

log = logging.getLogger("fashion_keras")

_CARDS, _ROWS = 24, 200  # flips of each kind with an image; rows in the table of all
_NAMES = {"accuracy": "accuracy", "top_3": "top 3", "macro_f1": "macro F1"}


def format_difference(difference: Difference) -> str:
    """Return a difference with its interval as text.

    >>> format_difference(Difference(0.0123, (-0.004, 0.0291)))
    '+0.012 (-0.004 to +0.029)'
    """
    interval = "" if difference.interval is None else " ({:+.3f} to {:+.3f})".format(*difference.interval)
    return f"{difference.value:+.3f}{interval}"


def verdict(difference: Difference) -> str:
    """Return whether a difference is better, worse, or not shown by its interval."""
    if not difference.is_clear:
        return "no clear difference"
    return "better" if difference.value > 0 else "worse"


def write_comparison_page(comparison: Comparison, path: Path, images: bool = True) -> Path:
    """Write a comparison as an HTML file and return its path; `images`: with the products that flipped.

    The images are those of the first run's catalog; where it cannot be read any more, the page tells why.
    """
    first, *others = comparison.runs
    facts = [("task", first["task"]), ("first run", first["run"])]
    facts += [("compared with it", ", ".join(row["run"] for row in others))]
    facts += [("shared", f"{comparison.images:,} test images of {comparison.products:,} products")]
    if comparison.truth_differs:
        facts.append(("left out", f"{comparison.truth_differs:,} images whose label differs between the runs"))
    tiles = [
        Tile(f"accuracy, {_name(score)}", f"{score.accuracy:.3f}", _tile_note(score)) for score in comparison.scores
    ]
    sections = [
        _side_by_side(comparison),
        _differences(comparison),
        _settings(comparison),
        _own_tests(comparison),
        *_flips(comparison, images),
    ]
    title = f"Comparison of {len(comparison.runs)} runs, {first['task']}"
    return Page(title, facts, tiles, sections).write(path)


def _name(score: RunScores) -> str:
    return Path(score.run).name


def _tile_note(score: RunScores) -> str:
    if not score.differences:
        return "the run compared with"
    return f"{format_difference(score.differences['accuracy'])}, {verdict(score.differences['accuracy'])}"


def _side_by_side(comparison: Comparison) -> Section:
    rows = [
        (score.head, score.run, score.accuracy, score.top_3, score.macro_f1, score.ece) for score in comparison.scores
    ]
    columns = ("head", "run", "accuracy", "top 3", "macro F1", "calibration error")
    text = f"On the {comparison.images:,} test images that all runs share, of {comparison.products:,} products."
    return Section("Side by side", [text], tables=[_table(columns, rows)])


def _differences(comparison: Comparison) -> Section:
    rows = [
        (score.head, score.run, _NAMES[name], format_difference(difference), verdict(difference))
        for score in comparison.scores
        for name, difference in score.differences.items()
    ]
    changes = [(score.head, score.run, score.gained, score.lost) for score in comparison.scores if score.differences]
    tables = [
        _table(("head", "run", "score", "difference (95 %)", "verdict"), rows, "Differences from the first run"),
        _table(
            ("head", "run", "products gained", "products lost"), changes, "Products with more, and fewer, right images"
        ),
    ]
    text = (
        "The interval is of a paired bootstrap: products are drawn with replacement, and both runs are scored on the "
        "same draw. An interval that holds 0 shows no difference. Of 20 intervals, one may leave 0 out by chance."
    )
    return Section("Differences", [text], figures=_draw(comparison), tables=tables)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> Table:
    """Return a table, without its column "head" where all rows have the same one."""
    place = columns.index("head")
    if len({row[place] for row in rows}) == 1:
        columns, *rows = ([*cells[:place], *cells[place + 1 :]] for cells in (columns, *rows))
    return Table(columns, rows, caption)


def _draw(comparison: Comparison) -> Sequence[Figure]:
    heads = {score.head for score in comparison.scores}
    rows = [
        (
            f"{_name(score)}{f', {score.head}' if len(heads) > 1 else ''}: {_NAMES[name]}",
            difference.value,
            difference.interval,
        )
        for score in comparison.scores
        for name, difference in score.differences.items()
        if difference.interval is not None
    ]
    first = comparison.runs[0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "differences.png"
        note = context(first["task"], first["run"], comparison.images)
        plot_differences(path, rows, "Differences from the first run", note)
        return figure(path, f"Differences from {first['run']} with 95 % intervals.")


def _settings(comparison: Comparison) -> Section:
    rows = [(row["setting"], *map(_text, row["values"])) for row in comparison.settings]
    columns = ("setting", *(row["run"] for row in comparison.runs))
    text = [] if rows else ["Nothing: settings, catalog, weights, device and versions are equal."]
    return Section("What changed", text, tables=[Table(columns, rows)] if rows else [])


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else "–" if value is None else str(value)


def _own_tests(comparison: Comparison) -> Section:
    keys = ("run", "backbone", "strategy", "weights", "test_images")
    rows = [
        (*(row[key] for key in keys), with_interval(row["accuracy"], row["accuracy_ci95"]), row["macro_f1"], row["ece"],
         row["seconds"])
        for row in comparison.runs
    ]  # fmt: skip
    columns = ("run", "backbone", "strategy", "weights", "test images", "accuracy (95 %)", "macro F1",
               "calibration error", "seconds")  # fmt: skip
    return Section("Each run on its own test part", tables=[Table(columns, rows)])


def _flips(comparison: Comparison, images: bool) -> list[Section]:
    """Return the section on flipped products of each run but the first."""
    if not comparison.flips:
        return [Section("Products that flipped", ["None: the runs predict the same images right."])]
    paths, reason = _paths(comparison, images)
    sections = []
    for run in dict.fromkeys(flip.run for flip in comparison.flips):
        flips = [flip for flip in comparison.flips if flip.run == run]
        rows = [
            (flip.change, flip.head, flip.image_id, flip.truth, _prediction(flip.first, flip.first_confidence),
             _prediction(flip.second, flip.second_confidence))
            for flip in flips[:_ROWS]
        ]  # fmt: skip
        columns = ("change", "head", "image", "true", "first run", Path(run).name)
        counts = {change: sum(flip.change == change for flip in flips) for change in (GAINED, LOST)}
        text = [f"{counts[GAINED]:,} images gained and {counts[LOST]:,} lost by {run}. {reason}".strip()]
        if len(flips) > _ROWS:
            text.append(f"The first {_ROWS} are listed.")
        shown = [
            flip for change in (GAINED, LOST) for flip in [each for each in flips if each.change == change][:_CARDS]
        ]
        cards = [_card(flip, paths[flip.image_id]) for flip in shown if flip.image_id in paths]
        table = _table(columns, rows)
        sections.append(Section(f"Products that flipped: {Path(run).name}", text, tables=[table], cards=cards))
    return sections


def _paths(comparison: Comparison, images: bool) -> tuple[dict[str, str], str]:
    """Return image id -> path, and why there is none, or ""."""
    if not images:
        return {}, "Images are left out of this copy."
    try:
        return paths_by_id(FinishedRun.read(comparison.runs[0]["run"]).read_catalog()), ""
    except InputError as error:
        log.warning("WARNING  no images: %s", error)
        return {}, f"No images: {error}."


def _prediction(name: str, confidence: float) -> str:
    return f"{name} ({confidence:.0%})"


def _card(flip: Flip, path: str) -> Card:
    lines = [
        f"{flip.change}, true: {flip.truth}",
        f"first: {_prediction(flip.first, flip.first_confidence)}",
        f"{Path(flip.run).name}: {_prediction(flip.second, flip.second_confidence)}",
    ]
    return Card([(thumbnail_url(path), flip.image_id)], lines)
