"""Folder of a local index: its write lock, and the system's errors (full disk, too many open files) as one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EFBIG, EMFILE, ENFILE, ENOSPC
from pathlib import Path

from filelock import FileLock, Timeout

from fashion_keras.support.errors import InputError

LOCK = "lock"
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


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the exclusive write lock of a folder; the system releases it when the process dies."""
    lock = FileLock(folder / LOCK, timeout=0)
    with explain_os_errors(folder):
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"{folder}: another process is changing this index; try again when it is done") from None
    try:
        yield
    finally:
        lock.release()


def sync_folder(folder: Path) -> None:
    """Flush the renames in a folder to disk (fsync); does nothing on Windows, which has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
