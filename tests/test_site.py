"""The documentation site: every page has its place, links lead to pages or to the repository, nothing is fetched."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages(entries):
    """The pages of a navigation, in its order."""
    for entry in entries:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(target, list):
            yield from pages(target)
        else:
            yield target


def test_navigation_has_every_page_once(hooks):
    own = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert sorted(pages(CONFIG["nav"])) == sorted({*own, *hooks.PAGES.values(), "reference/commands.md"})


@pytest.mark.parametrize(
    ("link", "source", "page", "target"),
    [
        ("../README.md", "docs/search.md", "search.md", "index.md"),
        ("docs/search.md#encoders", "README.md", "index.md", "search.md#encoders"),
        ("../notebooks/04_search.ipynb", "docs/tutorial.md", "tutorial.md", "notebooks/04_search.md"),
        ("../catalogs.md", "docs/reference/catalog.md", "reference/catalog.md", "../catalogs.md"),
        ("docs/search.png", "README.md", "index.md", "search.png"),
        ("li2020/", "docs/studies/README.md", "studies/README.md", "li2020/README.md"),
        ("../train.py", "docs/search.md", "search.md", "{}/blob/main/train.py"),
        ("https://arxiv.org/abs/1610.02391", "docs/search.md", "search.md", "https://arxiv.org/abs/1610.02391"),
        ("#encoders", "docs/search.md", "search.md", "#encoders"),
    ],
)  # fmt: skip
def test_links_are_those_of_the_site(hooks, link, source, page, target):
    known = {*pages(CONFIG["nav"]), "search.png"}
    files = SimpleNamespace(get_file_from_path=lambda uri: uri if uri in known else None)
    assert hooks._target(link, source, page, files) == target.format(hooks.SOURCE)


def test_links_in_code_blocks_stay_as_they_are(hooks):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="search.md"))
    files = SimpleNamespace(get_file_from_path=lambda uri: uri == "index.md")
    text = "[a](../README.md)\n```text\n[a](../README.md)\n```\n[b](../README.md)\n"
    expected = "[a](index.md)\n```text\n[a](../README.md)\n```\n[b](index.md)\n"
    assert hooks.on_page_markdown(text, page, None, files) == expected


@pytest.mark.slow
def test_site_builds_without_warnings_and_fetches_nothing(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    for page in ("index.html", "reference/training.html", "notebooks/04_search.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "<h1" in text
        assert not [tag for tag in ('<script src="http', '<link rel="stylesheet" href="http', "fonts.g") if tag in text]
    assert "TrainConfig" in (tmp_path / "reference" / "training.html").read_text(encoding="utf-8")
    assert "fashion-keras search" in (tmp_path / "reference" / "commands.html").read_text(encoding="utf-8")
