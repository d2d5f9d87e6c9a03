"""What a study is: commands to run, and rows of a paper's tables that are read off their reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """A number of ours beside a paper's.

    Attributes:
        value: what was measured; None where the catalogue has nothing to measure it by.
        interval: its 95 % interval, or None.
        images: how many it was measured on.
        unit: what it is.
    """

    value: float | None
    interval: tuple[float, float] | None
    images: int
    unit: str = "accuracy"


def accuracy(report: Report) -> Score:
    """Return the accuracy of a classifier on its test part, of a cross-validation on all folds."""
    test = report["test"]
    return Score(test["accuracy"], tuple(test["accuracy_ci95"]), report["counts"]["test"])


def by_cumulative_maximum(report: Report) -> Score:
    """Return the accuracy per product, by the cumulative maximum over its images."""
    products = report["per_product"]["all"]
    found = products["cumulative_maximum"]
    return Score(found["accuracy"], tuple(found["accuracy_ci95"]), products["products"], "accuracy per product")


@dataclass(frozen=True)
class CatalogSubset:
    """A part of the catalogue as a catalogue of its own.

    Attributes:
        name: how steps refer to it.
        where: column -> the value that its products have.
        share: (i, n): the i-th of n parts, by product hash, of about equal size; None for all.
    """

    name: str
    where: Mapping[str, str] = field(default_factory=dict)
    share: tuple[int, int] | None = None


class _Names(dict[str, str]):
    """What a person reads where a command has a folder."""

    def __missing__(self, name: str) -> str:
        return name.upper()


@dataclass(frozen=True)
class Step:
    """A command whose report a study needs.

    Attributes:
        name: of its folder; later steps write {name} for it.
        command: after `fashion-keras`; {data} is the catalogue, {NAME} a part of it or an earlier step's folder, {here}
            its own.
        full, quick: the flags that are added without, and with, --quick.
        compute: instead of a command, a function of the steps' folders (name -> folder) that returns the report.
    """

    name: str
    command: str = ""
    full: str = ""
    quick: str = ""
    compute: Callable[[Mapping[str, str]], dict[str, Any]] | None = None

    def words(self, quick: bool) -> str:
        """Return the command with its flags."""
        return f"{self.command} {self.quick if quick else self.full}".strip()

    def written(self, quick: bool) -> str:
        """Return the command as it is to be typed, folders in capitals."""
        return f"fashion-keras {self.words(quick)}".format_map(_Names(data="DIR", here="OUT"))


@dataclass(frozen=True)
class ResultRow:
    """A line of a paper's table.

    Attributes:
        table: which, in words.
        system: as the paper calls it; ours are called so.
        paper: the paper's number, None where it has none.
        step: whose report has ours.
        score: how it is read off the report.
    """

    table: str
    system: str
    paper: float | None
    step: str
    score: Callable[[Report], Score] = accuracy


@dataclass(frozen=True)
class Study:
    """A paper's experiments, or what of them can be run.

    Attributes:
        name: as written after `study`.
        title: of the paper.
        columns: that a catalogue must have.
        parts, steps, rows: see `Part`, `Step`, `ResultRow`; a step stands after those that it needs.
        deviations: in which the study is not the paper, whatever weights and data are at hand.
        conclude: sentences that the scores (step -> report) bear out, whichever way they go.
        figures: (step, file in its folder, what it shows).
    """

    name: str
    title: str
    columns: tuple[str, ...]
    parts: tuple[CatalogSubset, ...]
    steps: tuple[Step, ...]
    rows: tuple[ResultRow, ...]
    deviations: tuple[str, ...]
    conclude: Callable[[Mapping[str, Report]], list[str]] = lambda _: []
    figures: tuple[tuple[str, str, str], ...] = ()

    def typed(self, step: Step, quick: bool) -> str:
        """Return the command that does a step: its own, or the study's where it is a function."""
        pace = " --quick" if quick else ""
        return f"fashion-keras study {self.name}{pace} --data DIR" if step.compute else step.written(quick)
