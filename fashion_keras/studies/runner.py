"""A study is carried out step by step, each a command of its own process; what is finished is not run again."""

import hashlib
import json
import logging
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes, uniform_numbers
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.studies.report import write_report
from fashion_keras.studies.study import CatalogSubset, Step, Study
from fashion_keras.support.atomic_files import read_json, write_csv, write_json
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

REPORT = "report.json"
# Commands that keep their report in their folder; others print it.
_KEEP = ("train", "train-encoder", "autoencode")


def run_study(study: Study, data: str | None, out: str | Path, quick: bool = False) -> dict[str, Any]:
    """Run a study, or what is left of it, and write README.md, results.csv and figures after every step.

    Args:
        study: which.
        data: the catalogue, as `locate` takes it.
        out: the study's folder; an interrupted study goes on there.
        quick: few products and epochs.

    Returns:
        name -> the report of each step.

    Raises:
        InputError: when the catalogue lacks a column, `out` holds another study, or a step refuses its input.
    """
    source, sample = resolve_dataset(data)
    catalog = read_catalog(source)
    _check(study, catalog)
    out = Path(out)
    _claim(out, {"study": study.name, "quick": quick, "catalogue": catalog.fingerprint})
    places = {"data": "sample" if sample else str(source)}
    places |= {part.name: str(_write_part(part, catalog, out / "parts")) for part in study.parts}
    about = {"products": len(catalog), "sample": sample, "quick": quick}
    done: dict[str, Any] = {}
    # A step is what it was when its words, and those of the steps that they name, are.
    identities = {name: name for name in (*places, "here")}
    for number, step in enumerate(study.steps, 1):
        log.info("step %d of %d, %s: %s", number, len(study.steps), step.name, study.typed(step, quick))
        folder = out / "steps" / step.name
        places[step.name] = str(folder)
        said = f"{step.name} {step.words(quick).format_map(identities)}"
        identities[step.name] = hashlib.sha256(said.encode()).hexdigest()
        report = _run(step, folder, places, quick, identities[step.name])
        done[step.name] = report | {"command": study.typed(step, quick)}
        write_report(study, out, done, about)
    return done


def _check(study: Study, catalog: Catalog) -> None:
    missing = [name for name in study.columns if name not in catalog.columns]
    if missing:
        raise InputError(
            f"study {study.name} needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"{catalog.folder} has: {', '.join(catalog.columns)}"
        )


def _claim(out: Path, what: dict[str, Any]) -> None:
    """Mark a folder as that of this study, or check that it is."""
    path = out / "study.json"
    if path.is_file():
        if read_json(path) != what:
            raise InputError(f"{out}: holds another study, or of another catalogue or pace; give another --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: not an empty folder; give another --out")
    write_json(path, what)


def _write_part(part: CatalogSubset, catalog: Catalog, folder: Path) -> Path:
    rows = np.ones(len(catalog), dtype=bool)
    for column, value in part.where.items():
        rows &= catalog.columns[column] == value
    if part.share:
        number, count = part.share
        numbers = uniform_numbers(product_hashes(catalog), count, "study part")
        rows &= (numbers * count).astype(int) == number
    if not rows.any():
        raise InputError(f"{catalog.folder}: no product for the part {part.name!r} ({dict(part.where)})")
    chosen = catalog.take(np.flatnonzero(rows))
    columns = {"id": chosen.ids, "path": [str(Path(path).resolve()) for path in chosen.paths], **chosen.columns}
    table = folder / f"{part.name}.csv"
    lines = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    write_csv(table, tuple(columns), lines)
    return table


def _run(step: Step, folder: Path, places: Mapping[str, str], quick: bool, identity: str) -> dict[str, Any]:
    """Return the report of a step, with its `seconds_in_all`; run it if there is none, or another's.

    A function takes seconds and is always run.
    """
    kept = folder.with_suffix(".json")
    if kept.is_file() and not step.compute:
        before = read_json(kept)
        if before["identity"] == identity:
            return before
        shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    if step.compute:
        report = step.compute(places)
    else:
        report = _report(shlex.split(step.words(quick)), folder, {**places, "here": str(folder)})
    report |= {"identity": identity, "seconds_in_all": round(time.perf_counter() - began, 1)}
    write_json(kept, report)
    return report


def _report(words: list[str], folder: Path, places: Mapping[str, str]) -> dict[str, Any]:
    command, *flags = (word.format_map(places) for word in words)
    if command not in _KEEP:
        shutil.rmtree(folder, ignore_errors=True)
        return json.loads(_call([command, *flags, "--json"], folder))
    if command == "train" and (folder / "config.json").is_file():
        _call(["train", "--resume", str(folder)], folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        _call([command, *flags, "--out", str(folder)], folder)
    return read_json(folder / REPORT)


def _call(arguments: list[str], folder: Path) -> str:
    """Return what a command prints; InputError with what it said when it fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-m", "fashion_keras", *arguments]
    with folder.with_suffix(".log").open("a", encoding="utf-8") as said:
        done = subprocess.run(program, stdout=subprocess.PIPE, stderr=said, text=True, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        lines = folder.with_suffix(".log").read_text(encoding="utf-8").splitlines() or ["no word"]
        raise InputError(f"step {folder.name} ended with {done.returncode}: {lines[-1]}")
    return done.stdout
