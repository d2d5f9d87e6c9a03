"""Crash matrix: programs are interrupted at random moments, and must lose nothing and show nothing half.

python -m tests.trust.crash_matrix --moments 100 [--only index encode] [--faults kill disk]

For each scenario and fault, N times: a copy of the starting state; the program, and the fault at a random moment of the
time that it takes; a check of what is there then; the program again, to its end; the result must equal that of a run
without a fault. Faults by mounts need root, and `clock` needs faketime; otherwise they are shown as not run.
"""

import argparse
import csv
import hashlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fashion_keras.catalog.corrections import read_corrections
from fashion_keras.features.batch_folder import BatchFolder
from fashion_keras.search.indexing import open_index
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC
from tests.helpers.shop import TAXONOMY, write_shop
from tests.trust.programs import index_digest, index_states

SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}
FAULTS = (*SIGNALS, "disk", "readonly", "vanish", "clock")
_MiB, _PAGE = 2**20, 4096
_PATIENCE = 600
# An interruption while modules are loaded is not what is tested: a program begins when they are.
_START = """
import sys
try:
    from tests.trust.programs import main
except BaseException:
    sys.exit(130)
main(*sys.argv[1:])
"""
_ENCODE = ["features", "encode", "--shards", "4", "--data"]
_SMALL = ["--image-size", "32x32"]
_POSTGRES, _SERVER = "index postgres", "FASHION_KERAS_TEST_POSTGRES"
_CLI, _PROGRAM = ["-m", "fashion_keras"], ["-c", _START]


@dataclass(frozen=True)
class Scenario:
    """A program and what must hold.

    Attributes:
        prepare: makes the starting state in a folder.
        command: the arguments of Python, for a folder.
        check: (folder, acknowledged steps) -> "" or what is wrong, whenever the program was interrupted.
        result: folder -> what must be the same in the end.
        resume: the arguments of Python for the runs after the first; `command`, if not given.
    """

    prepare: Callable[[Path], None]
    command: Callable[[Path], list[str]]
    check: Callable[[Path, int], str]
    result: Callable[[Path], object]
    resume: Callable[[Path], list[str]] | None = None


