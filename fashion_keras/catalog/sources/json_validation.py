"""JSON validation: lists of objects, errors with file, line and key."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.support.errors import InputError


def validate_entries(
    path: Path, text: str, name: str, entries: Sequence[Any], keys: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, entry) of a JSON list whose entries must be objects with those keys."""
    for number, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise InputError(f"{path}:{line_number(text, name, number)}: {name}[{number}] has no key {missing[0]!r}")
        yield number, entry


def line_number(text: str, name: str, number: int) -> int:
    """Return the line on which entry `number` of the list `name` begins; for "" the whole text is the list."""
    start = re.search(rf'"{name}"\s*:\s*\[' if name else r"\[", text)
    place = start.end() if start else 0
    decoder, gap = json.JSONDecoder(), re.compile(r"[\s,]*")
    try:
        for _ in range(number if start else 0):
            place = decoder.raw_decode(text, gap.match(text, place).end())[1]
    except (ValueError, RecursionError):  # the name is written with escapes, or stands elsewhere, too
        place = 0
    return text.count("\n", 0, gap.match(text, place).end()) + 1


def read_json_document(path: Path) -> tuple[str, Any]:
    """Return the text of a JSON file and its value; InputError when it is missing or is not JSON."""
    text = read_text(path)
    try:
        return text, json.loads(text)
    except RecursionError:
        raise InputError(f"{path}: not JSON of ours (nested too deeply)") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}); download or save the file again") from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path}:1: not JSON of ours ({str(error)[:80]})") from None


def read_text(path: Path) -> str:
    """Return the text of a file; InputError when it is missing or not UTF-8."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
