"""A study's tables as Markdown, CSV and a figure: the paper's numbers beside ours."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.evaluation.plots import style
from fashion_keras.studies.study import Report, ResultRow, Score, Study
from fashion_keras.support.atomic_files import write_csv, write_text

_COLUMNS = ("table", "system", "measure", "paper", "ours", "low", "high", "images", "seconds", "weights", "command")


def write_report(study: Study, out: Path, done: Mapping[str, Report], about: Mapping[str, Any]) -> None:
    """Write README.md, results.csv and results.png into `out`: of the steps that are `done` so far.

    Args:
        study: whose tables.
        out: folder; the steps' figures that the study shows are copied there.
        done: name -> report of each finished step.
        about: products, sample, quick.
    """
    rows = _scored(study, done)
    measured = [(row, score) for row, score, _ in rows if score.value is not None]
    write_csv(out / "results.csv", _COLUMNS, as_rows(study, done))
    if measured:
        _draw(out / "results.png", measured)
    shown = [figure for figure in study.figures if figure[0] in done]
    for step, file, _ in shown:
        shutil.copyfile(out / "steps" / step / file, out / f"{step}-{file}")
    lines = [*_head(study, done, about), *_tables(rows)]
    if len(done) == len(study.steps):
        lines += ["## What it shows", "", *(f"- {line}" for line in study.conclude(done)), ""]
    lines += ["![The paper's numbers and ours](results.png)", ""] if measured else []
    lines += [line for step, file, said in shown for line in (f"![{said}]({step}-{file})", "", said, "")]
    lines += ["## In what it is not the paper", "", *(f"- {line}" for line in _deviations(study, about)), ""]
    lines += ["## Every step", "", *_steps(done), ""]
    write_text(out / "README.md", "\n".join(lines))


def as_rows(study: Study, done: Mapping[str, Report]) -> list[dict[str, Any]]:
    """Return the lines of results.csv: of each row whose step is `done`, what stands in the tables."""
    return [_fields(*row) for row in _scored(study, done)]


def overview(studies: Sequence[Study]) -> str:
    """Return docs/studies/README.md: every system of the papers and the command that runs it here."""
    lines = ["# The papers' systems, and what runs them here", ""]
    lines += [
        "Words in capitals are folders: `DIR` a catalogue, `OUT` a new one, others what an earlier step made.",
        "",
    ]
    for study in studies:
        typed = {step.name: study.typed(step, quick=False) for step in study.steps}
        lines += [
            f"## {study.title}",
            "",
            f"All of it: `fashion-keras study {study.name} --data DIR`; what came out: [{study.name}]({study.name}/).",
        ]
        lines += ["", "| table | system | command |", "|---|---|---|"]
        systems = (f"| {row.table} | {row.system} | `{typed[row.step]}` |" for row in study.rows)
        lines += [*dict.fromkeys(systems), ""]
    return "\n".join(lines)


def _scored(study: Study, done: Mapping[str, Report]) -> list[tuple[ResultRow, Score, Report]]:
    return [(row, row.score(done[row.step]), done[row.step]) for row in study.rows if row.step in done]


def _head(study: Study, done: Mapping[str, Report], about: Mapping[str, Any]) -> list[str]:
    command = f"fashion-keras study {study.name}{' --quick' if about['quick'] else ''} --data DIR"
    minutes = sum(report["seconds_in_all"] for report in done.values()) / 60
    machine = (
        f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}"
    )
    unfinished = "" if len(done) == len(study.steps) else f" **{len(done)} of {len(study.steps)} steps are done.**"
    counted = f"{about['products']:,} products with a picture; {minutes:.0f} minutes."
    return [f"# {study.title}", "", f"`{command}`", "", f"{date.today()}, {machine}; {counted}{unfinished}", ""]


def _tables(rows: Sequence[tuple[ResultRow, Score, Report]]) -> list[str]:
    lines = []
    for table in dict.fromkeys(row.table for row, _, _ in rows):
        lines += [f"## {table}", "", "| system | measure | paper | ours | 95 % | images | seconds | first weights |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for row, score, report in rows:
            if row.table == table:
                found = _fields(row, score, report)
                between = f"{found['low']}–{found['high']}" if score.interval else "–"
                ours = found["ours"] and f"**{found['ours']}**"
                cells = (row.system, score.unit, found["paper"] or "–", ours or "–", between)
                cells += (f"{score.images:,}", found["seconds"], found["weights"] or "–")
                lines.append(f"| {' | '.join(map(str, cells))} |")
        lines.append("")
    return lines


def _fields(row: ResultRow, score: Score, report: Report) -> dict[str, Any]:
    low, high = score.interval or (None, None)
    paper, ours, low, high = ("" if value is None else f"{value:.3f}" for value in (row.paper, score.value, low, high))
    values = (row.table, row.system, score.unit, paper, ours, low, high, score.images, round(report["seconds_in_all"]))
    return dict(zip(_COLUMNS, (*values, _weights(report), report["command"]), strict=True))


def _weights(report: Report) -> str:
    """Name first weights; those of an earlier step by the step's name."""
    return Path(str(report.get("weights", ""))).name


def _deviations(study: Study, about: Mapping[str, Any]) -> list[str]:
    general = []
    if about["sample"]:
        general.append("**The pictures are drawn**, not products.")
    if about["quick"]:
        general.append(
            "`--quick`: few products and epochs, small pictures; it shows that all runs, not how well it can."
        )
    general.append("First weights `none` are random: where the paper had ImageNet's, they could not be had.")
    return [*general, *study.deviations]


def _steps(done: Mapping[str, Report]) -> list[str]:
    lines = (f"| {name} | {report['seconds_in_all']:.0f} | `{report['command']}` |" for name, report in done.items())
    return ["| step | seconds | command |", "|---|---|---|", *lines]


def _draw(path: Path, rows: Sequence[tuple[ResultRow, Score]]) -> None:
    """Draw the paper's number as a ring and ours as a dot with its interval, a line for each row."""
    axes = style.new_axes(6, 0.3 * len(rows) + 0.4)
    places = np.arange(len(rows))[::-1]
    ours = np.array([score.value for _, score in rows])
    ends = np.array([score.interval or (score.value, score.value) for _, score in rows])
    axes.hlines(places, ends[:, 0], ends[:, 1], color=style.ACCENT, linewidth=2)
    mine = axes.plot(ours, places, "o", color=style.ACCENT, markersize=5)[0]
    known = [(row.paper, place) for (row, _), place in zip(rows, places, strict=True) if row.paper is not None]
    handles, labels = [mine], ["ours, 95 % interval"]
    if known:
        values, at = zip(*known, strict=True)
        ring = axes.plot(values, at, "o", color=style.MUTED, markersize=7, markerfacecolor="none")[0]
        handles, labels = [ring, *handles], ["paper", *labels]
    axes.set_yticks(
        places,
        [
            style.short_name(row.system, 60) + ("" if score.unit == "accuracy" else f" ({score.unit})")
            for row, score in rows
        ],
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="x", color=style.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    style.style_axes(axes, "The paper's numbers and ours")
    style.legend(axes, handles, labels, None)
    style.save(axes.figure, path)
