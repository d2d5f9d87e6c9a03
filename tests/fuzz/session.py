"""Fuzzing session in this process: inputs by number, executions, findings, and figures that a parent process can read.

Input and figures lie in a mapped file, so that they survive when native code ends the process.
"""

import json
import mmap
import os
import resource
import struct
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.fuzz.mutation import LARGEST, mutate
from tests.fuzz.target import Target, execute

_HEADER = struct.Struct("<QQddQ")  # executions, next number, slowest ms, MiB above the start, bytes of the input
STATE_BYTES = _HEADER.size + LARGEST
MEMORY = 2**30  # bytes that an execution may take
# In memory where there is such a place: what is written is synced to the disk otherwise, thousands of times.
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Session:
    """Executions of one target in a folder.

    Attributes:
        findings: key -> how often.
    """

    def __init__(self, target: Target, root: Path, crashes: Path, seed: int) -> None:
        """Make the target ready below `root`; inputs of findings go to `crashes`/TARGET."""
        self.target, self.root, self.seed = target, root, seed
        self.findings: Counter[str] = Counter()
        self.executions, self.slowest = 0, 0.0
        self._crashes = crashes / target.name
        for folder in ("inside", "outside"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "outside" / "secret.jpg").write_bytes(b"secret")
        self.seeds = target.seeds()
        self._check = target.prepare(root / "inside")
        self._state = _open_state(root / "state")
        for data in self.seeds:  # libraries that load late belong to the start
            self.run(data, 0)
        self._start = _peak()

    def limit_memory(self) -> None:
        """Let this process have 1 GiB more than now: beyond that, Python raises MemoryError."""
        used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))

    def input(self, number: int) -> bytes:
        """Return input `number`, made of the session's seed."""
        random = Random(f"{self.seed} {self.target.name} {number}")
        data = mutate(random, self.seeds, self.target.tokens)
        return self.target.repair(data) if self.target.repair and random.random() < 0.8 else data

    def run(self, data: bytes, number: int) -> None:
        """Execute an input and note what comes of it."""
        self._write_state(number, data)
        finding, seconds = execute(self._check, data, self.root, self.target.seconds)
        self.executions += 1
        self.slowest = max(self.slowest, 1000 * seconds)
        if finding:
            self.findings[finding.key] += 1
            if self.findings[finding.key] == 1:
                store_crash(self._crashes, finding.key, data, finding.details)
            (self.root / "findings.json").write_text(json.dumps(self.findings))

    def finish(self, number: int) -> None:
        """Write the last figures for the parent."""
        self._write_state(number, b"")

    def _write_state(self, number: int, data: bytes) -> None:
        growth = (_peak() - self._start) / 1024 if number else 0.0
        self._state[: _HEADER.size] = _HEADER.pack(self.executions, number, self.slowest, growth, len(data))
        self._state[_HEADER.size : _HEADER.size + len(data)] = data[:LARGEST]


def store_crash(folder: Path, key: str, data: bytes, details: str) -> None:
    """Keep the input of a finding and its details."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(mark if mark.isalnum() or mark in ".-" else "_" for mark in key)[:80]
    (folder / name).write_bytes(data)
    (folder / f"{name}.txt").write_text(f"{key}\n{details}\n", errors="replace")


def read_state(path: Path) -> tuple[int, int, float, float, bytes]:
    """Return executions, number, slowest ms, MiB and the current input of a session, perhaps of a dead process."""
    data = path.read_bytes()
    *figures, size = _HEADER.unpack_from(data)
    return (*figures, data[_HEADER.size : _HEADER.size + size])


def fuzz_here(target: Target, executions: int, seed: int = 0) -> dict[str, str]:
    """Fuzz a target in this process; return the findings with their details."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name, _cache_in(Path(name) / "root" / "cache"):
        folder = Path(name)
        session = Session(target, folder / "root", folder / "crashes", seed)
        for number in range(1, executions + 1):
            session.run(session.input(number), number)
        return {path.name: path.read_text() for path in sorted((folder / "crashes").rglob("*.txt"))}


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Make `folder` the cache of this process."""
    before = os.environ.get("FASHION_KERAS_CACHE")
    os.environ["FASHION_KERAS_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("FASHION_KERAS_CACHE")
        if before is not None:
            os.environ["FASHION_KERAS_CACHE"] = before


def _open_state(path: Path) -> mmap.mmap:
    path.write_bytes(bytes(STATE_BYTES))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), STATE_BYTES)


def _peak() -> float:
    """Return the largest memory of this process so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
