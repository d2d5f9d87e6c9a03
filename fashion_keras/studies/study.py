"""Studies: commands to run, and rows of a paper's tables whose numbers come from the reports of those commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Score:
    """A measured number beside a paper's.

    Attributes:
        value: None where the catalog has nothing to measure it on.
        interval: its 95 % interval, or None.
        images: how many it was measured on.
        unit: name of the measure.
    """

    value: float | None
    interval: tuple[float, float] | None
    images: int
    unit: str = "accuracy"


@dataclass(frozen=True)
class StepReport:
    """Report of a finished step, with accessors to the numbers that studies show.

    Attributes:
        values: the JSON object that the step's command wrote or printed.
        command: as a user would type it.
        seconds: how long the step took.
    """

    values: Mapping[str, Any]
    command: str = ""
    seconds: float = 0.0

    @property
    def weights(self) -> str:
        """Name of the first weights; "" for a command without."""
        return Path(str(self.values.get("weights", ""))).name

    @property
    def accuracy(self) -> Score:
        """Accuracy of a classifier on its test part; of a cross-validation, on all folds."""
        test = self.values["test"]
        return Score(test["accuracy"], tuple(test["accuracy_ci95"]), self.values["counts"]["test"])

    @property
    def top_3(self) -> Score:
        """Top-3 accuracy of a classifier on its test part."""
        return Score(self.values["test"]["top_3"], None, self.values["counts"]["test"], "top 3")

    @property
    def macro_f1(self) -> float:
        """Macro-F1 of a classifier on its test part."""
        return self.values["test"]["macro_f1"]

    @property
    def product_accuracy(self) -> Score:
        """Accuracy per product, by the cumulative maximum over its images."""
        products = self.values["per_product"]["all"]
        by_maximum = products["cumulative_maximum"]
        interval = tuple(by_maximum["accuracy_ci95"])
        return Score(by_maximum["accuracy"], interval, products["products"], "accuracy per product")

    @property
    def fold_accuracies(self) -> tuple[float, float, float]:
        """Mean, standard deviation and best of the folds' accuracies."""
        folds = self.values["over_folds"]["accuracy"]
        return folds["mean"], folds["standard_deviation"], folds["best"]

    def label_f1(self, assigned: str, mean: str) -> Score:
        """F1 of all labels together.

        Args:
            assigned: "given", by the thresholds; or "top_8", the eight most probable.
            mean: "micro" or "macro".
        """
        scores = self.values["labels"][assigned][mean]
        unit = f"{mean}-F1" + (", eight labels" if assigned == "top_8" else "")
        return Score(scores["f1"], tuple(scores["f1_ci95"]), self.values["counts"]["test"], unit)

    def rows(self, *keys: str) -> list[dict[str, Any]]:
        """Return the rows of a table of the report: those under `keys`, one within the other."""
        table: Any = self.values
        for key in keys:
            table = table[key]
        return table


@dataclass(frozen=True)
class CatalogSubset:
    """A part of the catalog as a catalog of its own.

    Attributes:
        name: how steps refer to it.
        where: column -> the value that its products have.
        share: (i, n): the i-th of n parts, by product hash, of about equal size; None for all.
    """

    name: str
    where: Mapping[str, str] = field(default_factory=dict)
    share: tuple[int, int] | None = None


class _CapitalNames(dict[str, str]):
    """Placeholders for the folders in a displayed command: their names in capitals."""

    def __missing__(self, name: str) -> str:
        return name.upper()


@dataclass(frozen=True)
class Step:
    """A command whose report a study needs.

    Attributes:
        name: of its folder; later steps write {name} for it.
        command: after `fashion-keras`; {data} is the catalog, {NAME} a part of it or an earlier step's folder, {here}
            its own.
        full, quick: the flags that are added without, and with, --quick.
        compute: instead of a command, a function of the steps' folders (name -> folder) that returns the report.
    """

    name: str
    command: str = ""
    full: str = ""
    quick: str = ""
    compute: Callable[[Mapping[str, str]], dict[str, Any]] | None = None

    def command_line(self, quick: bool) -> str:
        """Return the command with its flags."""
        return f"{self.command} {self.quick if quick else self.full}".strip()

    def command_text(self, quick: bool) -> str:
        """Return the command as a user would type it, folders in capitals."""
        return f"fashion-keras {self.command_line(quick)}".format_map(_CapitalNames(data="DIR", here="OUT"))


@dataclass(frozen=True)
class ResultRow:
    """A line of a paper's table.

    Attributes:
        table: its title.
        system: as the paper calls it; ours are called so.
        paper: the paper's number, None where it has none.
        step: whose report has ours.
        score: how it is read from the report.
    """

    table: str
    system: str
    paper: float | None
    step: str
    score: Callable[[StepReport], Score] = attrgetter("accuracy")


@dataclass(frozen=True)
class Study:
    """Experiments of a paper, as far as they can be run.

    Attributes:
        name: as written after `study`.
        title: of the paper.
        columns: that a catalog must have.
        parts, steps, rows: see `CatalogSubset`, `Step`, `ResultRow`; a step stands after those that it needs.
        deviations: how the study differs from the paper, whatever weights and data are at hand.
        conclude: (step -> report) -> sentences about the scores, true whichever way they turn out.
        figures: (step, file in its folder, caption).
    """

    name: str
    title: str
    columns: tuple[str, ...]
    parts: tuple[CatalogSubset, ...]
    steps: tuple[Step, ...]
    rows: tuple[ResultRow, ...]
    deviations: tuple[str, ...]
    conclude: Callable[[Mapping[str, StepReport]], list[str]] = lambda _: []
    figures: tuple[tuple[str, str, str], ...] = ()

    def display_command(self, step: Step, quick: bool) -> str:
        """Return the command that does a step: its own, or the study's where it is a function."""
        pace = " --quick" if quick else ""
        return f"fashion-keras study {self.name}{pace} --data DIR" if step.compute else step.command_text(quick)
