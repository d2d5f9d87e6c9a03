"""Pages: everything is escaped, nothing is loaded from elsewhere, figures are inline."""

import base64
import hashlib
import io
import re

import numpy as np
from PIL import Image

from fashion_keras.evaluation.pages.page import Card, Page, Section, Table, Tile, figure

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def page_of(*sections, **changes):
    return Page(**{"title": "a", "facts": [], "tiles": [], "sections": sections, **changes}).render()


def test_every_text_is_escaped():
    section = Section(
        HOSTILE,
        [HOSTILE],
        tables=[Table((HOSTILE,), [[HOSTILE]], HOSTILE)],
        cards=[Card([("data:,", HOSTILE)], [HOSTILE])],
        commands=[HOSTILE],
    )
    html = page_of(section, title=HOSTILE, facts=[(HOSTILE, HOSTILE)], tiles=[Tile(*[HOSTILE] * 3)], warnings=[HOSTILE])
    assert html.count("<script") == 1  # our own
    assert "<img src=x" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 15


def test_page_needs_no_other_file_and_runs_no_other_script():
    html = page_of(Section("b", ["text"], tables=[Table(("x",), [[1]])]))
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert "url(" not in html and "@import" not in html and "http" not in html.replace("http-equiv", "")
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in html
    assert "default-src &#39;none&#39;" in html


def test_cells_show_numbers_shortly_and_sort_by_all_their_digits():
    html = page_of(Section("b", tables=[Table(("name", "count", "score"), [("a", 1234, 0.87654), ("b", None, 1.5)])]))
    assert '<td class="number" data-value="1234.0">1,234</td>' in html
    assert '<td class="number" data-value="0.87654">0.877</td>' in html
    assert '<td class="number" data-value="">–</td>' in html
    assert '<td class="short" data-value="a">a</td>' in html


def test_sections_without_content_are_left_out():
    html = page_of(Section("Nothing here"), Section("Something", ["text"]))
    assert "Something" in html and "Nothing here" not in html


def test_figure_is_inline_with_its_description(tmp_path):
    pixels = np.full((120, 240, 3), 255, np.uint8)
    pixels[:60] = 0, 114, 133
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (shown,) = figure(tmp_path / "a.png", "text")
    data = base64.b64decode(shown.source.removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)
    assert (shown.text, shown.width) == ("text", 192)
    assert figure(tmp_path / "none.png", "text") == ()
