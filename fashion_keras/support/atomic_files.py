"""Atomic files and folders: written under a unique temporary name, flushed, then renamed."""

import csv
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fashion_keras.support.errors import InputError

_MOST_DIGITS = 20  # of a whole number: all counts and sizes, and none that no float or array could hold
_DEEPEST = 50  # levels of JSON; a user's own backbone has some ten
_UNSAFE = re.compile(r"[^\w.+ =-]")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_NAME = 100  # bytes; file systems allow 255, and temporary names and suffixes are longer


def temporary_path(path: Path) -> Path:
    """Return an unused name beside `path` that ends alike, different in every thread, process and container."""
    return path.with_name(f".tmp-{secrets.token_hex(8)}-{path.name}")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush the file and rename it to `path`.

    When the block raises, the temporary file is removed and `path` stays as it was; an OSError names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_room(path: Path, needed: int) -> None:
    """Raise OSError, as a full disk does, unless `needed` bytes are free where `path` is to be written.

    For writers that fail on a full disk in the midst of a file, with more than one error, as HDF5's does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@contextmanager
def held_lock(path: Path, busy: str, seconds: float = 0) -> Iterator[None]:
    """Hold the lock of a file, which the system releases when the process dies.

    InputError, whose message is `busy`, where another process holds it for more than `seconds`.
    """
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(busy) from None
    try:
        yield
    finally:
        lock.release()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically; NaN, which is not JSON, raises ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def finite_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value with null for numbers that JSON does not have: NaN (an undefined score) and infinity.

    >>> finite_json({"f1": float("nan"), "counts": [1, 2.5]})
    {'f1': None, 'counts': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {key: finite_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; InputError when the file is missing, is not JSON, or holds something else."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return parse_json(path.read_bytes(), path)


def parse_json(content: bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object that a file at `path` holds; InputError as `read_json`."""
    try:
        value = json.loads(content.decode(), parse_int=_read_int, parse_constant=_refuse_constant)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    except RecursionError:
        raise InputError(f"{path}: not JSON of ours (nested too deeply)") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected one JSON object")
    if is_deep(value):
        raise InputError(f"{path}: not JSON of ours (nested too deeply)")
    return value


def is_deep(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a value is nested deeper than functions that call themselves could follow."""
    level = [value]
    for _ in range(_DEEPEST):
        parts = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [part for group in parts for part in group if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file with a header atomically, row by row."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_png_path(path: Path) -> None:
    """Raise InputError unless `path` can become a PNG file."""
    if path.suffix.lower() != ".png" or path.is_dir():
        raise InputError(f"{path}: the figure is a PNG file; give --out a name that ends in .png")


def check_output_dir(given: str | Path | None, default: str, remedy: str = "give another --out") -> Path:
    """Return an empty or missing folder: `given`, or the first of DEFAULT-1, DEFAULT-2, ... that is not there.

    InputError, which ends with `remedy`, when `given` holds anything.
    """
    if given is None:
        return next(path for path in _numbered(default) if not path.exists())
    folder = Path(given)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: not an empty folder; {remedy}")
    return folder


def make_output_dir(given: str | Path | None, default: str) -> Path:
    """Create and return the folder that `check_output_dir` names, or raise as it does.

    Two callers never create the same one: the second gets InputError, or the next number.
    """
    if given is None:
        return next(path for path in _numbered(default) if _create(path))
    folder = check_output_dir(given, default)
    if not folder.is_dir() and not _create(folder):
        raise InputError(f"{folder}: another process has just created it; give another --out")
    return folder


def safe_file_name(text: str) -> str:
    """Return a label or group name as one path component; distinct names stay distinct.

    ":" becomes "=". Where anything else must change (separators, control characters, dots at either end, names of
    Windows devices, more than 100 bytes), a hash of the name is appended.

    >>> safe_file_name("column:brand")
    'column=brand'
    >>> safe_file_name("../../etc")
    '_.._etc-74ccf3c5'
    """
    name = text.replace(":", "=")
    clean = _UNSAFE.sub("_", name).encode()[:_LONGEST_NAME].decode(errors="ignore").strip(" .")
    looks_hashed = re.search(r"-[0-9a-f]{8}$", clean)
    if clean == name and clean and "=" not in text and not looks_hashed and not _WINDOWS_DEVICE.fullmatch(clean):
        return clean
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{'_' if _WINDOWS_DEVICE.fullmatch(clean) else ''}{clean}-{digest}"


def cache_dir() -> Path:
    """Return the cache folder: $FASHION_KERAS_CACHE, or ~/.cache/fashion_keras; its content can be rebuilt."""
    return Path(os.environ.get("FASHION_KERAS_CACHE") or Path.home() / ".cache" / "fashion_keras")


def _read_int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits[:10]}..., a number of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no number of JSON")


def _numbered(default: str) -> Iterator[Path]:
    return (Path(f"{default}-{number}") for number in count(1))


def _create(folder: Path) -> bool:
    """Create a folder and its parents; return False when the folder itself is there already."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True
