"""Progress: a bar where it can be seen, log lines where it cannot, nothing where nothing is wanted."""

import io
import logging
import sys
import types

import pytest
from rich.console import Console

from fashion_keras.support import progress
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import LogFile, ProgressBar, log_to_console, set_verbosity, verbosity
from tests.helpers.cli import run_python


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def restored():
    """Leave verbosity, log and handlers as they were."""
    log = logging.getLogger("fashion_keras")
    before, level = log.handlers[:], log.level
    log.setLevel(logging.INFO)
    set_verbosity(1)
    yield
    set_verbosity(1)
    log.handlers[:] = before
    log.setLevel(level)


@pytest.fixture
def terminal(monkeypatch):
    """The text that a terminal receives."""
    text = io.StringIO()
    monkeypatch.setattr(progress, "CONSOLE", Console(file=text, force_terminal=True, width=100))
    return text


def run(bar, clock, steps, seconds):
    for _ in range(steps):
        clock.now += seconds
        bar.advance()


@pytest.mark.parametrize("seconds", [0.1, 3.0, 9.9])
def test_progress_bar_without_terminal_logs_a_line_every_20_seconds(caplog, seconds):
    clock, times = Clock(), [0.0]
    handler = logging.Handler()
    handler.emit = lambda _: times.append(clock.now)
    logging.getLogger("fashion_keras").addHandler(handler)
    with ProgressBar("encoding", 2000, "images", clock) as bar:
        run(bar, clock, int(100 / seconds), seconds)
    gaps = [later - earlier for earlier, later in zip(times, [*times[1:], clock.now], strict=True)]
    assert max(gaps) <= 20
    assert 100 / 20 - 1 <= len(times) - 1 <= 100 / 10


def test_progress_bar_line_has_rate_and_remaining_time(caplog):
    clock = Clock()
    with ProgressBar("encoding", 3000, "images", clock) as bar:
        clock.now = 20.0
        bar.advance(1000)
    assert caplog.messages == ["encoding: 1,000 of 3,000 images, 50 images/s, 0:00:40 left"]


@pytest.mark.parametrize(
    ("total", "done", "seconds", "text"),
    [
        (None, 600, 60, "download: 600 MB, 10 MB/s"),
        (10, 1, 40, "download: 1 of 10 MB, 0.025 MB/s, 0:06:00 left"),
        (10, 12, 3, "download: 12 of 10 MB, 4 MB/s, 0:00:00 left"),
        (0, 0, 5, "download: 0 of 0 MB"),
        (10, 0, 5, "download: 0 of 10 MB"),
        (90_000, 60_000, 30, "download: 60,000 of 90,000 MB, 2,000 MB/s, 0:00:15 left"),
    ],
)
def test_progress_bar_as_text(total, done, seconds, text):
    clock = Clock()
    with ProgressBar("download", total, "MB", clock) as bar:
        clock.now = seconds
        bar.set_completed(done)
        assert str(bar) == text


def test_progress_bar_on_a_terminal_shows_rate_and_remaining_time_and_vanishes(terminal, caplog):
    clock = Clock()
    with ProgressBar("encoding [x]", 300, "images", clock) as bar:
        clock.now = 25.0
        bar.advance(100)
        progress._TerminalBar.shared.refresh()
    shown = terminal.getvalue()
    assert "encoding [x]" in shown
    assert "100 of 300 images  4 images/s, 0:00:50 left" in shown
    assert progress._TerminalBar.shared is None
    assert not caplog.messages


def test_progress_bars_nest(terminal):
    """A second live display of rich is an error."""
    with ProgressBar("training", 3) as outer:
        for step in range(3):
            with ProgressBar(f"epoch {step}", 2) as inner:
                inner.advance(2)
                progress._TerminalBar.shared.refresh()
            outer.advance()
        outer.close()
    assert "training" in terminal.getvalue()
    assert "epoch 2" in terminal.getvalue()
    assert progress._TerminalBar.shared is None


