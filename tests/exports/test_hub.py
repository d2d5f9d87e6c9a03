"""Hugging Face Hub: what is uploaded, and one line where the Hub cannot be reached."""

import fnmatch

import pytest

from fashion_keras import InputError, load_from_hub, push_to_hub
from fashion_keras.exports.hub import training_products, upload_patterns


def test_upload_of_a_run_has_its_model_but_not_its_catalog(run):
    patterns = upload_patterns(run.folder)
    uploaded = {path.name for path in run.folder.iterdir() if any(fnmatch.fnmatch(path.name, p) for p in patterns)}
    assert {"README.md", "model.json", "model.weights.h5", "report.json"} <= uploaded
    assert not uploaded & {"origin.json", "config.json", "predictions.parquet", "split.csv", "log.txt", "rejected.csv"}


def test_training_products_are_the_hashes_of_training_and_validation(run):
    lines = training_products(run.folder).decode().splitlines()
    hashes = run.manifest.part_hashes
    assert set(lines) == {*hashes["train"], *hashes["validation"]}
    assert not set(lines) & set(hashes["test"])


def test_upload_refuses_a_folder_without_a_model(tmp_path):
    with pytest.raises(InputError, match="no finished run here"):
        push_to_hub(tmp_path, "someone/something")


@pytest.mark.parametrize(
    "call", [lambda run: push_to_hub(run.folder, "someone/net", token="x"), lambda run: load_from_hub("someone/net")]
)
def test_hub_that_cannot_be_reached_is_one_line(run, call, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    with pytest.raises(InputError, match="cannot be reached for someone/net") as error:
        call(run)
    assert len(str(error.value).splitlines()) == 1


def test_hub_refuses_a_name_that_is_none(run):
    with pytest.raises(InputError, match="refuses a/b/c/d"):
        load_from_hub("a/b/c/d")
