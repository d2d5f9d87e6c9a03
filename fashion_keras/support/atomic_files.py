"""Files that are either whole or not there: written to a temporary name, flushed, then renamed."""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from fashion_keras.support.errors import InputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, ending alike; on success flush it and rename it to `path`.

    When the block raises, the temporary file is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically; NaN, which is not JSON, raises ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; InputError when the file is missing, is not JSON, or holds something else."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected one JSON object")
    return value


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file with a header atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_png_path(path: Path) -> None:
    """Raise InputError unless `path` can become a PNG file."""
    if path.suffix.lower() != ".png" or path.is_dir():
        raise InputError(f"{path}: the figure is a PNG file; give --out a name that ends in .png")


def check_output_dir(given: str | Path | None, default: str) -> Path:
    """Return an empty or missing folder: `given`, or the first of DEFAULT-1, DEFAULT-2, ... that is not there.

    Raises:
        InputError: when `given` holds anything.
    """
    if given is None:
        return next(path for number in count(1) if not (path := Path(f"{default}-{number}")).exists())
    folder = Path(given)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: not an empty folder; give another --out")
    return folder


def make_output_dir(given: str | Path | None, default: str) -> Path:
    """Make the folder that `check_output_dir` returns."""
    folder = check_output_dir(given, default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_dir() -> Path:
    """Return where things that can be made again are kept: $FASHION_KERAS_CACHE, or ~/.cache/fashion_keras."""
    return Path(os.environ.get("FASHION_KERAS_CACHE") or Path.home() / ".cache" / "fashion_keras")


def safe_file_name(text: str) -> str:
    """Return a label or group name as one path component."""
    name = re.sub(r"[^\w.+ -]", "_", text).strip(" .")
    return name or "_"
