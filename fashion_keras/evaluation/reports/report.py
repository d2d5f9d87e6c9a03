"""Reports: the typed content of report.json, of a run and of an evaluation."""

from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.support.notebook_table import notebook_table


@dataclass(frozen=True, kw_only=True)
class Scores(JsonRecord):
    """Scores of a classifier on test products.

    test and each of groups hold accuracy, top_3, macro_f1, ece, accuracy_ci95 and others: of the one group, or means
    over the groups. labels: with several groups or multi-valued ones, all labels as one multi-label task. per_product:
    of one single-valued group. counts: products per part, and rejected rows and files. corrections: what became of the
    reviewed labels of `--corrections`, see `CorrectionSummary`.
    """

    task: str
    classes: list[str]
    counts: dict[str, int]
    test: dict[str, Any]
    groups: dict[str, Any]
    per_class: list[dict[str, Any]]
    by_frequency: dict[str, Any]
    labels: dict[str, Any] | None = None
    per_product: dict[str, Any] | None = None
    hierarchy: dict[str, Any] | None = None
    corrections: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a score or count that is missing or no number; undefined scores are None."""
        interval = self.test.get("accuracy_ci95")
        ends = interval if isinstance(interval, list | tuple) and len(interval) == 2 else ("missing",)
        if not all(isinstance(value, Real | None) for value in (self.test.get("accuracy", "missing"), *ends)):
            raise InputError("'test.accuracy' or 'test.accuracy_ci95' is missing or no number")
        if "test" not in self.counts:
            raise InputError("'counts.test' is missing")

    def _repr_html_(self) -> str:
        """Return the scores, and those of each class, as tables, for notebooks."""
        columns = ("name", "support", "precision", "recall", "f1", "average_precision")
        rows = [[row.get(name) for name in columns] for row in self.per_class]
        return notebook_table(["report", ""], self.summary()) + notebook_table(columns, rows, "per class")

    def summary(self) -> list[tuple[str, Any]]:
        """Return (name, value) of the task, the test scores and the number of test images."""
        shown = [
            "undefined" if value is None else f"{value:.3f}"
            for value in (self.test["accuracy"], *self.test["accuracy_ci95"])
        ]
        scores = [(name, self.test.get(name)) for name in ("top_3", "macro_f1", "ece")]
        accuracy = f"{shown[0]} (95 % interval {shown[1]}–{shown[2]})"
        return [("task", self.task), ("accuracy", accuracy), *scores, ("test images", self.counts["test"])]


@dataclass(frozen=True, kw_only=True)
class Report(Scores):
    """Report of a run, or of all folds of a cross-validation; report.json in its folder.

    seconds and images_per_second are of encoding, training and testing; test_in_initial_weights counts test images of
    products that the initial weights were trained on; calibration: group name -> temperature, ece_before, ece_after;
    tuned: the head that the search chose; leaks: as of `count_leaks`; over_folds: best, mean and deviation of each
    score over `folds`; int8: comparison of the int8 network with float32, with --precision int8; distribute: mode,
    replicas, workers and global_batch of a run with --distribute.
    """

    FORMAT: ClassVar[str] = "fashion_keras.report/2"
    FILE: ClassVar[str] = "report.json"

    backbone: str
    strategy: str
    weights: str
    seconds: dict[str, float]
    versions: dict[str, str]
    images_per_second: dict[str, float] | None = None
    warnings: list[str] = field(default_factory=list)
    leaks: dict[str, Any] | None = None
    device: str = ""
    test_in_initial_weights: int = 0
    calibration: dict[str, Any] | None = None
    tuned: dict[str, Any] | None = None
    int8: dict[str, Any] | None = None
    distribute: dict[str, Any] | None = None
    folds: list[dict[str, Any]] | None = None
    over_folds: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationReport(Scores):
    """Report of a run on a catalog.

    reasons: reason -> rejected rows and files; trained_on_left_out: products that the run was trained on;
    test_products_missing: products of the run's test part that the catalog lacks.
    """

    FORMAT: ClassVar[str] = "fashion_keras.evaluation/2"
    FILE: ClassVar[str] = "report.json"

    run: str
    catalog: str
    part: str
    reasons: dict[str, int]
    trained_on_left_out: int
    test_products_missing: int
