"""Long fuzzing run: `python -m tests.fuzz --executions 1000000`; exit code 1 when there are findings."""

import argparse
import os
from pathlib import Path


def main() -> int:
    """Run the targets and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000, help="in all, shared by the targets' weights")
    parser.add_argument("--targets", default="", help="names with commas between; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"), help="folder of the inputs with findings")
    parser.add_argument("--engine", choices=("mutation", "atheris"), default="mutation")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    options = parser.parse_args()
    # Not above: Atheris starts other processes from this file, and instruments the package as they load it.
    from tests.fuzz.runner import Options, run_all, summary
    from tests.fuzz.targets import TARGETS

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    names = options.targets.split(",") if options.targets else [target.name for target in TARGETS]
    if unknown := set(names) - {target.name for target in TARGETS}:
        parser.error(f"unknown targets {', '.join(sorted(unknown))}; known: {', '.join(t.name for t in TARGETS)}")
    targets = [target for target in TARGETS if target.name in names]
    start = "spawn" if options.engine == "atheris" else "fork"
    results = run_all(
        targets, options.executions, Options(options.crashes, options.seed, options.engine, options.jobs, start)
    )
    print(summary(results))
    return int(any(result.findings for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
