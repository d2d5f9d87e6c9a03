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
from fashion_keras.studies.study import ResultRow, Score, StepReport, Study
from fashion_keras.support.atomic_files import write_csv, write_text

_COLUMNS = ("table", "system", "measure", "paper", "ours", "low", "high", "images", "seconds", "weights", "command")


def write_report(
    study: Study, out: Path, reports: Mapping[str, StepReport], products: int, sample: bool, quick: bool
) -> None:
    """Write README.md, results.csv and figures into `out`, of the steps that are finished so far.

    `products` is their number in the catalog; `sample`, whether it is the drawn sample.
    """
    rows = as_rows(study, reports)
    scores = [(row, row.score(reports[row.step])) for row in study.rows if row.step in reports]
    measured = [(row, score) for row, score in scores if score.value is not None]
    write_csv(out / "results.csv", _COLUMNS, rows)
    if measured:
        _draw(out / "results.png", measured)
    figures = [figure for figure in study.figures if figure[0] in reports]
    for step, file, _ in figures:
        shutil.copyfile(out / "steps" / step / file, out / f"{step}-{file}")
    lines = [f"# {study.title}", "", f"`{study.command(quick)}`", "", _summary(study, reports, products), ""]
    lines += _tables(rows)
    if len(reports) == len(study.steps):
        lines += ["## What it shows", "", *(f"- {line}" for line in study.conclude(reports)), ""]
    lines += ["![The paper's numbers and ours](results.png)", ""] if measured else []
    lines += [line for step, file, text in figures for line in (f"![{text}]({step}-{file})", "", text, "")]
    lines += ["## Differences from the paper", ""]
    lines += ["- **The images are drawn**, not products."] if sample else []
    if quick:
        lines.append("- `--quick`: few products and epochs, small images; it shows that every step runs, not how well.")
    lines.append("- First weights `none` are random: where the paper had ImageNet's, they were not available.")
    lines += [*(f"- {line}" for line in study.deviations), ""]
    lines += ["## Every step", "", "| step | seconds | command |", "|---|---|---|"]
    lines += [f"| {name} | {report.seconds:.0f} | `{report.command}` |" for name, report in reports.items()]
    write_text(out / "README.md", "\n".join([*lines, ""]))


def as_rows(study: Study, reports: Mapping[str, StepReport]) -> list[dict[str, Any]]:
    """Return the lines of results.csv: the table cells of each row whose step is finished."""
    rows = []
    for row in study.rows:
        if row.step not in reports:
            continue
        report = reports[row.step]
        score = row.score(report)
        numbers = (row.paper, score.value, *(score.interval or (None, None)))
        texts = ("" if number is None else f"{number:.3f}" for number in numbers)
        cells = (row.table, row.system, score.unit, *texts, score.images, round(report.seconds))
        rows.append(dict(zip(_COLUMNS, (*cells, report.weights, report.command), strict=True)))
    return rows


def overview(studies: Sequence[Study]) -> str:
    """Return docs/studies/README.md: every system of the papers and the command that runs it here."""
    lines = ["# The papers' systems and the commands that run them", ""]
    lines += [
        "Words in capitals are folders: `DIR` a catalog, `OUT` a new one, others the folder of an earlier step.",
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
    python = f"Python {platform.python_version()}"
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()}), {python}"
    finished, steps = len(reports), len(study.steps)
    unfinished = "" if finished == steps else f" **{finished} of {steps} steps are done.**"
    return f"{date.today()}, {machine}; {products:,} products with an image; {minutes:.0f} minutes.{unfinished}"


def _tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for table in dict.fromkeys(row["table"] for row in rows):
        lines += [f"## {table}", "", "| system | measure | paper | ours | 95 % | images | seconds | first weights |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for row in rows:
            if row["table"] == table:
                ours = f"**{row['ours']}**" if row["ours"] else "–"
                cells = (row["system"], row["measure"], row["paper"] or "–", ours, f"{row['low']}–{row['high']}")
                cells += (f"{row['images']:,}", str(row["seconds"]), row["weights"] or "–")
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines


def _draw(path: Path, rows: Sequence[tuple[ResultRow, Score]]) -> None:
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
    style.style_axes(axes, "The paper's numbers and ours")
    style.legend(axes, handles, labels, None)
    style.save(axes.figure, path)
