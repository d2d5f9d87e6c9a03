"""Child process of a fuzzing run: executions of one target, from one number on."""

import faulthandler
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.mutation import LARGEST


@dataclass(frozen=True)
class Job:
    """Inputs `first` to `last` of a target, which is in a module of tests.fuzz.targets."""

    module: str
    name: str
    root: Path
    crashes: Path
    seed: int
    first: int
    last: int
    engine: str


def run_job(job: Job) -> None:
    """Execute the inputs of a job; what is printed goes to `root`.log."""
    log = os.open(f"{job.root}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()
    os.environ["FASHION_KERAS_CACHE"] = str(job.root / "cache")
    sys.warnoptions.append("ignore")
    if job.engine == "atheris":
        _fuzz_with_atheris(job)
        return
    session = _session(job)
    session.limit_memory()
    for number in range(job.first, job.last + 1):
        session.run(session.input(number), number)
    session.finish(job.last + 1)


def _session(job: Job) -> Any:
    from tests.fuzz.session import Session

    targets = importlib.import_module(job.module).TARGETS
    return Session(next(target for target in targets if target.name == job.name), job.root, job.crashes, job.seed)


def _fuzz_with_atheris(job: Job) -> None:
    """Let libFuzzer choose the inputs by the lines of the package that they reach; its corpus stays in `crashes`."""
    import atheris

    with atheris.instrument_imports(include=["fashion_keras"]):
        session = _session(job)
    session.limit_memory()
    corpus = job.crashes / job.name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(session.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    executions = job.last - job.first + 1

    def run(data: bytes) -> None:
        number = session.executions + 1
        session.run(data, number)
        if number % 1000 == 0 or session.executions >= executions:
            session.finish(number)

    options = [f"-runs={executions}", f"-max_len={LARGEST}", f"-seed={job.seed + 1}", "-rss_limit_mb=0", "-timeout=60"]
    atheris.Setup(["fuzz", *options, str(corpus)], run)
    atheris.Fuzz()
