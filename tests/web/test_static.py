"""The files of the page: complete, from this server alone, within its content security policy."""

import re
from pathlib import Path

import pytest

import fashion_keras

STATIC = Path(fashion_keras.__file__).parent / "web" / "static"
FILES = sorted(STATIC.iterdir())
TEXT = {path.name: path.read_text() for path in FILES}


def test_the_page_names_every_style_and_its_modules_are_there():
    linked = set(re.findall(r'(?:href|src)="static/([^"]+)"', TEXT["index.html"]))
    imported = {name for text in TEXT.values() for name in re.findall(r'"\./(\w+\.js)"', text)}
    assert {name for name in TEXT if name.endswith((".css", ".svg"))} <= linked
    assert linked | imported | {"index.html"} == set(TEXT)


@pytest.mark.parametrize("name", TEXT)
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(name):
    text = TEXT[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]{2,}|@import", text)
    assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=\"|\.innerHTML|\beval\(|new Function", text)


@pytest.mark.parametrize("name", TEXT)
def test_files_are_short(name):
    assert len(TEXT[name].splitlines()) <= 260


def test_every_id_that_a_module_looks_up_is_made():
    made = {match for text in TEXT.values() for match in re.findall(r"""\bid(?:=|: )"([\w-]+)\"""", text)}
    used = {match for text in TEXT.values() for match in re.findall(r'byId\("([\w-]+)"\)', text)}
    assert used - made == set()


def test_icons_that_are_used_are_drawn():
    drawn = set(re.findall(r'<symbol id="i-(\w+)"', TEXT["index.html"]))
    used = {match for text in TEXT.values() for match in re.findall(r'(?:\bicon\(|href="#i-)"?(\w+)"', text)}
    assert used <= drawn
