"""Study report: the paper's tables as Markdown, CSV and a figure, its numbers beside ours."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.evaluation.plots import style
from fashion_keras.studies.page import write_study_page
from fashion_keras.studies.study import ResultRow, Score, StepReport, Study
from fashion_keras.support.atomic_files import write_csv, write_text

_COLUMNS = (
    "table",
    "system",
    "measure",
    "paper",
    "ours",
    "low",
    "high",
    "images",
    "seconds",
    "weights",
    "note",
    "command",
)
_RANDOM_NOTE = "random weights: not a result"


def write_report(
    study: Study, out: Path, reports: Mapping[str, StepReport], products: int, sample: bool, quick: bool
) -> None:
    """Write README.md, report.html, results.csv and figures into `out`, of the steps finished or skipped so far.

    Findings come first, then tables and figures, then the differences from the paper. `products` is their number in the
    catalog; `sample`, whether it is the drawn sample.
    """
    rows = as_rows(study, reports)
    write_csv(out / "results.csv", _COLUMNS, rows)
    lines = [f"# {study.title}", "", f"`{study.command(quick)}`", "", _summary(study, reports, products), ""]
    nothing = "Nothing yet: the steps that tell are not finished, or could not be run."
    lines += ["## What was found", "", *(f"- {line}" for line in study.conclusions(reports) or [nothing]), ""]
    lines += [*_tables(rows), *_figures(study, out, reports), *_differences(study, sample, quick)]
    lines += ["## Every step", "", "| step | seconds | command |", "|---|---|---|"]
    for name, report in reports.items():
        seconds = f"not run: {report.skipped}" if report.skipped else f"{report.seconds:.0f}"
        lines.append(f"| {name} | {seconds} | `{report.command}` |")
    write_text(out / "README.md", "\n".join([*lines, ""]))
    differences = [line.removeprefix("- ").replace("**", "") for line in _differences(study, sample, quick)[2:] if line]
    write_study_page(study, out, reports, rows, _summary(study, reports, products).replace("**", ""), differences)


def as_rows(study: Study, reports: Mapping[str, StepReport]) -> list[dict[str, Any]]:
    """Return the lines of results.csv: the table cells of each row whose step is finished or skipped.

    `note` is why a row has no score, or that its score is not a result; else "".
    """
    rows = []
    for row in study.rows:
        if row.step not in reports:
            continue
        report = reports[row.step]
        score = Score(None, None, 0, "") if report.skipped else row.score(report)
        note = "not run: no weights" if report.skipped else _RANDOM_NOTE if report.has_random_weights else ""
        numbers = (row.paper, score.value, *(score.interval or (None, None)))
        texts = ("" if number is None else f"{number:.3f}" for number in numbers)
        cells = (row.table, row.system, score.unit, *texts, score.images, round(report.seconds))
        rows.append(dict(zip(_COLUMNS, (*cells, report.weights, note, report.command), strict=True)))
    return rows


def overview(studies: Sequence[Study]) -> str:
    """Return docs/studies/README.md: every system of the papers and the command that runs it here."""
    lines = ["# The papers' systems and the commands that run them", ""]
    lines += [
        "Words in capitals are folders: `DIR` a catalog, `OUT` a new one, others the folder of an earlier step. Steps "
        "with `--weights imagenet` are skipped where these weights cannot be had: Keras downloads them; those of "
        "`efficientnet_lite0` come in a Python package.",
        "",
    ]
    for study in studies:
        commands = {step.name: study.step_command(step, quick=False) for step in study.steps}
        lines += [f"## {study.title}", ""]
        lines += [f"The whole study: `{study.command(quick=False)}`; results: [{study.name}]({study.name}/).", ""]
        lines += ["| table | system | command |", "|---|---|---|"]
        systems = (f"| {row.table} | {row.system} | `{commands[row.step]}` |" for row in study.rows)
        lines += [*dict.fromkeys(systems), ""]
    return "\n".join(lines)


def _summary(study: Study, reports: Mapping[str, StepReport], products: int) -> str:
    minutes = sum(report.seconds for report in reports.values()) / 60
    took = f"{minutes:.0f} minutes" if minutes < 60 else f"{minutes / 60:.1f} hours"
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()})"
    finished, skipped = len(reports), sum(bool(report.skipped) for report in reports.values())
    parts = [str(date.today()), f"Python {platform.python_version()}", f"{products:,} products with an image"]
    parts += [f"{took} on {machine}"] + ([f"{skipped} steps not run, for want of weights"] if skipped else [])
    unfinished = "" if finished == len(study.steps) else f" **{finished} of {len(study.steps)} steps are done.**"
    return f"{', '.join(parts)}.{unfinished}"


def _figures(study: Study, out: Path, reports: Mapping[str, StepReport]) -> list[str]:
    """Draw or copy the figures into `out`, and return the lines that show them."""
    finished = {name: report for name, report in reports.items() if not report.skipped}
    # No figure shows what random weights predict beside a paper's number.
    results = {name: report for name, report in finished.items() if not report.has_random_weights}
    scores = [(row, row.score(results[row.step])) for row in study.rows if row.step in results]
    lines = []
    if measured := [(row, score) for row, score in scores if score.value is not None]:
        _draw(out / "results.png", measured, f"study {study.name}  ·  {len(measured)} results")
        lines += ["![The paper's numbers and ours](results.png)", ""]
    for step, file, text in study.figures:
        if step in finished:
            shutil.copyfile(out / "steps" / step / file, out / f"{step}-{file}")
            lines += [f"![{text}]({step}-{file})", "", text, ""]
    return lines


def _tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for table in dict.fromkeys(row["table"] for row in rows):
        lines += [f"## {table}", "", "| system | measure | paper | ours | 95 % | images | seconds | first weights |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [_table_line(row) for row in rows if row["table"] == table]
        lines.append("")
    return lines


def _table_line(row: Mapping[str, Any]) -> str:
    interval = f"{row['low']}–{row['high']}" if row["low"] else "–"
    if row["ours"]:
        ours = f"{row['ours']} ({row['note']})" if row["note"] else f"**{row['ours']}**"
        cells = [ours, interval, f"{row['images']:,}", str(row["seconds"]), _first_weights(row)]
    else:
        cells = [row["note"] or "–", *["–"] * 4]
    return f"| {' | '.join([row['system'], row['measure'] or '–', row['paper'] or '–', *cells])} |"


def _first_weights(row: Mapping[str, Any]) -> str:
    return "random" if row["weights"] == "none" else row["weights"] or "–"


def _differences(study: Study, sample: bool, quick: bool) -> list[str]:
    lines = ["## Differences from the paper", ""]
    lines += ["- **The images are drawn**, not products."] if sample else []
    if quick:
        lines.append("- `--quick`: few products and epochs, small images; it shows that every step runs, not how well.")
    if any(step.imagenet for step in study.steps):
        lines.append(
            "- Steps that start from ImageNet weights, or stand beside one that does, are not run where these weights "
            "cannot be had: no row shows what random weights predict in their place. First weights `random` are of "
            "networks that the paper, or the comparison, trains from scratch."
        )
    return [*lines, *(f"- {line}" for line in study.deviations), ""]


def _draw(path: Path, rows: Sequence[tuple[ResultRow, Score]], note: str) -> None:
    """Draw the paper's number as a ring and ours as a dot with its interval, a line for each row."""
    axes = style.new_axes(6, 0.3 * len(rows) + 0.4)
    places = np.arange(len(rows))[::-1]
    paper = np.array([row.paper for row, _ in rows], float)  # NaN where there is none
    ours = np.array([score.value for _, score in rows])
    ends = np.array([score.interval or (score.value, score.value) for _, score in rows])
    axes.hlines(places, ends[:, 0], ends[:, 1], color=style.ACCENT, linewidth=2)
    dots = axes.plot(ours, places, "o", color=style.ACCENT, markersize=5)
    handles, labels = dots, ["ours, 95 % interval"]
    if not np.isnan(paper).all():
        rings = axes.plot(paper, places, "o", color=style.MUTED, markersize=7, markerfacecolor="none")
        handles, labels = [*rings, *dots], ["paper", *labels]
    units = ["" if score.unit == "accuracy" else f" ({score.unit})" for _, score in rows]
    names = [style.short_name(row.system, 60) for row, _ in rows]
    axes.set_yticks(places, [name + unit for name, unit in zip(names, units, strict=True)])
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="x", color=style.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    style.style_axes(axes, "The paper's numbers and ours", note)
    style.legend(axes, handles, labels, None)
    style.save(axes.figure, path)
