"""Runner of a long fuzzing run: each target in child processes, which may crash or hang, and one table at the end."""

import json
import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.child import Job, run_job
from tests.fuzz.session import SCRATCH, read_state, store_crash
from tests.fuzz.target import Target

# Seconds without a new execution, and until the first one, on a machine that may do other work.
_HANG, _START = 120.0, 1200.0
_MOST_RESTARTS = 30


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
    """Settings of a run: where crashing inputs go, seed, engine ("mutation" or "atheris"), targets at a time.

    `start` is how child processes start: a "fork" has the package loaded already, but must not come from a process
    with TensorFlow; Atheris, which instruments the package while it is loaded, needs "spawn".
    """

    crashes: Path
    seed: int = 0
    engine: str = "mutation"
    jobs: int = 1
    start: str = "fork"


def run_all(targets: Sequence[Target], executions: int, options: Options) -> list[Result]:
    """Fuzz targets, `executions` in all by their weights, and print a row for each as it ends, or is interrupted."""
    total = sum(target.weight for target in targets)
    waiting = [(target, max(20, round(executions * target.weight / total))) for target in targets]
    running: list[_Running] = []
    results: list[Result] = []
    print(HEADER, flush=True)
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                running.append(_Running(*waiting.pop(0), options))
            for each in [each for each in running if each.has_ended()]:
                running.remove(each)
                results.append(each.result)
                print(row(each.result), flush=True)
            time.sleep(0.1)
    except KeyboardInterrupt:
        for each in running:
            results.append(each.stop())
            print(row(each.result), flush=True)
    return results


class _Running:
    """A target at work in a child process, and in another one after that when it dies or hangs, which is a finding."""

    def __init__(self, target: Target, executions: int, options: Options) -> None:
        self.result = Result(target.name)
        self._target, self._last, self._options = target, executions, options
        self._context = multiprocessing.get_context(options.start)
        self._restarts = 0
        self._start(1)

    def _start(self, first: int) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=SCRATCH))
        self._root, self._before, self._since = self._folder / "root", b"", time.monotonic()
        target, options = self._target, self._options
        job = Job(target.prepare.__module__, target.name, self._root, options.crashes.absolute(), options.seed, first,
                  self._last, options.engine)  # fmt: skip
        self.process = self._context.Process(target=run_job, args=(job,))
        self.process.start()

    def has_ended(self) -> bool:
        """Return whether all executions are done; start another child where one has died."""
        end = self._end()
        if end is None:
            return False
        first = self._collect(end)
        shutil.rmtree(self._folder, ignore_errors=True)
        if first > self._last or self._restarts >= _MOST_RESTARTS:
            return True
        self._restarts += 1
        self._start(first)
        return False

    def stop(self) -> Result:
        """End the child and return the figures so far."""
        self.process.kill()
        self.process.join()
        if (self._root / "state").is_file():
            self._add_figures()
        shutil.rmtree(self._folder, ignore_errors=True)
        return self.result

    def _end(self) -> str | None:
        """Return how the child ended, "" for well; None while it runs."""
        if not self.process.is_alive():
            code = self.process.exitcode
            return "" if code == 0 else f"signal {-code}" if code < 0 else f"exit code {code}"
        state = self._root / "state"
        now = _head(state) if state.is_file() else b""
        if now != self._before:
            self._before, self._since = now, time.monotonic()
        if time.monotonic() - self._since < (_HANG if any(now) else _START):
            return None
        self.process.kill()
        self.process.join()
        return "hang"

    def _collect(self, end: str) -> int:
        """Add the figures of a child that has ended; return the number of the next input."""
        log = Path(f"{self._root}.log")
        text = log.read_text(errors="replace")[-4000:] if log.is_file() else ""
        if not (self._root / "state").is_file():
            raise SystemExit(f"{self.result.name}: did not start ({end}):\n{text}")
        number, data = self._add_figures()
        if end == "":
            return self._last + 1
        self.result.findings[end] += 1
        store_crash(self._options.crashes / self.result.name, f"{end} {number}", data, text)
        return number + 1

    def _add_figures(self) -> tuple[int, bytes]:
        """Add a child's figures to the result; return the number of its last input, and that."""
        done, number, slowest, mebibytes, data = read_state(self._root / "state")
        result, findings = self.result, self._root / "findings.json"
        result.executions += done
        result.slowest, result.mebibytes = max(result.slowest, slowest), max(result.mebibytes, mebibytes)
        if findings.is_file():
            result.findings += Counter(json.loads(findings.read_text()))
        return number, data


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


def _head(state: Path) -> bytes:
    """Return the counts in the state of a session."""
    with state.open("rb") as file:
        return file.read(16)
