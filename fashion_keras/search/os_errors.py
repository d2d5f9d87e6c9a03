"""Errors of the operating system (full disk, too many open files) as one line each."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EFBIG, EMFILE, ENFILE, ENOSPC
from pathlib import Path

from fashion_keras.support.errors import InputError

_ADVICE = {
    **dict.fromkeys((ENOSPC, EFBIG), ": make room and try again"),
    **dict.fromkeys((EMFILE, ENFILE), ": close some, or raise the limit with `ulimit -n`"),
}


@contextmanager
def explain_os_errors(folder: Path, state: str = "") -> Iterator[None]:
    """Turn an OSError into an InputError of one line: the file or folder, the system's reason, and what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno, "")
        where = folder if state else error.filename or folder
        raise InputError(f"{where}: {error.strerror or error}{state}{advice}") from None
