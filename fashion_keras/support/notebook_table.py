"""Small HTML tables for notebooks: `_repr_html_` of catalogs, runs, reports and matches. All texts are escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Thumbnail:
    """Table cell with an image: its data URL, "" where the image cannot be read, and a text that describes it."""

    url: str
    text: str


def notebook_table(columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Return an HTML table; cells are texts, numbers, `Thumbnail`s, or None where there is no value.

    >>> notebook_table(["name"], [["<b>"], [0.25]])
    '<table><thead><tr><th>name</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr><tr><td>0.250</td></tr></tbody></table>'
    """
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, Thumbnail):
        image = f'<img src="{escape(value.url)}" alt="{escape(value.text)}" style="max-height:80px">'
        return image if value.url else escape(value.text)
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))
