"""Child process of a fuzzing run: `python -m tests.fuzz.child TARGET ROOT CRASHES SEED FIRST LAST ENGINE`."""

import os
import sys
from pathlib import Path

from tests.fuzz.mutation import LARGEST


def main(name: str, root: str, crashes: str, seed: str, first: str, last: str, engine: str) -> None:
    """Execute inputs FIRST to LAST of a target."""
    os.environ["FASHION_KERAS_CACHE"] = str(Path(root) / "cache")
    if engine == "atheris":
        _fuzz_with_atheris(name, Path(root), Path(crashes), int(seed), int(last) - int(first) + 1)
        return
    session = _session(name, Path(root), Path(crashes), int(seed))
    session.limit_memory()
    for number in range(int(first), int(last) + 1):
        session.run(session.input(number), number)
    session.finish(int(last) + 1)


def _session(name: str, root: Path, crashes: Path, seed: int):
    from tests.fuzz.session import Session
    from tests.fuzz.targets import TARGETS

    return Session(next(target for target in TARGETS if target.name == name), root, crashes, seed)


def _fuzz_with_atheris(name: str, root: Path, crashes: Path, seed: int, executions: int) -> None:
    """Let libFuzzer choose the inputs by the lines of the package that they reach; its corpus stays in CRASHES."""
    import atheris

    with atheris.instrument_imports(include=["fashion_keras"]):
        session = _session(name, root, crashes, seed)
    session.limit_memory()
    corpus = crashes / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(session.seeds):
        (corpus / f"seed-{number}").write_bytes(data)

    def run(data: bytes) -> None:
        number = session.executions + 1
        session.run(data, number)
        if number % 1000 == 0 or session.executions >= executions:
            session.finish(number)

    options = [f"-atheris_runs={executions}", f"-runs={executions}", f"-max_len={LARGEST}", f"-seed={seed + 1}"]
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", "-rss_limit_mb=0", "-close_fd_mask=3", str(corpus)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
