"""CSV reader: text tables of any usual encoding and delimiter as rows of cells, each with its line number."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fashion_keras.support.errors import InputError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
_SNIFFED_ROWS = 50
_PART_BYTES, _MOST_BYTES = 2**22, 2**26  # of a part, and of one that a stray quote keeps from ending
_MOST_LINES = 200  # of one record beside stray quotes
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

csv.field_size_limit(2**31 - 1)  # descriptions of products can be long

Record = tuple[int, list[str]]  # line number, cells


@dataclass(frozen=True)
class TextTable:
    """Header and records of a text table.

    Attributes:
        header: the cells of the first line.
        records: line number and cells of each row, as many as the header has or not.
        notes: what was detected about the file.
        separator: between cells.
    """

    header: list[str]
    records: list[Record]
    notes: list[str] = field(default_factory=list)
    separator: str = ","


def read_text_table(path: Path, delimiter: str | None = None) -> TextTable:
    """Read a CSV file of any usual dialect.

    UTF-8 or UTF-16, or Windows-1252 line by line where a line is not UTF-8; commas, semicolons, tabs or bars, also by a
    first line `sep=;`; quoted cells may hold line breaks. A stray quote spoils no more than its own line.

    Args:
        path: the file.
        delimiter: a character, or one of comma, semicolon, tab, bar; None: detected.

    Raises:
        InputError: when the file is empty.
    """
    text, notes = decode_text(path.read_bytes(), path.name)
    return _parse_table(text, str(path), delimiter, notes)


def read_text_parts(file: BinaryIO, path: str, delimiter: str | None = None) -> Iterator[TextTable]:
    """Yield the rows of a CSV file a part at a time, each with the header: as `read_text_table`, in constant memory.

    A part ends with a line, and not within quotes. Of UTF-16 there is one part. `path` is for messages.
    """
    first, data, lines, is_last = None, b"", 0, False
    while not is_last:
        block = file.read(_PART_BYTES)
        data += block
        is_last = len(block) < _PART_BYTES
        if first is None and "16" in (_encoding(data) or ""):
            data, is_last = data + file.read(), True
        end = len(data) if is_last else _last_end(data, first.separator if first else delimiter)
        part, data = data[:end], data[end:]
        if not part and (first or not is_last):
            continue
        text, notes = decode_text(part, Path(path).name)
        if first is None:
            first = _parse_table(text, path, delimiter, notes)
            yield first
        else:
            width = len(first.header)
            records = [(lines + line, cells) for line, cells in _parse(text, first.separator, width)]
            yield TextTable(first.header, records, notes, first.separator)
        lines += text.count("\n")


def _last_end(data: bytes, delimiter: str | None) -> int:
    """Return where the last line ends that is not within a quoted cell; of much data, where the last line does.

    0 where no line does. Quotes within a cell without quotes open none.
    """
    end = data.rfind(b"\n") + 1
    if b'"' not in data or len(data) >= _MOST_BYTES:
        return end
    separators = {*DELIMITERS.values(), _separator(delimiter or ","), "\r", "\n"}
    boundary = re.escape("".join(separators)).encode()
    # Opened at the beginning of a cell, closed at its end or, as yet, not at all.
    cell = rb'"(?:(?<=[%b]")|(?<=\A"))(?:[^"]|"")*+(?:"(?=[%b])|"?\Z)' % (boundary, boundary)
    for start, stop in reversed([match.span() for match in re.finditer(cell, data)]):
        if stop < end:
            break
        if start < end:
            end = data.rfind(b"\n", 0, start) + 1
    return end


def _parse_table(text: str, path: str, delimiter: str | None, notes: list[str]) -> TextTable:
    hint = re.match(r'"?sep=(.)[^\r\n]*(\r\n|\r|\n)', text, re.IGNORECASE)
    text = text[hint.end() :] if hint else text
    if not text.strip():
        raise InputError(f"{path}: empty file; expected a header such as sku,image,category,...")
    separator = _separator(delimiter) if delimiter else hint[1] if hint else _sniff(text)
    if separator != ",":
        names = {character: name for name, character in DELIMITERS.items()}
        notes.append(f"{Path(path).name}: cells are separated by {names.get(separator, separator)}")
    # Lines are counted in the file, which begins with the hint.
    records = [(line + bool(hint), cells) for line, cells in _parse(text, separator)]
    if not records:
        raise InputError(f"{path}: empty file; expected a header such as sku,image,category,...")
    return TextTable(records[0][1], records[1:], notes, separator)


def _separator(name: str) -> str:
    separator = DELIMITERS.get(name, "\t" if name == r"\t" else name)
    if len(separator) != 1 or separator in '"\r\n':
        raise InputError(f"--delimiter {name!r}: give one character, or {', '.join(DELIMITERS)}")
    return separator


def decode_text(data: bytes, name: str) -> tuple[str, list[str]]:
    """Return the text of a file, and notes on its encoding; InputError for UTF-16 that breaks off."""
    encoding = _encoding(data)
    try:
        text = data.decode(encoding or "utf-8")
        return text, [f"{name}: read as UTF-16"] if encoding and "16" in encoding else []
    except UnicodeDecodeError:
        if encoding and "16" in encoding:
            raise InputError(f"{name}: UTF-16 that breaks off in a character; export the table again") from None
    lines, foreign = [], 0
    for line in data.removeprefix(_MARKS[0][0]).split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            foreign += 1
            lines.append(_decode_windows(line))
    return "\n".join(lines), [f"{name}: {foreign} lines are not UTF-8 and were read as Windows-1252"]


def _encoding(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), _guess_utf16(data))


def _guess_utf16(data: bytes) -> str | None:
    """Return UTF-16's byte order where every second byte of the beginning is 0, as in Latin text without a mark."""
    start = data[:1000]
    if len(start) < 4 or start.count(0) < len(start) * 0.4:
        return None
    return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"