def main() -> int:
    """Run the matrix and print its table; the exit code is the number of cells with a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--only", nargs="+", default=[*SCENARIOS], choices=SCENARIOS)
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| scenario | fault | moments | interrupted | faults |\n|---|---|---|---|---|")
    bad = 0
    for name in options.only:
        if name == _POSTGRES and _SERVER not in os.environ:
            print(f"| {name} | all | not run: {_SERVER} is not set | | |", flush=True)
            continue
        with tempfile.TemporaryDirectory() as place:
            cell = Cell(name, Path(place))
            for fault in options.faults:
                cells, problems = cell.run(fault, options.moments, random.Random(f"{options.seed} {name} {fault}"))
                bad += bool(problems)
                print(f"| {name} | {fault} | {cells} | {'; '.join(sorted(set(problems))) or '0'} |", flush=True)
    return min(bad, 100)


class Cell:
    """A scenario with its starting state, its seconds and its result without a fault."""

    def __init__(self, name: str, place: Path) -> None:
        self.scenario, self.place, self.start = SCENARIOS[name], place, place / "start"
        self.start.mkdir()
        self.scenario.prepare(self.start)
        whole = self._copy()
        began = time.monotonic()
        subprocess.run(self._command(whole), check=True, capture_output=True, timeout=_PATIENCE)
        self.seconds = time.monotonic() - began
        self.result, self.bytes = self.scenario.result(whole), _size(whole)
        shutil.rmtree(whole)

    def run(self, fault: str, moments: int, chance: random.Random) -> tuple[str, list[str]]:
        """Return "moments | interrupted" and the problems of a fault."""
        if missing := _missing(fault):
            return f"not run: {missing} | ", []
        interrupted, problems = 0, []
        for _ in range(moments):
            folder = self._copy()
            code, problem = self._moment(fault, folder, chance)
            interrupted += code != 0
            problems += [problem] if problem else []
            shutil.rmtree(folder)
        return f"{moments} | {interrupted}", problems

    def _moment(self, fault: str, folder: Path, chance: random.Random) -> tuple[int, str]:
        with _mounted(fault, folder, self.bytes, chance) as spoil:
            child = subprocess.Popen(
                self._command(folder, fault), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            struck = math.inf
            if fault in SIGNALS or fault == "vanish":
                try:
                    child.wait(chance.uniform(0, self.seconds))
                except subprocess.TimeoutExpired:
                    struck = time.monotonic()
                    spoil() if fault == "vanish" else child.send_signal(SIGNALS[fault])
            try:
                out, errors = child.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                return 1, f"no end after {_PATIENCE} s"
        if "Traceback" in errors:
            return child.returncode, f"traceback: {errors.strip().splitlines()[-1][:150]}"
        words = [line.split() for line in out.splitlines() if line.startswith("done ")]
        # What is acknowledged when the disk has gone is on another one.
        steps = [int(step) for _, step, when in words if float(when) < struck or fault != "vanish"]
        problem = self.scenario.check(folder, max(steps, default=0))
        if not problem:
            again = subprocess.run(self._command(folder, again=True), capture_output=True, text=True, timeout=_PATIENCE)
            if again.returncode:
                problem = f"the next run fails: {again.stderr.strip().splitlines()[-1:]}"
            elif self.scenario.result(folder) != self.result:
                problem = "another result"
        return child.returncode, problem

    def _copy(self) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self.place)) / "work"
        shutil.copytree(self.start, folder)
        return folder

    def _command(self, folder: Path, fault: str = "", again: bool = False) -> list[str]:
        arguments = (self.scenario.resume or self.scenario.command) if again else self.scenario.command
        clock = ["faketime", "-f", "-2d"] if fault == "clock" else []
        return [*clock, sys.executable, *arguments(folder)]


@contextmanager
def _mounted(fault: str, folder: Path, needed: int, chance: random.Random) -> Iterator[Callable[[], None]]:
    """Put a folder on a disk that is too small, read-only, or that goes away when the yielded function is called."""
    if fault not in ("disk", "readonly", "vanish"):
        yield lambda: None
        return
    own = folder.with_name("own")
    folder.rename(own)
    folder.mkdir()
    if fault == "disk":
        room = _size(own) + int(chance.random() * max(needed, _MiB // 4)) + 2**16
        _run("mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", folder)
        shutil.copytree(own, folder, dirs_exist_ok=True)
    else:
        _run("mount", "--bind", own, folder)
        if fault == "readonly":
            _run("mount", "-o", "remount,bind,ro", folder)
    try:
        yield lambda: _run("umount", "-l", folder)
    finally:
        if fault == "disk":
            shutil.rmtree(own)
            shutil.copytree(folder, own)
        # Not `ismount`, which does not know bind mounts; it may be gone already.
        subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
        # What a program wrote where the mount had been is not its state.
        shutil.rmtree(folder)
        own.rename(folder)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def _missing(fault: str) -> str:
    if fault in ("disk", "readonly", "vanish") and (sys.platform != "linux" or os.geteuid() != 0):
        return "needs root"
    return "faketime is not installed" if fault == "clock" and not shutil.which("faketime") else ""


def _size(folder: Path) -> int:
    """Return the bytes of a folder's files in whole pages, as a file system in memory counts them."""
    sizes = [path.stat().st_size if path.is_file() else 1 for path in folder.rglob("*")]
    return sum(-(-size // _PAGE) * _PAGE for size in sizes)


@cache
def _states() -> list[str]:
    with tempfile.TemporaryDirectory() as place:
        return index_states(Path(place) / "index")


def _check_index(folder: Path, done: int) -> str:
    return _check_content(folder / "index", done)


def _check_content(place: str | Path, done: int) -> str:
    digest = index_digest(open_index(place))
    if digest not in _states():
        return "a half-visible change"
    # A compaction changes nothing that can be seen, so the last state of that content counts.
    last = max(step for step, state in enumerate(_states()) if state == digest)
    return "" if last >= done else "an acknowledged change is lost"


def _check_corrections(folder: Path, done: int) -> str:
    path = folder / "corrections.csv"
    rows, malformed = read_corrections(path) if path.is_file() and path.stat().st_size else ([], [])
    if not {str(number) for number in range(done)} <= {row.sku for row in rows}:
        return "an acknowledged decision is lost"
    return "" if len(malformed) <= 1 else "several broken rows"


def _batch_result(folder: Path) -> object:
    batch = BatchFolder.open(folder / "out")
    rows = [table.drop_columns(["state", "reference"]).to_pylist() for table in batch.tables()]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _check_run(folder: Path, _: int) -> str:
    has_report = (folder / "run/report.json").is_file()
    return "a report without predictions" if has_report and not (folder / "run/predictions.parquet").is_file() else ""


def _run_result(folder: Path) -> object:
    report = json.loads((folder / "run/report.json").read_text())
    history = (folder / "run/history.csv").read_text().splitlines()
    names = history[0].split(",")
    timeless = [index for index, name in enumerate(names) if "second" not in name]
    return report["test"], [[row.split(",")[index] for index in timeless] for row in history]


def _encoder_result(folder: Path) -> object:
    report = json.loads((folder / "run/report.json").read_text())
    return {name: value for name, value in report.items() if "second" not in name}


def _check_audit(folder: Path, _: int) -> str:
    files = {path.name for path in (folder / "audit").glob("*")}
    return "" if not files or files >= {"audit.csv", "audit.png", "report.html"} else f"half an audit: {files}"


def _audit(folder: Path) -> list[str]:
    """The command, in another folder where the last one ended after it had written its files."""
    free = next(name for name in ("audit", "audit2") if not any((folder / name).glob("*")))
    return [*_CLI, "audit", "--data", str(folder), "--min-images", "5", "--out", str(folder / free)]


def _audit_result(folder: Path) -> object:
    rows = csv.DictReader((folder / "audit/audit.csv").read_text().splitlines())
    return [[row[name] for name in ("id", "given", "suggested", "score")] for row in rows]


def _shop(folder: Path) -> None:
    write_shop(folder, 120)


def _tagged_shop(folder: Path) -> None:
    write_shop(folder, 120)
    (folder / "shop.yaml").write_text(TAXONOMY)
    train = [*_CLI, "train-tagger", "--min-images", "3", "--target-precision", "0.6", "--data", str(folder)]
    _run(sys.executable, *train, "--taxonomy", folder / "shop.yaml", "--out", folder / "tagger")


def _postgres(folder: Path) -> str:
    """The index of a folder in the server whose address FASHION_KERAS_TEST_POSTGRES has; made where it is missing."""
    server = os.environ[_SERVER]
    address = f"{server}{'&' if '?' in server else '?'}index={folder.parent.name}"
    try:
        open_index(address)
    except InputError:
        PostgresIndex.create(address, SPEC)
    return address


def _train(*flags: str, command: str = "train", result: Callable[[Path], object] = _run_result) -> Scenario:
    train = [*_CLI, command]
    settings = ["--data", "sample", "--limit", "200", "--epochs", "3", *flags]
    return Scenario(
        lambda folder: None,
        lambda folder: [*train, *settings, "--out", str(folder / "run")],
        _check_run if command == "train" else lambda folder, done: "",
        result,
        lambda folder: [*train, *(["--resume"] if (folder / "run/config.json").is_file() else [*settings, "--out"]),
                        str(folder / "run")],
    )  # fmt: skip


SCENARIOS = {
    "index": Scenario(
        lambda folder: LocalIndex.create(folder / "index", SPEC) and None,
        lambda folder: [*_PROGRAM, "index", str(folder / "index"), *_states()],
        _check_index,
        lambda folder: index_digest(open_index(folder / "index")),
    ),
    "corrections": Scenario(
        lambda folder: None,
        lambda folder: [*_PROGRAM, "corrections", str(folder)],
        _check_corrections,
        lambda folder: sorted({row.sku for row in read_corrections(folder / "corrections.csv")[0]}),
    ),
    _POSTGRES: Scenario(
        lambda folder: None,
        lambda folder: [*_PROGRAM, "index", _postgres(folder), *_states()],
        lambda folder, done: _check_content(_postgres(folder), done),
        lambda folder: index_digest(open_index(_postgres(folder))),
    ),
    "encode": Scenario(
        _shop,
        lambda folder: [*_CLI, *_ENCODE, str(folder), "--out", str(folder / "out")],
        lambda folder, done: "",
        _batch_result,
    ),
    "tag": Scenario(
        _tagged_shop,
        lambda folder: [*_CLI, "tag", "--shards", "4", "--data", str(folder), "--tagger", str(folder / "tagger"),
                        "--out", str(folder / "out")],
        lambda folder, done: "",
        _batch_result,
    ),
    "audit": Scenario(_shop, _audit, _check_audit, _audit_result),
    "train scratch": _train(*_SMALL, "--backbone", "custom_cnn", "--strategy", "scratch"),
    "train frozen": _train(*_SMALL, "--backbone", "efficientnet_lite0", "--strategy", "frozen"),
    "train last_block": _train(*_SMALL, "--backbone", "efficientnet_lite0", "--strategy", "last_block"),
    "train frozen+full": _train(*_SMALL, "--backbone", "custom_cnn", "--weights", "none", "--strategy", "frozen+full"),
    "train last_n": _train(*_SMALL, "--backbone", "custom_cnn", "--weights", "none", "--strategy", "last_n:4"),
    "train full": _train(*_SMALL, "--backbone", "custom_cnn", "--weights", "none", "--strategy", "full"),
    "train several heads": _train(*_SMALL, "--task", "article_type,gender", "--backbone", "efficientnet_lite0"),
    "train-encoder": _train(*_SMALL, "--backbone", "custom_cnn", command="train-encoder", result=_encoder_result),
    "train-encoder clip": _train(*_SMALL, "--loss", "clip", command="train-encoder", result=_encoder_result),
    "autoencode": _train(command="autoencode", result=_encoder_result),
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
