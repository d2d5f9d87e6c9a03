"""Table of runs: found at any depth, sorted and filtered; what cannot be read is named."""

import json

import pytest

from fashion_keras import InputError, list_runs
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.finished_runs import RIGHT, TRUTH, write_finished_run


@pytest.fixture
def folder(tmp_path):
    """Two finished runs, one of them deeper down, and one that is not finished."""
    home = tmp_path / "runs"
    write_finished_run(home / "middling", RIGHT, seed=1)
    write_finished_run(home / "study" / "steps" / "best", TRUTH, label_smoothing=0.1)
    (write_finished_run(home / "begun") / "report.json").unlink()
    return home


def names(frame):
    return [name.rpartition("/")[2] for name in frame["run"]]


def test_list_runs_has_a_row_for_each(folder):
    frame = list_runs(folder).set_index("run")
    row = frame.loc[str(folder / "middling")]
    assert row[["accuracy", "test", "epochs", "seconds"]].tolist() == [4 / 7, 7, 3, 90]
    assert row[["state", "backbone", "strategy", "image_size"]].tolist() == [
        "finished", "efficientnet_lite0", "frozen", "112x84",
    ]  # fmt: skip
    assert frame.loc[str(folder / "begun"), "state"] == "unfinished"


def test_list_runs_sorts_and_filters(folder):
    assert names(list_runs(folder)) == ["begun", "middling", "best"]
    assert names(list_runs(folder, sort="accuracy")) == ["best", "middling", "begun"]
    assert names(list_runs(folder, sort="accuracy", reverse=True)) == ["middling", "best", "begun"]
    assert names(list_runs(folder, where={"accuracy": {"gte": 0.9}})) == ["best"]
    assert names(list_runs(folder, where={"state": "Finished"})) == ["middling", "best"]
    with pytest.raises(InputError, match="unknown column 'acuracy'; did you mean 'accuracy'"):
        list_runs(folder, sort="acuracy")
    with pytest.raises(InputError, match="unknown value of task"):
        list_runs(folder, where={"task": "gender"})


def test_command_prints_a_table_or_json(folder):
    lines = run_cli("runs", folder, "--sort", "accuracy", "--where", "state=finished").stdout.splitlines()
    assert [line.split()[0].rpartition("/")[2] for line in lines] == ["run", "best", "middling"]
    rows = json.loads(run_cli("runs", folder, "--where", "accuracy<0.9", "--json").stdout)["runs"]
    assert [(row["accuracy"], row["weights"]) for row in rows] == [(4 / 7, "imagenet")]
    assert_one_line(run_cli("runs", folder / "none"), "none: no such folder")
    assert_one_line(run_cli("runs", folder, "--where", "accuracy"), "--where is COLUMN=VALUE")


def test_old_and_damaged_runs_are_named_and_left_out(folder):
    report = folder / "middling" / "report.json"
    report.write_text(report.read_text().replace("fashion_keras.report/2", "fashion_keras.report/1"))
    (folder / "study" / "steps" / "best" / "report.json").write_text("{")
    result = run_cli("runs", folder)
    assert [line.split()[0].rpartition("/")[2] for line in result.stdout.splitlines()] == ["run", "begun"]
    assert "not listed" in result.stderr and "fashion_keras.report/1" in result.stderr and "not JSON" in result.stderr


def test_a_folder_without_runs_has_none(tmp_path, monkeypatch):
    assert run_cli("runs", tmp_path).stdout == f"no runs in {tmp_path}\n"
    monkeypatch.chdir(tmp_path)
    assert_one_line(run_cli("runs"), "runs: no such folder")
