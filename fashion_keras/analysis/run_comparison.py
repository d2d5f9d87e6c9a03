"""Comparison of runs on the test images that they share: scores, settings that differ, products that flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.report_config import CompareConfig
from fashion_keras.evaluation.metrics import classification
from fashion_keras.evaluation.metrics.paired import Difference, macro_f1_difference, mean_difference, product_changes
from fashion_keras.evaluation.reports.prediction_rows import PredictionRows
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.training.finished_run import FinishedRun

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCES = ("accuracy", "top_3", "macro_f1")
GAINED, LOST = "gained", "lost"


@dataclass(frozen=True, kw_only=True)
class RunScores:
    """Scores of a run's head on the shared test images; `differences` from the first run, empty for that one itself.

    gained, lost: products of which more, and fewer, images are predicted right than by the first run.
    """

    run: str
    head: str
    accuracy: float
    top_3: float
    macro_f1: float
    ece: float
    differences: dict[str, Difference]
    gained: int = 0
    lost: int = 0


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Test image that one of two runs predicts right, of a product that the later run gains or loses."""

    run: str
    head: str
    product: str
    image_id: str
    change: str
    truth: str
    first: str
    first_confidence: float
    second: str
    second_confidence: float


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; the first is the one that the others are compared with.

    Attributes:
        runs: one row each: run, backbone, strategy, weights, accuracy and accuracy_ci95 on its own test part, its test
            images, seconds.
        images, products: test images that all runs share with the same truth in every head, and their products.
        truth_differs: shared images that are left out, because their label differs between the runs.
        scores, flips: of each head that all runs have.
        settings: what differs: setting, and its value in each run.
    """

    runs: list[dict[str, Any]]
    images: int
    products: int
    truth_differs: int
    scores: list[RunScores]
    settings: list[dict[str, Any]]
    flips: list[Flip]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return asdict(self)

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row for each head and run: scores, differences with the ends of their intervals."""
        import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

        rows = []
        for score in self.scores:
            row = {name: getattr(score, name) for name in ("head", "run", *DIFFERENCES, "ece")}
            row |= {"images": self.images, "products": self.products}
            for name in DIFFERENCES:
                difference = score.differences.get(name)
                ends = (difference.interval if difference else None) or (None, None)
                row |= {f"{name}_difference": difference.value if difference else None}
                row |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
            rows.append(row | {"gained": score.gained, "lost": score.lost})
        return pd.DataFrame(rows)


def compare_runs(*runs: str | Path, seed: int = 0) -> "pd.DataFrame":
    """Compare finished runs of one task with the first of them, on the test images that all of them share.

    Returns a DataFrame with a row for each head and run: accuracy, top_3, macro_f1, ece; images and products shared;
    for the first three the difference from the first run and the ends of its 95 % interval (paired bootstrap over
    products); gained and lost: products of which more, and fewer, images are predicted right.

    Raises:
        InputError: for fewer than two runs, a broken or old one, runs of different tasks, no shared test image.
    """
    return compare(CompareConfig(runs=tuple(map(str, runs)), seed=seed)).to_frame()


def compare(config: CompareConfig | Mapping[str, Any]) -> Comparison:
    """Return the comparison of finished runs; InputError as `compare_runs`."""
    config = as_config(CompareConfig, config)
    return compare_finished([FinishedRun.read(run) for run in config.runs], config.seed)


def compare_finished(runs: Sequence[FinishedRun], seed: int = 0) -> Comparison:
    """Return the comparison of finished runs, read already."""
    heads = _shared_heads(runs)
    ids, differing = _shared_ids(runs, heads)
    products = _products(runs[0], ids)
    scores, flips = [], []
    for head in heads:
        aligned = [_align(run.rows[head], ids) for run in runs]
        for run, rows in zip(runs, aligned, strict=True):
            scores.append(_scores(run, head, aligned[0], rows, products, seed))
            flips += _flips(run, head, aligned[0], rows, products)
    return Comparison(
        [_run_row(run) for run in runs],
        len(ids),
        len(np.unique(products)),
        differing,
        scores,
        _differing_settings(runs),
        flips,
    )


