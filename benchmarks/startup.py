"""How long a person waits: for help, and for the first prediction of a finished run.

python benchmarks/startup.py --run RUN --image IMAGE
"""

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

from measure import median_seconds, print_table

_CALL = "from fashion_keras.cli import main; import sys; sys.exit(main({arguments}))"
_KERAS = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from fashion_keras import load_classifier
load_classifier({run!r}, "tensorflow").predict([{image!r}])
"""


def main() -> None:
    """Start each command in a process of its own, the sides taking turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    predict = ["predict", options.run, options.image]
    sides = {
        "python -c pass": "pass",
        "fashion-keras --help": _CALL.format(arguments=["train", "--help"]),
        "fashion-keras predict RUN IMAGE": _CALL.format(arguments=predict),
        "the same by plain Keras": _KERAS.format(run=options.run, image=options.image),
    }
    took = median_seconds({name: partial(_start, code) for name, code in sides.items()}, options.rounds)
    print_table("start-up", [{"command": name, "seconds": value} for name, value in took.items()], options.out)


def _start(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)


if __name__ == "__main__":
    main()
