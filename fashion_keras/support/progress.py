"""Progress that a person can watch: a bar on a terminal, nothing where there is none (the log has its lines)."""

import logging
import sys
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

CONSOLE = Console(stderr=True)


class ProgressBar:
    """A progress bar of `total` steps, or of unknown length; use `advance` and `close`, or as a context manager."""

    def __init__(self, title: str, total: int | None) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=CONSOLE, transient=True, disable=not CONSOLE.is_terminal)
        self._task = self._bar.add_task(title, total=total)
        self._bar.start()

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more."""
        self._bar.advance(self._task, steps)

    def show(self, step: int) -> None:
        """Show that `step` steps are done."""
        self._bar.update(self._task, completed=step)

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def log_to_console() -> None:
    """Show the package's log on standard error: standard output is for results."""
    log = logging.getLogger("fashion_keras")
    log.setLevel(logging.INFO)
    if CONSOLE.is_terminal:
        handler: logging.Handler = RichHandler(
            console=CONSOLE, show_time=False, show_path=False, show_level=False, markup=False
        )
    else:
        handler = logging.StreamHandler(sys.stderr)
    log.handlers = [handler]


class LogFile:
    """While open, the package's log is also appended to a file."""

    def __init__(self, path: Path) -> None:
        self._handler = logging.FileHandler(path, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def __enter__(self) -> None:
        log = logging.getLogger("fashion_keras")
        self._level = log.level
        log.setLevel(logging.INFO)
        log.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        log = logging.getLogger("fashion_keras")
        log.setLevel(self._level)
        log.removeHandler(self._handler)
        self._handler.close()
