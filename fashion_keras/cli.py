"""The catalogue of commands, and what becomes of errors."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from fashion_keras import __doc__ as about
from fashion_keras.commands import (
    analysis,
    data,
    evaluate,
    features,
    predict,
    search,
    studies,
    tags,
    train,
    train_encoder,
)
from fashion_keras.commands.arguments import Parser
from fashion_keras.support.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong input or call, 130 interrupted."""
    try:
        options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
        options.command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; a training run goes on with --resume and its run folder", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser(prog="fashion-keras", description=about)
    parser.add_argument("--version", action="version", version=f"fashion_keras {version('fashion_keras')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for family in (train, evaluate, predict, analysis, search, train_encoder, data, features, tags, studies):
        family.add(commands)
    return parser