def test_progress_bar_in_a_notebook_replaces_one_line(monkeypatch):
    shown = []
    handle = types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))
    module = types.SimpleNamespace(display=lambda data, raw, display_id: handle)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(progress, "CONSOLE", types.SimpleNamespace(is_jupyter=True, is_terminal=False))
    clock = Clock()
    with ProgressBar("encoding", 100, "images", clock) as bar:
        run(bar, clock, 100, 0.1)
    assert shown[-1] == "encoding: 100 of 100 images, 10 images/s, 0:00:00 left"
    assert 15 <= len(shown) <= 22


def test_set_verbosity_0_is_silent(terminal, caplog, capsys):
    log_to_console()
    set_verbosity(0)
    clock = Clock()
    with ProgressBar("encoding", 10, clock=clock) as bar:
        run(bar, clock, 10, 30.0)
    logging.getLogger("fashion_keras").info("not shown")
    logging.getLogger("fashion_keras").warning("shown")
    assert not [message for message in caplog.messages if "encoding" in message]
    assert (terminal.getvalue(), capsys.readouterr().err) == ("", "shown\n")


def test_set_verbosity_2_writes_lines_on_a_terminal(terminal, caplog):
    set_verbosity(2)
    clock = Clock()
    with ProgressBar("encoding", 10, clock=clock) as bar:
        run(bar, clock, 2, 30.0)
    assert caplog.messages == [
        "encoding: 1 of 10 steps, 0.033 steps/s, 0:04:30 left",
        "encoding: 2 of 10 steps, 0.033 steps/s, 0:04:00 left",
    ]


@pytest.mark.parametrize("verbose", [3, -1, "auto", None, 0.5])
def test_set_verbosity_refuses_other_values(verbose):
    with pytest.raises(InputError, match="verbose must be 0"):
        set_verbosity(verbose)


def test_log_to_console_writes_each_line_once_to_standard_error(capsys):
    log_to_console()
    log_to_console()
    logging.getLogger("fashion_keras").info("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_log_file_takes_lines_while_open(tmp_path):
    log = logging.getLogger("fashion_keras")
    with LogFile(tmp_path / "log.txt"):
        log.info("inside")
    log.info("outside")
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert line.endswith(" inside")


def test_verbosity_lasts_for_its_block(terminal):
    for verbose, kind in ((0, progress._NoDisplay), (2, progress._LogLines), (None, progress._TerminalBar)):
        with pytest.raises(KeyError), verbosity(verbose):
            assert progress._display_kind() is kind
            raise KeyError
        assert progress._display_kind() is progress._TerminalBar


def test_progress_bar_shows_its_lines_where_no_log_is_set_up():
    """In a script that configures no logging, as Keras prints there."""
    program = (
        "from fashion_keras.support.progress import ProgressBar\n"
        "times = iter(range(0, 10**6, 15))\n"
        "with ProgressBar('encoding', 2, 'images', lambda: next(times)) as bar: bar.advance()"
    )
    result = run_python(program)
    assert result.stdout == ""
    assert result.stderr.startswith("encoding: 1 of 2 images")
    assert len(result.stderr.splitlines()) == 1


def test_verbosity_shows_the_log_where_none_is_set_up():
    """`fashion_keras.train(config)` in a script that configures no logging."""
    program = (
        "import logging\n"
        "from fashion_keras.support.progress import verbosity\n"
        "with verbosity(None): logging.getLogger('fashion_keras').info('epoch 1/2')"
    )
    result = run_python(program)
    assert (result.stdout, result.stderr) == ("", "epoch 1/2\n")


def test_a_command_shows_each_line_once_where_a_library_logs_to_the_root(tmp_path):
    program = (
        "import logging\n"
        "from fashion_keras.cli import main\n"
        f"main(['runs', {str(tmp_path)!r}, '--json'])\n"
        "logging.warning('converted')\n"
        "logging.getLogger('fashion_keras').info('a line')"
    )
    assert run_python(program).stderr == "a line\n"
