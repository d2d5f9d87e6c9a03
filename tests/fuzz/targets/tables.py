"""Text tables of every dialect, conditions of filters, corrections."""

import json
from io import BytesIO
from pathlib import Path

from fashion_keras.catalog.corrections import Correction, _unescape, append_corrections, escape_cell, read_corrections
from fashion_keras.catalog.sources import csv_reader
from fashion_keras.catalog.sources.csv_reader import read_text_parts, read_text_table
from fashion_keras.search.filters import check_filters, parse_conditions, parse_filters
from fashion_keras.support.errors import InputError
from tests.fuzz.target import Check, Target

ROWS = (
    'sku,image,title,price\n1,a.jpg,Blue shirt,9.5\n2,b.jpg,"Shoe, red",10\n3,c.jpg,"two\nlines",\n4,d.jpg,"q""q",7\n'
)
CSV_TOKENS = (
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r",
    b"\r\n",
    b'"\n"',
    b"sep=;\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xe9",
    "é".encode(),
    b'="1"',
    b"NaN",
    b"1e999",
    b"\x85",
    "\u2028".encode(),
    b",,,",
    b"\n\n",
)


def table_seeds() -> list[bytes]:
    """The same rows in several dialects."""
    semicolons, long = ROWS.replace(",", ";"), "sku,image\n" + "".join(f"{n},{n}.jpg\n" for n in range(60))
    quoted = "sku,title\n" + "".join(f'{n},"line\nand {n}"\n' for n in range(30))
    return [
        ROWS.encode(),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS.replace(",", "\t").encode(),
        semicolons.encode(),
        b"sep=;\n" + semicolons.encode(),
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.encode("utf-16"),
        ROWS.encode("utf-16-le"),
        ROWS.replace("shirt", "Hülle").encode("cp1252"),
        ROWS.replace("\n", "\r").encode(),
        long.encode(),
        quoted.encode(),
        ROWS.replace("Blue", '5" Blue').encode(),
    ]


def _prepare_text(folder: Path) -> Check:
    path = folder / "t.csv"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        whole = _rows(lambda: [read_text_table(path)])
        parts = _rows(lambda: read_text_parts(BytesIO(data), str(path)))
        assert parts == whole, _difference(whole, parts)

    return check


def _prepare_parts(folder: Path) -> Check:
    """Parts of 1,200 bytes: the whole table must come out, whatever stands at their ends."""
    path = folder / "t.csv"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        size = csv_reader._PART_BYTES
        whole = _rows(lambda: [read_text_table(path, ",")])
        csv_reader._PART_BYTES = 1200
        try:
            parts = _rows(lambda: read_text_parts(BytesIO(data), str(path), ","))
        finally:
            csv_reader._PART_BYTES = size
        assert parts == whole, _difference(whole, parts)

    return check


def _long_seeds() -> list[bytes]:
    """Tables of several parts."""
    return [seed + seed.partition(b"\n")[2] * (1 + 4000 // len(seed)) for seed in table_seeds() if b"\0" not in seed]


def _rows(read) -> tuple[list[str], list[tuple[int, list[str]]]] | str:
    """Return header and records of a table in parts; the message of a refusal."""
    try:
        tables = list(read())
    except InputError as error:
        assert len(str(error).splitlines()) == 1, error
        return "refused"
    return tables[0].header, [record for table in tables for record in table.records]


def _difference(whole, parts) -> str:
    if isinstance(whole, str) or isinstance(parts, str):
        return f"{str(whole)[:200]} / {str(parts)[:200]}"
    first = next(
        (pair for pair in zip(whole[1], parts[1], strict=False) if pair[0] != pair[1]), (len(whole[1]), len(parts[1]))
    )
    return f"headers {whole[0] == parts[0]}; first difference {str(first)[:400]}"


def _prepare_where(_: Path) -> Check:
    columns, known = ("gender", "price", "Base Colour"), ("Women", "Men", "")

    def check(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        if text.startswith("{"):
            try:
                where = json.loads(text)
            except (ValueError, RecursionError):
                return
        else:
            where = parse_conditions(text.split("&"))
        parse_filters(where)
        check_filters(where, columns, ("price",), lambda name, values: known)

    return check


def _where_seeds() -> list[bytes]:
    return [
        b"gender=Women",
        b"gender=Women&gender=Men",
        b"price>=100&price<5e2",
        b"base_colour=",
        b"price=",
        b"price=nan",
        b'{"gender": ["Women", null], "price": {"gte": 1, "lt": 5.5}, "base colour": "Red"}',
        b'{"price": 3}',
    ]


def _prepare_corrections(folder: Path) -> Check:
    path = folder / "corrections.csv"
    extra = Correction(sku="1", column="gender", before="Men", after="=Women\n", action="correct")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        corrections, malformed = read_corrections(path)
        assert all(len(line.splitlines()) == 1 for line in malformed), malformed
        append_corrections(path, [*corrections[:3], extra])
        again, _ = read_corrections(path)
        assert again[: len(corrections)] == corrections, "a row was changed by what was appended"
        written = [[_unescape(escape_cell(cell)) for cell in each.cells] for each in corrections[:3]]
        appended = [list(each.cells) for each in again[len(corrections) : -1]]
        assert appended == written, (appended, written)

    return check


def _correction_seeds() -> list[bytes]:
    header = b"when,who,sku,image_id,column,from,to,action\n"
    rows = (
        b"2026-01-31T12:00:00+00:00,me,1,1,gender,Men,Women,correct\n"
        b'2026-01-31T12:00:01+00:00,,2,2:b,gender,Men,,accept\n2026-02-01,,"a,b",,usage,\'=1,Casual,skip\n'
    )
    return [header + rows, header, b"\xef\xbb\xbf" + header.replace(b"\n", b"\r\n") + rows, header + rows[:-1]]


TARGETS = (
    Target("text tables", table_seeds, _prepare_text, CSV_TOKENS, weight=10),
    Target("text tables in parts", _long_seeds, _prepare_parts, CSV_TOKENS, weight=4),
    Target(
        "where",
        _where_seeds,
        _prepare_where,
        (
            b"=",
            b">=",
            b"<",
            b"&",
            b"price",
            b"nan",
            b"inf",
            b"1e999",
            b"True",
            b"_",
            "٣".encode(),
            b"null",
            b"Base Colour",
        ),
        weight=30,
    ),
    Target(
        "corrections",
        _correction_seeds,
        _prepare_corrections,
        (*CSV_TOKENS, b"accept", b"correct", b"'=", b"@", b"2026-01-31", b"9999-12-31T23:59:60"),
        weight=2,
    ),
)
