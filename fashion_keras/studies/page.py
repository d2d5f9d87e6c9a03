"""Page of a study: findings, the paper's numbers beside ours, figures and steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.evaluation.pages.page import PAGE, Figure, Page, Section, Table, figure
from fashion_keras.studies.study import StepReport, Study

_COLUMNS = ("system", "measure", "paper", "ours", "low", "high", "images", "seconds", "weights", "note")


def write_study_page(
    study: Study, out: Path, reports: Mapping[str, StepReport], rows: Sequence[Mapping[str, Any]], summary: str,
    differences: Sequence[str],
) -> Path:  # fmt: skip
    """Write report.html of a study into its folder, and return its path.

    Args:
        rows: as `as_rows` returns them; their numbers are texts, "" where there is none.
        summary: when, on what and how long it ran.
        differences: from the paper.
    """
    steps = [
        (name, None if report.skipped else report.seconds, report.skipped or "finished", report.command)
        for name, report in reports.items()
    ]
    sections = [
        Section("What was found", study.conclusions(reports) or ["Nothing yet: the steps that tell are not finished."]),
        Section("Figures", figures=_figures(study, out, reports)),
        *(_table(name, rows) for name in dict.fromkeys(row["table"] for row in rows)),
        Section("Differences from the paper", differences),
        Section("Every step", tables=[Table(("step", "seconds", "state", "command"), steps)]),
        Section("How to run it again", commands=[study.command(False), study.command(True)]),
    ]
    facts = [("study", study.name), ("run", summary)]
    return Page(study.title, facts, [], sections).write(out / PAGE)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Section:
    cells = [[_cell(row[column], column) for column in _COLUMNS] for row in rows if row["table"] == name]
    return Section(name, tables=[Table(["95 % from" if column == "low" else "to" if column == "high" else column
                                        for column in _COLUMNS], cells)])  # fmt: skip


def _cell(value: object, column: str) -> object:
    if value == "":
        return None
    return float(str(value)) if column in ("paper", "ours", "low", "high") else value


def _figures(study: Study, out: Path, reports: Mapping[str, StepReport]) -> list[Figure]:
    shown = [*figure(out / "results.png", "The paper's numbers and ours, with 95 % intervals.")]
    for step, file, text in study.figures:
        if step in reports and not reports[step].skipped:
            shown += figure(out / f"{step}-{file}", text)
    return shown
