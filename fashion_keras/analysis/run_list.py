"""List of the runs of classifiers in a folder: settings, scores and times of each, as a table."""

import logging
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.analysis.report_config import RUNS, RunsConfig
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.search.filters import check_filters, parse_conditions
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.finished_run import FinishedRun, is_run_report
from fashion_keras.training.manifests import RunManifest
from fashion_keras.training.run_folder import CONFIG

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("fashion_keras")

_NUMBERS = (
    "accuracy", "low", "high", "top_3", "macro_f1", "ece", "train", "validation", "test", "epochs", "seconds",
)  # fmt: skip
_TEXTS = ("run", "state", "task", "backbone", "strategy", "weights", "image_size", "data")
COLUMNS = (*_TEXTS, *_NUMBERS, "finished")


def list_runs(
    folder: str | Path = RUNS, sort: str = "run", reverse: bool = False, where: Mapping[str, Any] | None = None
) -> "pd.DataFrame":
    """Return a DataFrame with a row for each run of `train` at any depth below a folder.

    Columns: run (its folder), state (finished, or unfinished where training has begun), task, backbone, strategy,
    weights, image_size, data; accuracy with the ends low and high of its interval, top_3, macro_f1, ece; images in
    train, validation and test; epochs; seconds; finished (UTC). Missing values are None or NaN. A cross-validation is
    one row. A run that cannot be read is logged in a line, and left out.

    Args:
        folder: where runs are looked for.
        sort: a column: texts from A to Z, numbers and dates from high to low.
        reverse: sort the other way round.
        where: column -> value, values or range, as `search_similar` takes them.

    Raises:
        InputError: for a folder that is not there, an unknown column, a value that no run has.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder")
    if sort not in COLUMNS:
        raise unknown_name_error("column", sort, COLUMNS)
    frame = pd.DataFrame(list(_rows(Path(folder))), columns=list(COLUMNS))
    frame = frame.astype(dict.fromkeys(_NUMBERS, "float64"))
    if where and len(frame):
        frame = frame[_mask(frame, where)]
    is_number = sort in _NUMBERS or sort == "finished"
    return frame.sort_values(sort, ascending=is_number == reverse, kind="stable", ignore_index=True)


def list_runs_of(config: RunsConfig) -> "pd.DataFrame":
    """Return `list_runs` of a config."""
    return list_runs(config.folder or RUNS, config.sort, config.reverse, parse_conditions(config.where))


def _mask(frame: "pd.DataFrame", where: Mapping[str, Any]) -> Any:  # noqa: ANN401 - [n] bool
    texts = [name for name in COLUMNS if name not in _NUMBERS]
    known = {name: set(frame[name].dropna()) for name in texts}
    mask = frame["run"].notna()
    for name, condition in check_filters(where, COLUMNS, _NUMBERS, lambda name, _: known[name]).items():
        if name in _NUMBERS:
            mask &= condition.matches(frame[name].to_numpy())
        else:
            mask &= frame[name].fillna("").isin(condition.values)
    return mask


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for place, names, files in os.walk(folder):
        names.sort()
        if CONFIG not in files:
            continue
        path = Path(place)
        try:
            row = _finished(path) if Report.FILE in files else _unfinished(path, files)
        except InputError as error:
            log.warning("not listed: %s", error)
            row = None
        if row is not None:
            names.clear()  # the folds of a cross-validation are in its row
            yield row


def _finished(folder: Path) -> dict[str, Any] | None:
    """Return the row of a finished run; None for the report of anything but a run of `train`."""
    if not is_run_report(folder):
        return None
    run = FinishedRun.read(folder)
    report, test = run.report, run.report.test
    low, high = test["accuracy_ci95"]
    seconds = (folder / Report.FILE).stat().st_mtime
    return {
        **_settings(folder, run.config),
        "state": "finished",
        "weights": report.weights,
        **{name: test.get(name) for name in ("accuracy", "top_3", "macro_f1", "ece")},
        "low": low,
        "high": high,
        **{name: report.counts.get(name) for name in ("train", "validation", "test")},
        "epochs": _epochs(folder),
        "seconds": report.seconds["total"],
        "finished": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M"),
    }


def _unfinished(folder: Path, files: list[str]) -> dict[str, Any] | None:
    """Return the row of a run that was begun; None for the config of another command."""
    if RunManifest.FILE not in files:
        return None
    config = TrainConfig.from_dict(read_json(folder / CONFIG))
    return {**_settings(folder, config), "state": "unfinished", "epochs": _epochs(folder)}


def _settings(folder: Path, config: TrainConfig) -> dict[str, Any]:
    size = f"{config.image_spec.height}x{config.image_spec.width}"
    values = {name: getattr(config, name) for name in ("task", "backbone", "weights", "data")}
    return {"run": str(folder), **values, "strategy": config.strategy_name, "image_size": size}


def _epochs(folder: Path) -> int | None:
    """Return the number of finished epochs, one line each in history.csv; None for a cross-validation."""
    path = folder / "history.csv"
    return max(0, len(path.read_text(encoding="utf-8").splitlines()) - 1) if path.is_file() else None
