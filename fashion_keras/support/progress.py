"""Progress bars and the package's log: on a terminal, in notebooks, in files."""

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from fashion_keras.support.errors import InputError, hide_passwords

CONSOLE = Console(stderr=True)
LOG = logging.getLogger("fashion_keras")


def _hide_passwords(record: logging.LogRecord) -> bool:
    record.msg, record.args = hide_passwords(record.getMessage()), None
    return True


# Of the log itself, so that every handler, and the log files of runs, get the text without them.
LOG.addFilter(_hide_passwords)


class ProgressBar:
    """Progress of `total` steps, or of an unknown number for None, with rate and remaining time.

    A bar on a terminal and in notebooks; elsewhere, and with verbosity 2, a log line at least every 20 s as long as no
    step takes more than 10 s; with verbosity 0 nothing. Bars may be nested. Use as a context manager, or `close` it.
    """

    def __init__(
        self, title: str, total: int | None, unit: str = "steps", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.title, self.total, self.unit, self.done = title, total, unit, 0
        self.clock, self._start, self._lock = clock, clock(), threading.Lock()
        self._display = _display_kind()(self)

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more; any thread may call it."""
        with self._lock:
            self.done += steps
            self._display.update(self)

    def set_completed(self, steps: int) -> None:
        """Set the number of finished steps."""
        self.advance(steps - self.done)

    def close(self) -> None:
        """End the bar and remove it from the terminal."""
        self._display.close(self)

    @property
    def counts(self) -> str:
        """Number of finished steps, of all and the unit as text."""
        return f"{self.done:,}{'' if self.total is None else f' of {self.total:,}'} {self.unit}"

    @property
    def speed(self) -> str:
        """Rate and remaining time as text; "" before the first step."""
        seconds = self.clock() - self._start
        if not self.done or seconds <= 0:
            return ""
        rate = self.done / seconds
        text = f"{rate:,.0f} {self.unit}/s" if rate >= 10 else f"{rate:.2g} {self.unit}/s"
        if self.total is None:
            return text
        return f"{text}, {timedelta(seconds=round(max(self.total - self.done, 0) / rate))} left"

    def __str__(self) -> str:
        return f"{self.title}: {', '.join(filter(None, (self.counts, self.speed)))}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _NoDisplay:
    """Base of the displays: shows nothing."""

    seconds_between_updates = 0.0

    def __init__(self, bar: ProgressBar) -> None:
        self.last = bar.clock()

    def update(self, bar: ProgressBar) -> None:
        """Show the bar's state, but not too often."""
        if bar.clock() - self.last >= self.seconds_between_updates:
            self.last = bar.clock()
            self.show(bar)

    def show(self, bar: ProgressBar) -> None:
        """Show the bar's state."""

    def close(self, bar: ProgressBar) -> None:
        """Show the bar for the last time."""


class _LogLines(_NoDisplay):
    seconds_between_updates = 10.0  # steps of up to 10 s then make lines that are at most 20 s apart

    def __init__(self, bar: ProgressBar) -> None:
        super().__init__(bar)
        if not LOG.hasHandlers():
            log_to_console()

    def show(self, bar: ProgressBar) -> None:
        LOG.info("%s", str(bar))


class _TerminalBar(_NoDisplay):
    """A line of the one display of rich that all open bars share."""

    shared: ClassVar[Progress | None] = None
    lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, bar: ProgressBar) -> None:
        super().__init__(bar)
        with self.lock:
            if _TerminalBar.shared is None:
                title = TextColumn("{task.description}", markup=False)
                speed = TextColumn("{task.fields[text]}", markup=False)
                _TerminalBar.shared = Progress(title, BarColumn(), speed, console=CONSOLE, transient=True)
                _TerminalBar.shared.start()
            self.task = self.shared.add_task(bar.title, total=bar.total, text=bar.counts)

    def show(self, bar: ProgressBar) -> None:
        with self.lock:
            if self.shared is not None:
                self.shared.update(self.task, completed=bar.done, text=f"{bar.counts}  {bar.speed}")

    def close(self, bar: ProgressBar) -> None:
        with self.lock:
            if self.shared is not None and self.task in self.shared.task_ids:
                self.shared.remove_task(self.task)
                if not self.shared.task_ids:
                    self.stop()

    @classmethod
    def stop(cls) -> None:
        """Remove all bars and show the cursor again."""
        with cls.lock:
            if cls.shared is not None:
                cls.shared.stop()
                cls.shared = None


atexit.register(_TerminalBar.stop)


class _NotebookLine(_NoDisplay):
    """A line of a notebook's output that is replaced: rich's own bars need ipywidgets."""

    seconds_between_updates = 0.5

    def __init__(self, bar: ProgressBar) -> None:
        from IPython.display import display  # noqa: PLC0415 - only notebooks have it

        super().__init__(bar)
        self.handle = display({"text/plain": str(bar)}, raw=True, display_id=True)

    def show(self, bar: ProgressBar) -> None:
        self.handle.update({"text/plain": str(bar)}, raw=True)

    close = show


class _StandardErrorHandler(logging.StreamHandler):
    """Writes to whatever sys.stderr is at the time: notebooks and tests replace it, and rich while it shows bars."""

    def __init__(self) -> None:
        logging.Handler.__init__(self, logging.INFO)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


_HANDLER = _StandardErrorHandler()
_verbosity = 1


def log_to_console() -> None:
    """Show the package's log on standard error; standard output is for results."""
    LOG.setLevel(logging.INFO)
    LOG.addHandler(_HANDLER)


def log_as_program() -> None:
    """Show the package's log on standard error in a process of its own, in which nobody else sets up logging."""
    log_to_console()
    if not logging.root.handlers:
        # A library's logging.info() would add one, which prints the package's lines a second time.
        logging.root.addHandler(logging.NullHandler())


def set_verbosity(verbose: int) -> None:
    """Set how much this process shows, as Keras' `verbose`: 0 warnings only, 1 log and bars, 2 log lines only.

    Raises:
        InputError: for any other value.
    """
    global _verbosity
    if verbose not in (0, 1, 2):
        raise InputError(f"verbose must be 0 (silent), 1 (progress bars) or 2 (lines), not {verbose!r}")
    _verbosity = int(verbose)
    _HANDLER.setLevel(logging.INFO if verbose else logging.WARNING)


@contextmanager
def verbosity(verbose: int | None) -> Iterator[None]:
    """Inside the block, show log and progress as after `set_verbosity(verbose)`; None keeps the verbosity."""
    before = _verbosity
    if verbose is not None:
        set_verbosity(verbose)
    if _verbosity and not LOG.hasHandlers():
        log_to_console()
    try:
        yield
    finally:
        if verbose is not None:
            set_verbosity(before)


def _display_kind() -> type[_NoDisplay]:
    if _verbosity == 1 and CONSOLE.is_jupyter:
        return _NotebookLine
    if _verbosity == 1 and CONSOLE.is_terminal:
        return _TerminalBar
    return _LogLines if _verbosity else _NoDisplay


class LogFile:
    """While open, the package's log is also appended to a file."""

    def __init__(self, path: Path) -> None:
        self._handler = logging.FileHandler(path, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def __enter__(self) -> None:
        self._level = LOG.level
        LOG.setLevel(logging.INFO)
        LOG.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        LOG.setLevel(self._level)
        LOG.removeHandler(self._handler)
        self._handler.close()
