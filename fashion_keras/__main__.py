"""`python -m fashion_keras`: the same as `fashion-keras`."""

import signal
import sys
from collections.abc import Sequence


def program(arguments: Sequence[str] | None = None) -> int:
    """Run one command as the whole program, as `cli.main` does; Ctrl-C never prints a traceback.

    Once the command has ended, Ctrl-C ends the process at once: the libraries may take seconds to stop by themselves.
    """
    try:
        from fashion_keras.cli import main  # noqa: PLC0415 - what is imported may be interrupted, too

        code = main(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return code


if __name__ == "__main__":
    sys.exit(program())
