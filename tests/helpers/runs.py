"""Training runs in processes of their own, and what they wrote."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.helpers.catalogs import read_rows


def read_history(folder):
    """The rows of history.csv without their seconds, numbers as float."""
    return [
        {name: value if name == "phase" else float(value) for name, value in row.items() if name != "seconds"}
        for row in read_rows(Path(folder) / "history.csv")
    ]


def flags_of(config):
    """A config's values as flags; yes-or-no fields keep their defaults."""
    given = {name: value for name, value in config.to_dict().items() if value not in (None, "", ())}
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if not isinstance(value, bool)]


def start_training(config, folder):
    """Start `fashion-keras train` with a config's values as flags."""
    return start_command("train", *flags_of(replace(config, out=str(folder))))


def start_command(*arguments):
    """Start `fashion-keras ARGUMENTS` and return its process."""
    program = [sys.executable, "-m", "fashion_keras", *map(str, arguments)]
    # Where the tests themselves run in the background, Ctrl-C is ignored, and children would inherit that.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen)


def wait_for_epoch(folder, epoch, process):
    """Wait until history.csv has the epoch; AssertionError when the process ends before."""
    path = Path(folder) / "history.csv"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if path.is_file() and len(path.read_text().splitlines()) > epoch:
            return
        time.sleep(0.05)
    raise AssertionError(f"epoch {epoch} was not reached: {process.communicate()[1]}")


def evaluate_run(folder, **values):
    """Evaluate a run with these fields of `EvaluateConfig`."""
    from fashion_keras.analysis.config import EvaluateConfig
    from fashion_keras.analysis.run_evaluation import evaluate

    return evaluate(EvaluateConfig(run=folder, **values))
