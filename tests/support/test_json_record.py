"""JSON records: written, read, and refused with file and key."""

import json
from dataclasses import dataclass

import pytest

from fashion_keras.evaluation.reports.report import Report
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.training.manifests import RunManifest

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
        ({"parts": [1]}, r"origin.json: 'parts' must be an object, not \[1\]"),
        ({"fingerprint": 7}, "'fingerprint' must be a text, not 7"),
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
    with pytest.raises(InputError, match="key 'known' is missing"):
        RunManifest.read(tmp_path)


def test_read_refuses_a_report_of_an_older_version(tmp_path):
    (tmp_path / "report.json").write_text('{"task": "gender"}')
    with pytest.raises(InputError, match=r"report.json: format None; this version reads fashion_keras.report/2"):
        Report.read(tmp_path)


@dataclass(frozen=True)
class Point:
    x: float
    name: str = ""


@dataclass(frozen=True)
class Shape:
    points: tuple[Point, ...]
    center: Point | None = None
    counts: dict[str, int] | None = None


def test_dataclass_from_json_builds_nested_values():
    values = {"points": [{"x": 1}, {"x": 2.5, "name": "b"}], "center": None, "counts": {"a": 3}}
    assert dataclass_from_json(Shape, values, "f.json") == Shape((Point(1), Point(2.5, "b")), None, {"a": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "f.json: the file must be an object, not []"),
        ({}, "f.json: key 'points' is missing"),
        ({"points": [], "size": 1}, "f.json: unknown key 'size'"),
        ({"points": [{"x": 1}, {}]}, "f.json: key 'points[1].x' is missing"),
        ({"points": [{"x": "1"}]}, "f.json: 'points[0].x' must be a number, not '1'"),
        ({"points": [{"x": True}]}, "f.json: 'points[0].x' must be a number, not True"),
        ({"points": {}}, "f.json: 'points' must be a list, not {}"),
        ({"points": [], "center": 3}, "f.json: 'center' must be an object, not 3"),
        ({"points": [], "counts": {"a": 1.5}}, "f.json: 'counts.a' must be a whole number, not 1.5"),
    ],
)
def test_dataclass_from_json_names_file_and_key(values, message):
    with pytest.raises(InputError) as caught:
        dataclass_from_json(Shape, values, "f.json")
    assert str(caught.value) == message
