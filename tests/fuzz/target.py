"""Fuzzing targets: what is read, seeds to mutate, and the oracle that every execution must pass.

An execution returns, or raises InputError (ImageError is one) with a message of one line. Everything else is a finding:
another exception, more than 2 s of processor time, a file opened outside the folder that was named.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fashion_keras.support.errors import InputError

Check = Callable[[bytes], None]
_LONGEST_MESSAGE = 20_000  # characters
_PACKAGE = str(Path(__file__).parents[2] / "fashion_keras")
_HARMLESS = ("/dev/", "/proc/", "/sys/")


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        seeds: makes valid inputs, small ones.
        prepare: folder -> the function that reads an input; files that it makes lie in that folder.
        tokens: words of the format, which mutations insert.
        repair: makes checksums of a mutated input right again, so that mutations get behind them; None: there are none.
        weight: share of all executions, relative to others.
        seconds: processor time that an execution may take.
        in_child: whether it runs in a process of its own even in tests: it is slow, or native code may crash.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    prepare: Callable[[Path], Check]
    tokens: tuple[bytes, ...] = ()
    repair: Callable[[bytes], bytes] | None = None
    weight: float = 1.0
    in_child: bool = False
    seconds: float = 2.0


@dataclass(frozen=True)
class Finding:
    """A breach of the oracle: a key that equal faults share, and the details."""

    key: str
    details: str


class FileWatch:
    """Audit hook that records files opened or made outside a folder while it is active.

    Python cannot remove a hook, so there is one in a process. Reading is a breach below `root`/outside alone, writing
    everywhere but in `root`: libraries load parts of themselves late.
    """

    _hooked = False
    _root = ""
    breaches: list[str] = []  # noqa: RUF012 - of the process

    @classmethod
    def start(cls, root: Path) -> None:
        """Record from now on."""
        cls._root = str(root.absolute())
        cls.breaches.clear()
        if not cls._hooked:
            sys.addaudithook(cls._record)
            cls._hooked = True

    @classmethod
    def stop(cls) -> None:
        """Record no more."""
        cls._root = ""

    @classmethod
    def _record(cls, event: str, arguments: tuple) -> None:
        if not cls._root or event not in ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"):
            return
        path = arguments[1] if event == "os.rename" else arguments[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return
        place = os.path.realpath(os.fsdecode(path))
        writes = event != "open" or bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        is_inside = place.startswith(f"{cls._root}/") and not place.startswith(f"{cls._root}/outside/")
        is_outside = place.startswith(f"{cls._root}/outside/") or (writes and not place.startswith(_HARMLESS))
        if is_outside and not is_inside:
            cls.breaches.append(f"{event} {place}")


def execute(check: Check, data: bytes, root: Path, limit: float = 2.0) -> tuple[Finding | None, float]:
    """Run one input; return the finding, None where all is well, and the processor seconds, `limit` at most."""
    finding = None
    FileWatch.start(root)
    started = time.process_time()
    try:
        check(data)
    except InputError as error:
        message = str(error)
        if len(message.splitlines()) != 1 or len(message) > _LONGEST_MESSAGE:
            finding = Finding(f"message {_place(error)}", f"message is not one line: {message[:500]!r}")
    except Exception as error:  # noqa: BLE001 - what is looked for
        finding = Finding(f"{type(error).__name__} {_place(error)}", "".join(traceback.format_exception(error))[-4000:])
    seconds = time.process_time() - started
    FileWatch.stop()
    if finding is None and FileWatch.breaches:
        finding = Finding("file outside", "\n".join(FileWatch.breaches[:5]))
    if finding is None and seconds > limit:
        finding = Finding("slow", f"{seconds:.1f} s of processor time")
    return finding, seconds


def _place(error: BaseException) -> str:
    """Return the innermost line of the package that an exception passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(_PACKAGE)] or list(frames)
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
