"""The command line called in this process, assertions on what it printed, and programs in other processes."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from fashion_keras.cli import main


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command, named as `subprocess.CompletedProcess` names them."""

    returncode: int
    stdout: str
    stderr: str


def run_cli(*arguments):
    """Run `fashion-keras ARGUMENTS` in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
    return Result(code, stdout.getvalue(), stderr.getvalue())


def run_python(program, *arguments, **options):
    """Run a Python program in a process of its own."""
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, **options)


def assert_one_line(result, *parts):
    """Assert exit code 2, nothing on standard output, and a last line of error that holds all `parts`."""
    assert result.returncode == 2, result.stderr
    (last,) = result.stderr.splitlines()
    assert last.startswith("error: ")
    for part in parts:
        assert part in last
    assert result.stdout == ""
