"""HTML page of a report: tiles, text, tables, figures and images, rendered by one template into one file."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral, Real
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image

from fashion_keras.support.atomic_files import write_text

PAGE = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"
_COLORS = 128  # of a figure: its PNG is a third as large, and looks the same
_SHORT = 26  # characters of a table cell that are not wrapped
_WIDE = 900  # CSS pixels: on a page of 7 inches, the letters of such a figure are too small
_SCALE = 0.8  # CSS pixels, 96 to an inch, to a pixel of a figure, 120 to an inch


@dataclass(frozen=True)
class Tile:
    """Number in the headline: its name, its value as text, and a note such as its interval."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Table whose columns sort; cells are texts, numbers, or None where there is no value."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers, and nothing else, which stand on the right."""
        columns = [[row[place] for row in self.rows] for place in range(len(self.columns))]
        return [any(cell is not None for cell in cells) and all(map(is_number, cells)) for cells in columns]


@dataclass(frozen=True)
class Figure:
    """Figure as a data URL, the text that describes it, and its width in CSS pixels."""

    source: str
    text: str
    width: int

    @property
    def is_wide(self) -> bool:
        """Whether it is printed on a page of its own, across."""
        return self.width > _WIDE


@dataclass(frozen=True)
class Card:
    """Images of one item, each (data URL, caption), and lines of text below them."""

    images: Sequence[tuple[str, str]]
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """Part of a page under its own heading: text, figures, tables, cards, and commands to copy, in this order."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    cards: Sequence[Card] = ()
    commands: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not any((self.text, self.figures, self.tables, self.cards, self.commands))


@dataclass(frozen=True)
class Page:
    """Content of a report's page; `facts` are (name, value) pairs of its header, sections without content are left out.

    All texts are escaped when the page is rendered: they may hold anything.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    warnings: Sequence[str] = ()

    def render(self) -> str:
        """Return the page as HTML that needs no other file; its policy forbids every request and foreign script."""
        script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return _template().render(
            page=self,
            sections=[section for section in self.sections if not section.is_empty],
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'",
            footer=f"fashion_keras {_version()}, {date.today()}",
        )

    def write(self, path: Path) -> Path:
        """Write the page as an HTML file and return its path."""
        write_text(path, self.render())
        return path


def figure(path: Path, text: str) -> tuple[Figure, ...]:
    """Return the figure in a PNG file, inline and in 128 colors, with the text that describes it; () without a file."""
    if not path.is_file():
        return ()
    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    data = io.BytesIO()
    reduced.save(data, "PNG", optimize=True)
    return (Figure(data_url(data.getvalue(), "image/png"), text, round(_SCALE * reduced.width)),)


def data_url(data: bytes, kind: str) -> str:
    """Return the data URL of bytes of a media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def cell_text(value: object) -> str:
    """Return the text of a table cell.

    >>> [cell_text(value) for value in (None, True, 1234, 0.8765, 1234.56, "a")]
    ['–', 'yes', '1,234', '0.876', '1,234.6', 'a']
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,}"
    if isinstance(value, Real):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"
    return str(value)


def is_short(value: object) -> bool:
    """Return whether a table cell stands on one line."""
    return len(cell_text(value)) <= _SHORT


def sort_value(value: object) -> str:
    """Return what a table cell is sorted by: a number in full, a text as it is, "" for None."""
    return "" if value is None else repr(float(value)) if isinstance(value, Real) else str(value)


def is_number(value: object) -> bool:
    """Return whether a table cell is a number, or empty, and stands on the right."""
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"cell_text": cell_text, "sort_value": sort_value}
    environment.tests["short"] = is_short
    return environment.get_template("page.html")


def _version() -> str:
    try:
        return version("fashion_keras")
    except PackageNotFoundError:
        return "(not installed)"
