"""JSON records: written, read, and refused with file and key."""

import json

import pytest

from fashion_keras.evaluation.reports.report import Report
from fashion_keras.support.errors import InputError
from fashion_keras.training.classifier.artifacts import RunManifest

MANIFEST = RunManifest(
    data="sample",
    fingerprint="f",
    weights={"source": "none", "warning": ""},
    train_counts={"gender": [2, 1]},
    known={"train": {"gender": 3}},
    parts={"train": [1, 2, 3], "validation": [4], "test": [5]},
    part_hashes={"train": ["a", "b", "c"], "validation": ["d"], "test": ["e"]},
    image_hashes={"train": ["k", "l", "m"], "validation": ["n"], "test": ["o"]},
)


def test_read_returns_what_was_written(tmp_path):
    MANIFEST.write(tmp_path)
    assert json.loads((tmp_path / "origin.json").read_text())["format"] == "fashion_keras.run/2"
    assert RunManifest.read(tmp_path) == MANIFEST
    assert MANIFEST.trained_on == ({"a", "b", "c", "d"}, {"k", "l", "m", "n"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": None}, r"origin.json: format None; this version reads fashion_keras.run/2"),
        ({"parts": [1]}, r"origin.json: the key 'parts' holds \[1\], not a dict"),
        ({"fingerprint": 7}, "the key 'fingerprint' holds 7, not a str"),
        ({"extra": 1}, "origin.json: unknown key 'extra'"),
    ],
)
def test_read_names_file_and_key(tmp_path, change, message):
    (tmp_path / "origin.json").write_text(json.dumps(MANIFEST.to_dict() | change))
    with pytest.raises(InputError, match=message):
        RunManifest.read(tmp_path)


def test_read_names_a_missing_key(tmp_path):
    values = MANIFEST.to_dict()
    del values["known"]
    (tmp_path / "origin.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="the key 'known' is missing"):
        RunManifest.read(tmp_path)


def test_read_refuses_a_report_of_an_older_version(tmp_path):
    (tmp_path / "report.json").write_text('{"task": "gender"}')
    with pytest.raises(InputError, match=r"report.json: format None; this version reads fashion_keras.report/2"):
        Report.read(tmp_path)
