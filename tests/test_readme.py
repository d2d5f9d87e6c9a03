"""What README and the notebooks promise is so."""

import re
import shlex
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from fashion_keras.catalog.tasks import TASKS
from fashion_keras.cli import _parser
from fashion_keras.models.backbones import BACKBONES
from fashion_keras.training.recipes import RECIPES
from fashion_keras.training.strategies import STRATEGIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("line", re.findall(r"(?:train\.py|fashion-keras) [^\n`#]+", README))
def test_every_command_parses(line):
    words = shlex.split(line.split(" && ")[0])
    arguments = ["train", *words[1:]] if words[0] == "train.py" else words[1:]
    if "--help" not in arguments:
        assert _parser().parse_args(arguments).command


@pytest.mark.parametrize("row", [*TASKS, *BACKBONES, *STRATEGIES, *RECIPES], ids=lambda row: row.name)
def test_every_name_is_in_the_readme(row):
    assert f"`{row.name}" in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert (ROOT / target).exists(), target


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", README, re.DOTALL)[1], {})
    folder, accuracy = capsys.readouterr().out.splitlines()[0].split()
    assert (tmp_path / folder / "report.json").is_file()
    assert 0 <= float(accuracy) <= 1


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run_and_define_no_functions(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert not any("def " in cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert {"train_a_classifier": "accuracy", "search_by_picture": "precision of article types"}[path.stem] in shown
