"""Dataclasses from JSON: nested, checked, and what is wrong with its file and key."""

from dataclasses import dataclass

import pytest

from fashion_keras.support.errors import InputError
from fashion_keras.support.typed_json import dataclass_from_json


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