def _shared_heads(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the single-valued heads that all runs have; InputError where there is none."""
    heads = [name for name in runs[0].rows if all(name in run.rows for run in runs)]
    if not heads:
        tasks = ", ".join(f"{run.folder}: {run.report.task}" for run in runs)
        raise InputError(f"the runs have no single-valued head in common ({tasks}): compare runs of one task")
    return heads


def _shared_ids(runs: Sequence[FinishedRun], heads: Sequence[str]) -> tuple[list[str], int]:
    """Return the image ids that are in the test parts of all runs as the same product, and how many labels differ."""
    parts = [dict(zip(run.manifest.parts["test"], run.manifest.part_hashes["test"], strict=True)) for run in runs]
    shared = [name for name, product in parts[0].items() if all(part.get(name) == product for part in parts[1:])]
    ids = []
    truths = [[dict(zip(run.rows[head].ids, run.rows[head].truth, strict=True)) for head in heads] for run in runs]
    known = [name for name in shared if all(name in truth for run in truths for truth in run)]
    for name in known:
        if all(truth[name] == first[name] for run in truths[1:] for truth, first in zip(run, truths[0], strict=True)):
            ids.append(name)
    if not ids:
        names = ", ".join(str(run.folder) for run in runs)
        raise InputError(f"{names}: no test image in common; compare runs on one catalog with one --split and --seed")
    return ids, len(known) - len(ids)


def _products(run: FinishedRun, ids: Sequence[str]) -> NDArray[np.str_]:
    hashes = dict(zip(run.manifest.parts["test"], run.manifest.part_hashes["test"], strict=True))
    return np.array([hashes[name] for name in ids])


def _align(rows: PredictionRows, ids: Sequence[str]) -> PredictionRows:
    place = {name: number for number, name in enumerate(rows.ids.tolist())}
    return rows.take(np.array([place[name] for name in ids], np.int64))


def _scores(
    run: FinishedRun, head: str, first: PredictionRows, rows: PredictionRows, products: NDArray[np.str_], seed: int
) -> RunScores:
    classes = sorted({*first.classes, *rows.classes})
    code = {name: number for number, name in enumerate(classes)}
    truth, before, after = (
        np.array([code[name] for name in names], np.int64) for names in (rows.truth, first.predicted, rows.predicted)
    )
    changes = product_changes(first.right, rows.right, products)
    differences = {}
    if rows is not first:
        differences = {
            "accuracy": mean_difference(first.right, rows.right, products, seed),
            "top_3": mean_difference(first.in_top(3), rows.in_top(3), products, seed),
            "macro_f1": macro_f1_difference(truth, before, after, len(classes), products, seed),
        }
    return RunScores(
        run=str(run.folder),
        head=head,
        accuracy=float(rows.right.mean()),
        top_3=float(rows.in_top(3).mean()),
        macro_f1=classification.macro_f1(classification.confusion_matrix(truth, after, len(classes))),
        ece=classification.expected_calibration_error(rows.confidence, rows.right),
        differences=differences,
        gained=len(np.unique(products[changes > 0])),
        lost=len(np.unique(products[changes < 0])),
    )


def _flips(
    run: FinishedRun, head: str, first: PredictionRows, rows: PredictionRows, products: NDArray[np.str_]
) -> list[Flip]:
    """Return the images that flip in the direction of their product, the most confident first."""
    changes = product_changes(first.right, rows.right, products)
    own = rows.right.astype(int) - first.right.astype(int)
    flipped = np.flatnonzero((own != 0) & (own == np.sign(changes)))
    order = flipped[np.lexsort((-rows.confidence[flipped], own[flipped]))]
    return [
        Flip(
            run=str(run.folder),
            head=head,
            product=str(products[row]),
            image_id=str(rows.ids[row]),
            change=GAINED if own[row] > 0 else LOST,
            truth=str(rows.truth[row]),
            first=str(first.predicted[row]),
            first_confidence=float(first.confidence[row]),
            second=str(rows.predicted[row]),
            second_confidence=float(rows.confidence[row]),
        )
        for row in order
    ]


def _run_row(run: FinishedRun) -> dict[str, Any]:
    report = run.report
    return {
        "run": str(run.folder),
        "task": report.task,
        "backbone": report.backbone,
        "strategy": report.strategy,
        "weights": report.weights,
        "test_images": report.counts["test"],
        **{name: report.test.get(name) for name in ("accuracy", "accuracy_ci95", "macro_f1", "ece")},
        "seconds": report.seconds["total"],
    }


def _differing_settings(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """Return what differs in the runs' configs, catalogs, weights, devices and versions: setting and values."""
    configs = [run.config.to_dict() for run in runs]
    values = {name: [config[name] for config in configs] for name in configs[0] if name != "out"}
    values["strategy"] = [run.report.strategy for run in runs]
    values["weights"] = [run.report.weights for run in runs]
    values["catalog (fingerprint)"] = [run.manifest.fingerprint[:12] for run in runs]
    values["device"] = [run.report.device for run in runs]
    for name in dict.fromkeys(name for run in runs for name in run.report.versions):
        values[f"version of {name}"] = [run.report.versions.get(name) for run in runs]
    return [{"setting": name, "values": row} for name, row in values.items() if any(value != row[0] for value in row)]
