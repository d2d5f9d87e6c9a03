"""Checks of a model's spec that was read from a file of anybody: what it declares, against the weights beside it."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.images.raster import MAX_PIXELS
from fashion_keras.models.heads import POOLINGS, Head
from fashion_keras.models.text import TextSpec
from fashion_keras.support.atomic_files import is_deep
from fashion_keras.support.errors import InputError, unknown_name_error

_SMALLEST_FLOAT = 2  # bytes of float16
_NOT_WIDTHS = "batch_shape", "seed", "shared_object_id"  # whole numbers in a Keras model's JSON; the last is an address


def check_spec(spec: Any, path: Path, size: int) -> None:  # noqa: ANN401 - ClassifierSpec, EncoderSpec or TextSpec
    """Raise InputError, which names `path`, for a spec that is no network's, or of more than `size` bytes of weights.

    A layer has at least as many weights as it has outputs: widths, classes and the numbers of a user's own backbone
    must fit the file.
    """
    try:
        _check(spec)
        _check_widths(spec, size)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check(spec: Any) -> None:  # noqa: ANN401 - of any kind
    if hasattr(spec, "image_spec"):
        if spec.image_spec.height * spec.image_spec.width > MAX_PIXELS:
            raise InputError(f"images of {spec.image_spec.height}x{spec.image_spec.width} pixels; at most {MAX_PIXELS}")
        _check_head(spec.head)
    else:
        _check_text(spec)
    if hasattr(spec, "groups"):
        if not spec.groups or len({group.name for group in spec.groups}) < len(spec.groups):
            raise InputError("groups of labels are missing, or two have one name")
        for group in spec.groups:
            _check_group(group)
    if getattr(spec, "person", None):
        _check(spec.person)


def _check_head(head: Head) -> None:
    if head.pooling not in POOLINGS:
        raise unknown_name_error("pooling", head.pooling, POOLINGS)
    shares = head.dropout, head.dropout_before
    if any(units < 1 for units in head.dense) or not all(0 <= share < 1 for share in shares):
        raise InputError(f"head {head.name!r} has layers of no width, or drops out all")


def _check_text(spec: TextSpec) -> None:
    if min(spec.width, spec.buckets, spec.dim, spec.hidden, spec.tokens) < 1 or not spec.temperature > 0:
        raise InputError("a text tower of no width or temperature")
    if spec.tokens > 2**16:
        raise InputError(f"texts of {spec.tokens} tokens; at most {2**16}")


def _check_group(group: LabelGroup) -> None:
    count = len(group.classes)
    if not count or len(group.paths) != count or len(group.thresholds) not in (0, count):
        raise InputError(
            f"group {group.name!r}: {count} classes, {len(group.paths)} paths, {len(group.thresholds)} thresholds"
        )
    if not group.temperature > 0 or math.isinf(group.temperature):
        raise InputError(f"group {group.name!r}: temperature {group.temperature}; a positive number is needed")


def _check_widths(spec: Any, size: int) -> None:  # noqa: ANN401 - of any kind
    values = asdict(spec)
    for name in ("image_spec", "tokens", "temperature", "floor"):
        values.pop(name, None)
    if values.get("architecture"):
        values["architecture"] = _read_architecture(values["architecture"])
    if values.get("person"):
        values["person"].pop("image_spec")
    largest = max((*_numbers(values), *map(len, (group.classes for group in getattr(spec, "groups", ())))), default=0)
    if largest * _SMALLEST_FLOAT > size:
        raise InputError(f"declares layers of {largest} outputs, and the weights beside it have {size} bytes")
    dense = values["head"]["dense"] if "head" in values else (spec.dim, spec.buckets)
    for inputs, outputs in pairwise(dense):
        if inputs * outputs * _SMALLEST_FLOAT > size:
            raise InputError(f"declares a layer of {inputs}x{outputs}, and the weights beside it have {size} bytes")


def _read_architecture(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the architecture is not JSON ({str(error)[:80]})") from None
    if is_deep(value):
        raise InputError("the architecture is nested too deeply")
    return value


def _numbers(value: Any) -> Iterator[int]:  # noqa: ANN401 - any JSON value
    """Yield the whole numbers in a JSON value."""
    if isinstance(value, dict):
        value = [part for key, part in value.items() if key not in _NOT_WIDTHS]
    if isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part)
    elif type(value) is int:
        yield value
