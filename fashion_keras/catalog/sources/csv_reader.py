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
_PART_BYTES = 2**22
_MOST_CHARACTERS = 2**26  # of a part that a stray quote keeps from ending
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
    text, separator, line = _begin(text, path.name, delimiter, notes)
    records, _, _ = _parse(text, separator, line=line)
    if not records:
        raise _empty(str(path))
    return TextTable(records[0][1], records[1:], notes, separator)


def read_text_parts(file: BinaryIO, path: str, delimiter: str | None = None) -> Iterator[TextTable]:
    """Yield the rows of a CSV file a part at a time, each with the header: as `read_text_table`, in constant memory.

    A part ends with a record. Of UTF-16 there is one part. `path` is for messages.
    """
    name = Path(path).name
    header, separator, text, line = [], "", "", 1
    for part, notes, is_last in _decoded(file, name):
        text += part
        if not separator and (is_last or text.strip()):
            text, separator, line = _begin(text, name, delimiter, notes)
        if not separator:
            continue
        records, text, line = _parse(text, separator, len(header), line, is_last)
        if not header and records:
            header = records.pop(0)[1]
        if header:
            yield TextTable(header, records, notes, separator)
    if not header:
        raise _empty(path)


def _decoded(file: BinaryIO, name: str) -> Iterator[tuple[str, list[str], bool]]:
    """Yield whole lines as text, notes on their encoding, and whether they are the last."""
    data, encoding, is_first, is_last = b"", None, True, False
    while not is_last:
        block = file.read(_PART_BYTES)
        data, is_last = data + block, len(block) < _PART_BYTES
        if is_first and "16" in (_encoding(data) or ""):
            data, is_last = data + file.read(), True
        end = len(data) if is_last else data.rfind(b"\n") + 1
        if end or is_last:
            encoding = _encoding(data) if is_first else None
            yield *_decode(data[:end], name, encoding), is_last
            data, is_first = data[end:], False


def _begin(text: str, name: str, delimiter: str | None, notes: list[str]) -> tuple[str, str, int]:
    """Return the text below a line `sep=;`, the separator, which is noted unless a comma, and the text's first line."""
    hint = re.match(r'"?sep=(.)[^\r\n]*(\r\n|\r|\n)', text, re.IGNORECASE)
    text = text[hint.end() :] if hint else text
    separator = _separator(delimiter) if delimiter else hint[1] if hint else _sniff(text)
    if separator != ",":
        names = {character: name for name, character in DELIMITERS.items()}
        notes.append(f"{name}: cells are separated by {names.get(separator, separator)}")
    return text, separator, 2 if hint else 1


def _empty(path: str) -> InputError:
    return InputError(f"{path}: empty file; expected a header such as sku,image,category,...")


def _separator(name: str) -> str:
    separator = DELIMITERS.get(name, "\t" if name == r"\t" else name)
    if len(separator) != 1 or separator in '"\r\n':
        raise InputError(f"--delimiter {name!r}: give one character, or {', '.join(DELIMITERS)}")
    return separator


def decode_text(data: bytes, name: str) -> tuple[str, list[str]]:
    """Return the text of a file, and notes on its encoding; InputError for UTF-16 that breaks off."""
    return _decode(data, name, _encoding(data))


def _decode(data: bytes, name: str, encoding: str | None) -> tuple[str, list[str]]:
    try:
        text = data.decode(encoding or "utf-8")
        return text, [f"{name}: read as UTF-16"] if encoding and "16" in encoding else []
    except UnicodeDecodeError:
        if encoding and "16" in encoding:
            raise InputError(f"{name}: UTF-16 that breaks off in a character; export the table again") from None
    lines, foreign = [], 0
    for line in (data.removeprefix(_MARKS[0][0]) if encoding else data).split(b"\n"):
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
        counts = [len(cells) for _, cells in _parse(start, separator)[0][:_SNIFFED_ROWS]]
        if counts and counts[0] > 1:
            scores[separator] = (sum(count == counts[0] for count in counts[1:]) / max(1, len(counts) - 1), counts[0])
    return max(scores, key=scores.__getitem__, default=",")


def trim(cells: list[str]) -> list[str]:
    """Return a row without the empty cells at its end."""
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _parse(
    text: str, separator: str, width: int = 0, line: int = 1, is_whole: bool = True
) -> tuple[list[Record], str, int]:
    """Return the records that are not blank, the header first, the text that is left, and the number of its first line.

    A record takes further lines only when an open quote then closes and the width is right; else the quote is a stray
    one, and its line a record.

    Args:
        text: whole lines.
        separator: between cells.
        width: cells of the header; 0 where that is the first record.
        line: number of the first line.
        is_whole: whether the file ends here; if not, the text may end within a record, which is left.
    """
    records: list[Record] = []
    # One text for equal cells: of a million products, more than half of the memory.
    share = {}.setdefault
    place, lines = 0, []
    while True:
        source = (lines[number] for number in range(place, len(lines))) if lines else io.StringIO(text, newline="")
        reader = csv.reader(source, delimiter=separator, strict=True)
        start, is_open = place, False
        try:
            for cells in reader:
                if start + reader.line_num > place + 1 and len(cells) != (width or len(cells)):
                    break
                width = _add(records, line + place, [*map(share, cells, cells)], width)
                place = start + reader.line_num
            else:
                return records, "", line + place
        except csv.Error as error:
            is_open = "end of data" in str(error)
        lines = lines or list(io.StringIO(text, newline=""))
        if is_open and not is_whole and len(text) < _MOST_CHARACTERS:
            return records, "".join(lines[place:]), line + place
        width = _add(records, line + place, next(csv.reader([lines[place]], delimiter=separator), []), width)
        place += 1


def _add(records: list[Record], line: int, cells: list[str], width: int) -> int:
    """Add a record unless it is blank; return the width of the header, the first that is not."""
    if not any(cells) or "".join(cells).isspace():
        return width
    records.append((line, cells))
    return width or len(cells)
