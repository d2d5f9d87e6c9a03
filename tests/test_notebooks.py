"""Notebooks: committed with outputs of the drawn sample, small, without functions; each runs in a folder of its own."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 400_000  # bytes, outputs included
LONGEST = 240  # seconds of CPU, and so at most four minutes on a machine that has nothing else to do
# What the outputs of a notebook show if its purpose is reached.
SHOWN = {
    "01_explore_a_catalog": "no image file",
    "02_train_and_compare": "custom_cnn",
    "03_evaluate_calibrate_explain": "mean_confidence",
    "04_search": "article_type precision@10",
    "05_tags_and_review": "label changed",
    "06_rerun_a_paper": "gender_master",
    "07_your_own_catalog": "A-",
}


def outputs(notebook):
    """All outputs of a notebook as one text."""
    return str([cell.get("outputs") for cell in notebook.cells])


def test_every_notebook_is_known():
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_as_it_should_be_committed(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert path.stat().st_size < LARGEST
    assert not [cell.source for cell in code if re.search(r"\bdef |\blambda\b", cell.source)]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert SHOWN[path.stem] in outputs(notebook)
    # Paths of the machine that made the outputs, errors and warnings.
    assert not re.search(r"/home/|/root/|/work/|/tmp/|/Users/|Traceback|WARNING|Warning:", outputs(notebook))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.slow
def test_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    notebook.cells.append(nbformat.v4.new_code_cell("import time\n\nprint(time.process_time())"))
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert float(notebook.cells[-1].outputs[0].text) < LONGEST
    assert SHOWN[path.stem] in outputs(notebook)
