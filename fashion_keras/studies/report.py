"""Study report: the paper's tables as Markdown, CSV and a figure, its numbers beside ours."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.evaluation.plots import style
from fashion_keras.studies.study import ResultRow, Score, StepReport, Study
from fashion_keras.support.atomic_files import write_csv, write_text

_COLUMNS = ("table", "system", "measure", "paper", "ours", "low", "high", "images", "seconds", "weights", "command")


@dataclass(frozen=True)
class StudyInfo:
    """The circumstances of a study: products of the catalog, whether it is the drawn sample, whether it is quick."""

    products: int
    sample: bool
    quick: bool


def write_report(study: Study, out: Path, reports: Mapping[str, StepReport], info: StudyInfo) -> None:
    """Write README.md, results.csv and results.png into `out`, of the steps that are finished so far.

    Args:
        study: whose tables.
        out: folder; the steps' figures that the study shows are copied there.
        reports: name -> report of each finished step.
        info: as the report states it.
    """
    rows = _scored_rows(study, reports)
    measured = [(row, score) for row, score, _ in rows if score.value is not None]
    write_csv(out / "results.csv", _COLUMNS, as_rows(study, reports))
    if measured:
        _draw(out / "results.png", measured)
    figures = [figure for figure in study.figures if figure[0] in reports]
    for step, file, _ in figures:
        shutil.copyfile(out / "steps" / step / file, out / f"{step}-{file}")
    lines = [*_head(study, reports, info), *_tables(rows)]
    if len(reports) == len(study.steps):
        lines += ["## What it shows", "", *(f"- {line}" for line in study.conclude(reports)), ""]
    lines += ["![The paper's numbers and ours](results.png)", ""] if measured else []
    lines += [line for step, file, text in figures for line in (f"![{text}]({step}-{file})", "", text, "")]
    lines += ["## Differences from the paper", "", *(f"- {line}" for line in _deviations(study, info)), ""]
    lines += ["## Every step", "", *_steps(reports), ""]
    write_text(out / "README.md", "\n".join(lines))


def as_rows(study: Study, reports: Mapping[str, StepReport]) -> list[dict[str, Any]]:
    """Return the lines of results.csv: the table cells of each row whose step is finished."""
    return [_cells(*row) for row in _scored_rows(study, reports)]


def overview(studies: Sequence[Study]) -> str:
    """Return docs/studies/README.md: every system of the papers and the command that runs it here."""
    lines = ["# The papers' systems and the commands that run them", ""]
    lines += [
        "Words in capitals are folders: `DIR` a catalog, `OUT` a new one, others the folder of an earlier step.",
        "",
    ]
    for study in studies:
        commands = {step.name: study.display_command(step, quick=False) for step in study.steps}
        lines += [
            f"## {study.title}",
            "",
            f"The whole study: `fashion-keras study {study.name} --data DIR`; results: [{study.name}]({study.name}/).",
        ]
        lines += ["", "| table | system | command |", "|---|---|---|"]
        systems = (f"| {row.table} | {row.system} | `{commands[row.step]}` |" for row in study.rows)
        lines += [*dict.fromkeys(systems), ""]
    return "\n".join(lines)


def _scored_rows(study: Study, reports: Mapping[str, StepReport]) -> list[tuple[ResultRow, Score, StepReport]]:
    return [(row, row.score(reports[row.step]), reports[row.step]) for row in study.rows if row.step in reports]


def _head(study: Study, reports: Mapping[str, StepReport], info: StudyInfo) -> list[str]:
    command = f"fashion-keras study {study.name}{' --quick' if info.quick else ''} --data DIR"
    minutes = sum(report.seconds for report in reports.values()) / 60
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()}), {python}"
    finished, steps = len(reports), len(study.steps)
    unfinished = "" if finished == steps else f" **{finished} of {steps} steps are done.**"
    counts = f"{info.products:,} products with an image; {minutes:.0f} minutes."
    return [f"# {study.title}", "", f"`{command}`", "", f"{date.today()}, {machine}; {counts}{unfinished}", ""]


def _tables(rows: Sequence[tuple[ResultRow, Score, StepReport]]) -> list[str]:
    lines = []
    for table in dict.fromkeys(row.table for row, _, _ in rows):
        lines += [f"## {table}", "", "| system | measure | paper | ours | 95 % | images | seconds | first weights |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [_table_line(row, score, report) for row, score, report in rows if row.table == table]
        lines.append("")
    return lines


def _table_line(row: ResultRow, score: Score, report: StepReport) -> str:
    cells = _cells(row, score, report)
    interval = f"{cells['low']}–{cells['high']}" if score.interval else "–"
    ours = f"**{cells['ours']}**" if cells["ours"] else "–"
    texts = (row.system, score.unit, cells["paper"] or "–", ours, interval)
    texts += (f"{score.images:,}", cells["seconds"], cells["weights"] or "–")
    return f"| {' | '.join(map(str, texts))} |"


def _cells(row: ResultRow, score: Score, report: StepReport) -> dict[str, Any]:
    low, high = score.interval or (None, None)
    paper, ours, low, high = ("" if value is None else f"{value:.3f}" for value in (row.paper, score.value, low, high))
    values = (row.table, row.system, score.unit, paper, ours, low, high, score.images, round(report.seconds))
    return dict(zip(_COLUMNS, (*values, report.weights, report.command), strict=True))


def _deviations(study: Study, info: StudyInfo) -> list[str]:
    general = []
    if info.sample:
        general.append("**The images are drawn**, not products.")
    if info.quick:
        general.append("`--quick`: few products and epochs, small images; it shows that every step runs, not how well.")
    general.append("First weights `none` are random: where the paper had ImageNet's, they were not available.")
    return [*general, *study.deviations]


def _steps(reports: Mapping[str, StepReport]) -> list[str]:
    lines = (f"| {name} | {report.seconds:.0f} | `{report.command}` |" for name, report in reports.items())
    return ["| step | seconds | command |", "|---|---|---|", *lines]


def _draw(path: Path, rows: Sequence[tuple[ResultRow, Score]]) -> None:
    """Draw the paper's number as a ring and ours as a dot with its interval, a line for each row."""
    axes = style.new_axes(6, 0.3 * len(rows) + 0.4)
    places = np.arange(len(rows))[::-1]
    ours = np.array([score.value for _, score in rows])
    ends = np.array([score.interval or (score.value, score.value) for _, score in rows])
    axes.hlines(places, ends[:, 0], ends[:, 1], color=style.ACCENT, linewidth=2)
    dots = axes.plot(ours, places, "o", color=style.ACCENT, markersize=5)[0]
    known = [(row.paper, place) for (row, _), place in zip(rows, places, strict=True) if row.paper is not None]
    handles, labels = [dots], ["ours, 95 % interval"]
    if known:
        values, at = zip(*known, strict=True)
        ring = axes.plot(values, at, "o", color=style.MUTED, markersize=7, markerfacecolor="none")[0]
        handles, labels = [ring, *handles], ["paper", *labels]
    units = ["" if score.unit == "accuracy" else f" ({score.unit})" for _, score in rows]
    names = [style.short_name(row.system, 60) for row, _ in rows]
    axes.set_yticks(places, [name + unit for name, unit in zip(names, units, strict=True)])
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="x", color=style.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    style.style_axes(axes, "The paper's numbers and ours")
    style.legend(axes, handles, labels, None)
    style.save(axes.figure, path)
