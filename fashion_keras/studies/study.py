"""Studies: commands to run, and rows of a paper's tables whose numbers come from the reports of those commands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

# How `models.pretrained_weights` begins its warning.
_RANDOM_WEIGHTS = "RANDOM WEIGHTS"
# The network of our own rows: its ImageNet weights are in a Python package, so that every machine can have them.
LITE = "efficientnet_lite0"
LITE_SIZE = "--image-size 112x84"
LITE_FLAGS = f"--backbone {LITE} {LITE_SIZE} --weights imagenet"
# Its last two stages: the others are run once for each image and view, so that an epoch takes a fifth of the time.
LITE_TUNING = "--strategy last_block:2 --learning-rate 5e-4 --schedule cosine"
LITE_TUNED = f"{LITE_FLAGS} {LITE_TUNING}"
LITE_DEVIATION = (
    "Where a row names EfficientNet-Lite0, it stands in for the paper's network: its ImageNet weights come in a Python "
    "package. Images are 112×84 pixels; fine-tuned means its last two of seven stages, the others being frozen."
)


@dataclass(frozen=True)
class Score:
    """A measured number, None where there is nothing to measure it on; 95 % interval; number of images; measure."""

    value: float | None
    interval: tuple[float, float] | None
    images: int
    unit: str = "accuracy"

    def __str__(self) -> str:
        """Return the number, and its interval if there is one.

        >>> str(Score(0.5, (0.25, 0.75), 12))
        '0.500 (0.250–0.750)'
        """
        return f"{self.value:.3f}" + ("" if self.interval is None else " ({:.3f}–{:.3f})".format(*self.interval))

    def overlaps(self, other: "Score") -> bool:
        """Return whether the intervals of two scores have a common point."""
        (low, high), (other_low, other_high) = self.interval, other.interval
        return low <= other_high and other_low <= high


@dataclass(frozen=True)
class StepReport:
    """The JSON report of a step's command, with the numbers that studies show; the command as typed.

    `skipped` is why the step was not run: its values are empty then; "" for a finished step.
    """

    values: Mapping[str, Any]
    command: str = ""
    seconds: float = 0.0
    skipped: str = ""

    @property
    def weights(self) -> str:
        """Name of the first weights; "" for a command without."""
        return Path(str(self.values.get("weights", ""))).name

    @property
    def has_random_weights(self) -> bool:
        """Whether random weights stand in for pretrained ones; False for a network trained from scratch on purpose."""
        return any(text.startswith(_RANDOM_WEIGHTS) for text in self.values.get("warnings", ()))

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
    def macro_f1(self) -> Score:
        """Mean F1 over the classes of a classifier on its test part."""
        return Score(self.values["test"]["macro_f1"], None, self.values["counts"]["test"], "macro-F1")

    @property
    def product_accuracy(self) -> Score:
        """Accuracy per product, by the cumulative maximum over its images."""
        products = self.values["per_product"]["all"]
        by_maximum = products["cumulative_maximum"]
        interval = tuple(by_maximum["accuracy_ci95"])
        return Score(by_maximum["accuracy"], interval, products["products"], "accuracy per product")

    def label_f1(self, assigned: str, mean: str) -> Score:
        """F1, "micro" or "macro", of all labels together, `assigned` "given" by the thresholds or the "top_8"."""
        scores = self.values["labels"][assigned][mean]
        unit = f"{mean}-F1" + (", eight labels" if assigned == "top_8" else "")
        return Score(scores["f1"], tuple(scores["f1_ci95"]), self.values["counts"]["test"], unit)


@dataclass(frozen=True)
class CatalogSubset:
    """A part of the catalog as a catalog of its own.

    Attributes:
        where: column -> the value that its products have.
        share: (i, n): the i-th of n equal parts by product hash; None for all.
    """

    name: str
    where: Mapping[str, str] = field(default_factory=dict)
    share: tuple[int, int] | None = None


@dataclass(frozen=True)
class Step:
    """A command whose report a study needs.

    Attributes:
        name: of its folder; later steps write {name} for it.
        command: after `fashion-keras`; {data} is the catalog, {NAME} a part of it or an earlier step's folder, {here}
            its own.
        full, quick: the flags that are added without, and with, --quick.
        compute: instead of a command, a function of the steps' folders (name -> folder) that returns the report.
        imagenet: the backbone without whose ImageNet weights the step is skipped: it starts from them, needs a step
            that does, or is there to be compared with one. "" for none.
    """

    name: str
    command: str = ""
    full: str = ""
    quick: str = ""
    compute: Callable[[Mapping[str, str]], dict[str, Any]] | None = None
    imagenet: str = ""

    def command_line(self, quick: bool) -> str:
        """Return the command with its flags."""
        return f"{self.command} {self.quick if quick else self.full}".strip()


@dataclass(frozen=True)
class ResultRow:
    """A line of a paper's table: the paper's number, and ours, which `score` reads from the report of a step."""

    table: str
    system: str
    paper: float | None
    step: str
    score: Callable[[StepReport], Score] = attrgetter("accuracy")


@dataclass(frozen=True)
class Finding:
    """Sentence on the reports of some steps (step -> report), true whichever way their scores turn out."""

    steps: tuple[str, ...]
    sentence: Callable[[Mapping[str, StepReport]], str]


@dataclass(frozen=True)
class Study:
    """Experiments of a paper, as far as they can be run.

    Attributes:
        columns: that a catalog must have.
        parts, steps, rows: see `CatalogSubset`, `Step`, `ResultRow`; a step stands after those that it needs.
        deviations: how the study differs from the paper, whatever weights and data are at hand.
        findings: what the scores show, the most important first.
        figures: (step, file in its folder, caption).
    """

    name: str
    title: str
    columns: tuple[str, ...]
    parts: tuple[CatalogSubset, ...]
    steps: tuple[Step, ...]
    rows: tuple[ResultRow, ...]
    deviations: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    figures: tuple[tuple[str, str, str], ...] = ()

    def command(self, quick: bool) -> str:
        """Return the command that runs the study."""
        return f"fashion-keras study {self.name}{' --quick' if quick else ''} --data DIR"

    def conclusions(self, reports: Mapping[str, StepReport]) -> list[str]:
        """Return the sentences of the findings whose steps are all finished."""
        finished = {name for name, report in reports.items() if not report.skipped}
        return [finding.sentence(reports) for finding in self.findings if finished.issuperset(finding.steps)]

    def step_command(self, step: Step, quick: bool) -> str:
        """Return the command of a step as a user would type it, folders in capitals; of a function, the study's."""
        if step.compute:
            return self.command(quick)
        folders = {"data": "DIR", "here": "OUT"}
        line = re.sub(r"{(.+?)}", lambda name: folders.get(name[1], name[1].upper()), step.command_line(quick))
        return f"fashion-keras {line}"
