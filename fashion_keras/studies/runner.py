"""Study runner: each step is a command in a process of its own; finished steps are not run again.

A step whose backbone's ImageNet weights cannot be had is skipped: random ones would take hours and show nothing.
"""

import hashlib
import json
import logging
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.datasets import SAMPLE
from fashion_keras.catalog.product_hashes import uniform_numbers
from fashion_keras.features.registry import resolve_encoder
from fashion_keras.images.validation import read_source
from fashion_keras.studies.config import StudyConfig
from fashion_keras.studies.report import write_report
from fashion_keras.studies.study import CatalogSubset, Step, StepReport, Study
from fashion_keras.support.atomic_files import check_output_dir, read_json, write_csv, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar
from fashion_keras.support.tensorflow_import import import_tensorflow

log = logging.getLogger("fashion_keras")

# Commands that write their report into their folder; others print it.
_WRITE_REPORT = ("train", "train-encoder", "autoencode")


def default_out(study: Study, quick: bool) -> str:
    """Return the folder of a study where none is given."""
    return f"runs/study-{study.name}{'-quick' if quick else ''}"


def run_study(study: Study, config: StudyConfig | Mapping[str, Any] | None = None) -> dict[str, StepReport]:
    """Run a study, or its unfinished steps, and return step name -> report; write tables and figures after every step.

    The report of a skipped step holds the reason: see `Step.imagenet`. InputError when the catalog lacks a column,
    `out` holds another study, or a step refuses its input.
    """
    config = as_config(StudyConfig, config)
    catalog, data = read_source(config.data)
    if missing := [name for name in study.columns if name not in catalog.columns]:
        raise InputError(
            f"study {study.name} needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"{catalog.folder} has: {', '.join(catalog.columns)}"
        )
    out, quick = Path(config.out or default_out(study, config.quick)), config.quick
    _claim_folder(out, {"study": study.name, "quick": quick, "catalogue": catalog.fingerprint})
    folders = {"data": data}
    folders |= {part.name: str(_write_part(part, catalog, out / "parts")) for part in study.parts}
    reports: dict[str, StepReport] = {}
    # A step's identity covers its command and those of the steps that it names: it is run again when one changes.
    identities = {name: name for name in (*folders, "here")}
    with ProgressBar(f"study {study.name}", len(study.steps)) as bar:
        for number, step in enumerate(study.steps, 1):
            command = study.step_command(step, quick)
            log.info("step %d of %d, %s: %s", number, len(study.steps), step.name, command)
            folders[step.name] = str(out / "steps" / step.name)
            text = f"{step.name} {step.command_line(quick).format_map(identities)}"
            identities[step.name] = hashlib.sha256(text.encode()).hexdigest()
            reports[step.name] = _run_or_skip(step, command, folders, quick, identities[step.name])
            write_report(study, out, reports, len(catalog), data == SAMPLE, quick)
            bar.advance()
    return reports


def _claim_folder(out: Path, identity: dict[str, Any]) -> None:
    """Mark a folder as that of this study, or check that it is."""
    path = out / "study.json"
    if not path.is_file():
        write_json(check_output_dir(out, "") / path.name, identity)
    elif read_json(path) != identity:
        raise InputError(f"{out}: holds another study, or of another catalog or pace; give another --out")


def _write_part(part: CatalogSubset, catalog: Catalog, folder: Path) -> Path:
    """Write the rows of a part as a CSV table, and return its path."""
    selected = np.ones(len(catalog), dtype=bool)
    for column, value in part.where.items():
        selected &= as_text(catalog.columns[column]) == value
    if part.share:
        number, count = part.share
        numbers = uniform_numbers(catalog.product_groups, count, "study part")
        selected &= (numbers * count).astype(int) == number
    if not selected.any():
        raise InputError(f"{catalog.folder}: no product for the part {part.name!r} ({dict(part.where)})")
    subset = catalog.take(np.flatnonzero(selected))
    columns = {"sku": subset.skus, "path": [str(Path(path).resolve()) for path in subset.paths], **subset.columns}
    table = folder / f"{part.name}.csv"
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    write_csv(table, tuple(columns), rows)
    return table


def _run_or_skip(step: Step, command: str, folders: Mapping[str, str], quick: bool, identity: str) -> StepReport:
    path = Path(folders[step.name]).with_suffix(".json")
    # A step that was finished had its weights, whether or not they can be had again.
    finished = path.is_file() and read_json(path)["identity"] == identity
    if step.imagenet and not finished and (reason := _missing_weights(step.imagenet)):
        log.info("step %s is not run: %s", step.name, reason)
        return StepReport({}, command, skipped=f"no ImageNet weights of {step.imagenet}")
    values = _run_step(step, folders, quick, identity)
    return StepReport(values, command, values["seconds_in_all"])


@cache
def _missing_weights(backbone: str) -> str:
    """Return why a backbone's ImageNet weights cannot be had, asked once in a process; "" where they can."""
    import_tensorflow()
    from fashion_keras.models.pretrained_weights import initialize  # noqa: PLC0415 - imports Keras

    try:
        initialize(resolve_encoder(backbone).spec, "imagenet")
    except InputError as error:
        return str(error)
    return ""


def _run_step(step: Step, folders: Mapping[str, str], quick: bool, identity: str) -> dict[str, Any]:
    """Return the report of a step; run it unless one of the same identity is there. A function is always run."""
    folder = Path(folders[step.name])
    path = folder.with_suffix(".json")
    if path.is_file() and not step.compute:
        report = read_json(path)
        if report["identity"] == identity:
            return report
        shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    if step.compute:
        report = step.compute(folders)
    else:
        report = _run_command(shlex.split(step.command_line(quick)), folder, {**folders, "here": str(folder)})
    report |= {"identity": identity, "seconds_in_all": round(time.perf_counter() - began, 1)}
    write_json(path, report)
    return report


def _run_command(words: list[str], folder: Path, folders: Mapping[str, str]) -> dict[str, Any]:
    """Run a command, or resume it where it was interrupted, and return its report."""
    command, *flags = (word.format_map(folders) for word in words)
    if command == "train" and (folder / "config.json").is_file():
        flags = ["--resume", str(folder)]
    else:
        shutil.rmtree(folder, ignore_errors=True)
        flags += ["--out", str(folder)] if command in _WRITE_REPORT else ["--json"]
    printed = _call([command, *flags], folder)
    return read_json(folder / "report.json") if command in _WRITE_REPORT else json.loads(printed)


def _call(arguments: list[str], folder: Path) -> str:
    """Return a command's standard output; InputError with the last line of its log when it fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log_path = folder.with_suffix(".log")
    program = [sys.executable, "-m", "fashion_keras", *arguments]
    with log_path.open("a", encoding="utf-8") as log_file:
        done = subprocess.run(program, stdout=subprocess.PIPE, stderr=log_file, text=True, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        lines = log_path.read_text(encoding="utf-8").splitlines() or ["no message"]
        raise InputError(f"step {folder.name} ended with {done.returncode}: {lines[-1]}")
    return done.stdout
