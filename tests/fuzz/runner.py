"""Runner of a long fuzzing run: each target in child processes, which may crash or hang, and one table at the end."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.session import SCRATCH, read_state, store_crash
from tests.fuzz.target import Target

_HANG = 60.0  # seconds without a new execution, on a machine that may do other work
_MOST_RESTARTS = 50


@dataclass
class Result:
    """Figures of a target: executions, findings key -> count, slowest execution, memory above the start."""

    name: str
    executions: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    mebibytes: float = 0.0


@dataclass(frozen=True)
class Options:
    """Settings of a run: where crashing inputs go, seed, engine ("mutation" or "atheris"), targets at a time."""

    crashes: Path
    seed: int = 0
    engine: str = "mutation"
    jobs: int = 1


def run_all(targets: Sequence[Target], executions: int, options: Options) -> list[Result]:
    """Fuzz targets, `executions` in all by their weights, and print a row for each as it ends."""
    total = sum(target.weight for target in targets)

    def run(target: Target) -> Result:
        result = run_target(target, max(20, round(executions * target.weight / total)), options)
        print(row(result), flush=True)
        return result

    print(HEADER, flush=True)
    with ThreadPoolExecutor(options.jobs) as threads:
        return list(threads.map(run, targets))


def run_target(target: Target, executions: int, options: Options) -> Result:
    """Fuzz a target in child processes: one that dies or hangs is a finding, and the next one goes on after it."""
    result, first = Result(target.name), 1
    for _ in range(_MOST_RESTARTS):
        if first > executions:
            break
        with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
            first = _run_child(target, first, executions, Path(folder), options, result)
    return result


def _run_child(target: Target, first: int, last: int, folder: Path, options: Options, result: Result) -> int:
    """Run inputs from `first` on in one child; return the number of the next input."""
    root, crashes = folder / "root", options.crashes.absolute()
    arguments = [target.name, root, crashes, options.seed, first, last, options.engine]
    errors = folder / "stderr"
    with errors.open("wb") as file:
        program = [sys.executable, "-B", "-m", "tests.fuzz.child", *map(str, arguments)]
        child = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=file)
        end = _wait(child, root / "state")
    state = root / "state"
    if not state.is_file():
        raise SystemExit(f"{target.name}: did not start:\n{errors.read_text(errors='replace')[-3000:]}")
    done, number, slowest, mebibytes, data = read_state(state)
    result.executions += done
    result.slowest, result.mebibytes = max(result.slowest, slowest), max(result.mebibytes, mebibytes)
    found = root / "findings.json"
    if end == "" and found.is_file():
        result.findings += Counter(json.loads(found.read_text()))
        return last + 1
    result.findings[end or "process ended early"] += 1
    store_crash(crashes / target.name, end or "ended early", data, errors.read_text(errors="replace")[-4000:])
    return max(number, first) + 1


def _wait(child: subprocess.Popen, state: Path) -> str:
    """Wait for a child; return "" for a good end, else how it ended: by a signal, or killed as it hangs."""
    before, since = (-1, b""), time.monotonic()
    while child.poll() is None:
        time.sleep(0.2)
        if state.is_file() and state.stat().st_size:
            now = state.read_bytes()[:16]
            if now != before:
                before, since = now, time.monotonic()
        if time.monotonic() - since > _HANG:
            child.kill()
            child.wait()
            return "hang"
    code = child.returncode
    return "" if code == 0 else f"signal {-code}" if code < 0 else f"exit code {code}"


HEADER = (
    f"{'target':22} {'executions':>10} {'findings':>8} {'slowest ms':>10} {'peak MiB':>8}\n"
    f"{'-' * 22} {'-' * 10} {'-' * 8} {'-' * 10} {'-' * 8}"
)


def row(result: Result) -> str:
    """Return a row of the table; `peak MiB` is above the process's memory before the first execution."""
    return (
        f"{result.name:22} {result.executions:10,} {len(result.findings):8} {result.slowest:10.0f} "
        f"{result.mebibytes:8.0f}"
    )


def summary(results: Iterable[Result]) -> str:
    """Return the last line of the table, and the findings."""
    results = list(results)
    total = Result(
        "all", sum(result.executions for result in results), Counter(), max(result.slowest for result in results),
        max(result.mebibytes for result in results),
    )  # fmt: skip
    total.findings.update(f"{result.name}: {key}" for result in results for key in result.findings)
    lines = [f"{result.name}: {key} ({count})" for result in results for key, count in result.findings.items()]
    return "\n".join([row(total), *lines])
