"""Command line: the list of commands, exit codes and error messages."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from fashion_keras import __doc__ as description
from fashion_keras.commands import analysis, data, drift, evaluate, export, reports, search, serve, studies, tags, train
from fashion_keras.commands.arguments import Parser
from fashion_keras.support.errors import InputError, hide_passwords, os_error_message


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong input or call, 3 drift, 130 interrupted."""
    hint = ""
    try:
        options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
        if "resume" in options:
            hint = f"; resume with: fashion-keras {options.command_name} --resume and the folder of the run"
        code = options.command(options) or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        return _fail(2, f"error: {error}")
    except KeyboardInterrupt:
        return _fail(130, f"interrupted{hint}")
    except BrokenPipeError:
        # Whoever read the output has closed it; Python must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        message = os_error_message(error)
        if not message:
            raise
        return _fail(2, f"error: {message}")
    return 0


def _fail(code: int, message: str) -> int:
    """Print one line on standard error, whatever line breaks a file name has, and return the exit code."""
    print(hide_passwords(" ".join(message.splitlines())), file=sys.stderr)
    return code


def _parser() -> Parser:
    parser = Parser(prog="fashion-keras", description=description)
    parser.add_argument("--version", action="version", version=f"fashion_keras {_version()}")
    commands = parser.add_subparsers(
        title="commands", dest="command_name", required=True, metavar="COMMAND", parser_class=Parser
    )
    for family in (train, evaluate, reports, analysis, search, data, tags, drift, studies, export, serve):
        family.add(commands)
    return parser


def _version() -> str:
    try:
        return version("fashion_keras")
    except PackageNotFoundError:
        return "(not installed)"