def _decode_windows(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _sniff(text: str) -> str:
    """Return the delimiter by which most of the first rows have as many cells as the header, which has several."""
    start = text[:200_000]
    scores = {}
    for separator in DELIMITERS.values():
        counts = [len(cells) for _, cells in _parse(start, separator)[:_SNIFFED_ROWS]]
        if counts and counts[0] > 1:
            scores[separator] = (sum(count == counts[0] for count in counts[1:]) / max(1, len(counts) - 1), counts[0])
    return max(scores, key=scores.__getitem__, default=",")


def trim(cells: list[str]) -> list[str]:
    """Return a row without the empty cells at its end."""
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _parse(text: str, separator: str, width: int = 0) -> list[Record]:
    """Return the records that are not blank; `width` is that of the header, 0 where it is the first of them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records, line = [], 1
    try:
        for cells in reader:
            if any(cells) and not "".join(cells).isspace():
                records.append((line, cells))
            if reader.line_num > line and len(cells) != (width or len(records[0][1])):
                return _parse_carefully(text, separator, width)  # a stray quote joined lines
            line = reader.line_num + 1
    except csv.Error:
        return _parse_carefully(text, separator, width)
    return records


def _parse_carefully(text: str, separator: str, width: int) -> list[Record]:
    """Parse line by line; a record takes further lines only when an open quote then closes and the width is right."""
    lines = list(io.StringIO(text, newline=""))
    records: list[Record] = []
    place = 0
    while place < len(lines):
        cells, count = _parse_record(lines, place, separator, width or (len(records[0][1]) if records else 0))
        if any(cells) and not "".join(cells).isspace():
            records.append((place + 1, cells))
        place += count
    return records


def _parse_record(lines: list[str], place: int, separator: str, width: int) -> tuple[list[str], int]:
    """Return the cells of the record that begins at a line, and how many lines it takes."""
    if '"' in lines[place]:
        reader = csv.reader(lines[place : place + _MOST_LINES], delimiter=separator, strict=True)
        try:
            cells = next(reader)
        except csv.Error:
            pass
        else:
            if reader.line_num == 1 or len(cells) == width:
                return cells, reader.line_num
    return next(csv.reader([lines[place]], delimiter=separator), []), 1
