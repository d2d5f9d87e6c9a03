"""README, guides and notebooks: their commands parse, their links resolve, their code runs."""

import re
import shlex
from pathlib import Path

import pytest

from fashion_keras.catalog.tasks import TASKS
from fashion_keras.cli import _parser
from fashion_keras.models.backbones import BACKBONES
from fashion_keras.training.recipes import RECIPES
from fashion_keras.training.strategies import STRATEGIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [
    *DOCUMENTS, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    ROOT / "data" / "README.md", ROOT / "benchmarks" / "README.md",
    ROOT / "fashion_keras" / "models" / "bundled" / "fashion_small" / "README.md",
]  # fmt: skip
COMMAND = re.compile(r"(?:python )?(?:train\.py|fashion-keras)(?: .*)?$")


def commands(text):
    """The command lines of a document: in its shell blocks, code spans and measure comments."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", outside)
    lines += [part.strip() for line in re.findall(r"<!-- measure: (.*?) -->", text) for part in line.split(";")]
    return [line for line in lines if COMMAND.match(line)]


def anchors(text):
    """The anchors that GitHub makes of the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


LINES = [(path, line) for path in LINKED for line in dict.fromkeys(commands(path.read_text()))]


@pytest.mark.parametrize(("path", "line"), LINES, ids=[f"{path.stem}-{line}" for path, line in LINES])
def test_command_parses(path, line):
    words = shlex.split(line.removeprefix("python "))
    arguments = ["train", *words[1:]] if words[0] == "train.py" else words[1:]
    if "--help" not in arguments and arguments:
        assert _parser().parse_args(arguments).command


@pytest.mark.parametrize("path", DOCUMENTS[2:], ids=lambda path: path.stem)
def test_guide_has_commands(path):
    assert commands(path.read_text()) or path.stem == "glossary"


def test_commands_finds_blocks_spans_and_comments():
    text = (
        "```sh\npip install x && fashion-keras a b\npython train.py --c\n```\nsee `fashion-keras d`, `image`\n"
        "```text\nfashion-keras no\n```\n<!-- measure: fashion-keras e; pytest -->\n"
    )
    assert commands(text) == ["fashion-keras a b", "python train.py --c", "fashion-keras d", "fashion-keras e"]


@pytest.mark.parametrize("row", [*TASKS, *BACKBONES, *STRATEGIES, *RECIPES], ids=lambda row: row.name)
def test_name_is_documented(row):
    assert any(f"`{row.name}" in path.read_text() for path in DOCUMENTS)


@pytest.mark.parametrize("path", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text()), target


def test_readme_has_at_most_200_lines_and_names_every_guide():
    assert len(README.splitlines()) <= 200
    index = (ROOT / "docs" / "README.md").read_text()
    for path in DOCUMENTS[1:]:
        assert path.name == "README.md" or (f"docs/{path.name}" in README and f"({path.name})" in index)


@pytest.mark.slow
def test_readme_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", README, re.DOTALL)[1], {})
    folder, accuracy = capsys.readouterr().out.splitlines()[0].split()
    assert (tmp_path / folder / "report.json").is_file()
    assert 0 <= float(accuracy) <= 1


@pytest.mark.slow
def test_guide_to_other_libraries_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "other-libraries.md").read_text(), re.DOTALL)
    exec("\n".join(blocks), {})
    assert re.search(r"'test': \d+\}.*\{'logisticregression__C'", capsys.readouterr().out, re.DOTALL)
