"""Mutations: a seed becomes a hostile input, by its bytes or, of JSON, by its values; equal numbers, equal inputs."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

LARGEST = 2**18  # bytes of an input
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_BYTES = b"\0\x01\x7f\x80\xff\n\r\t \"',;|<>=./\\{}[]0"
_VALUES = (
    None,
    True,
    False,
    -1,
    0,
    1,
    2**31,
    2**63,
    10**30,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "a",
    "0",
    "\0",
    "\n",
    "a\nb",
    "../outside/secret.jpg",
    "/etc/passwd",
    "\ud800",
    "é",
    "x" * 300,
    [],
    {},
    [[]],
    [None],
    {"": None},
    [[[[[]]]]],
)


def mutate(random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Return a mutated seed of at most `LARGEST` bytes; one in twenty is a seed cut off or joined with another."""
    data = random.choice(seeds)
    if data[:1] in b"{[" or b"\n{" in data[:200]:
        changed = _mutate_json(random, data) if random.random() < 0.6 else None
        if changed is not None:
            return changed[:LARGEST]
    buffer = bytearray(data)
    for _ in range(1 + min(int(random.expovariate(0.6)), 12)):
        random.choice(_CHANGES)(random, buffer, seeds, tokens)
    return bytes(buffer[:LARGEST])


def _flip(random: Random, data: bytearray, *_: Any) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _put_byte(random: Random, data: bytearray, *_: Any) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice(_BYTES) if random.random() < 0.6 else random.randrange(256)


def _put_number(random: Random, data: bytearray, *_: Any) -> None:
    """Overwrite 1 to 8 bytes by a number of either byte order, the beginning of the file more often."""
    size = random.choice((1, 2, 2, 4, 4, 8))
    if len(data) < size:
        return
    place = random.randrange(min(len(data) - size + 1, random.choice((64, 64, len(data)))))
    number = random.choice(_NUMBERS) if random.random() < 0.7 else random.randrange(1 << 8 * size)
    data[place : place + size] = (number % (1 << 8 * size)).to_bytes(size, random.choice(("little", "big")))


def _insert_token(random: Random, data: bytearray, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = random.randrange(len(data) + 1)
    token = random.choice(tokens) if tokens and random.random() < 0.8 else bytes([random.choice(_BYTES)])
    end = place + (len(token) if random.random() < 0.4 else 0)
    data[place:end] = token


def _delete(random: Random, data: bytearray, *_: Any) -> None:
    start, length = _span(random, data)
    del data[start : start + length]


def _repeat(random: Random, data: bytearray, *_: Any) -> None:
    start, length = _span(random, data)
    part = bytes(data[start : start + length])
    data[start:start] = part * random.choice((1, 1, 2, 8, 100))
    del data[LARGEST:]


def _move(random: Random, data: bytearray, *_: Any) -> None:
    start, length = _span(random, data)
    part = bytes(data[start : start + length])
    del data[start : start + length]
    place = random.randrange(len(data) + 1)
    data[place:place] = part


def _truncate(random: Random, data: bytearray, *_: Any) -> None:
    if random.random() < 0.3:
        del data[random.randrange(len(data) + 1) :]


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes], *_: Any) -> None:
    other = random.choice(seeds)
    start, length = _span(random, bytearray(other))
    place = random.randrange(len(data) + 1)
    data[place : place + (length if random.random() < 0.5 else 0)] = other[start : start + length]


def _span(random: Random, data: bytearray) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data) - start, random.choice((1, 2, 4, 8, 16, 64, 256, len(data))))


_CHANGES: tuple[Callable[..., None], ...] = (
    _flip,
    _put_byte,
    _put_byte,
    _put_number,
    _put_number,
    _insert_token,
    _insert_token,
    _delete,
    _repeat,
    _move,
    _truncate,
    _splice,
)


def _mutate_json(random: Random, data: bytes) -> bytes | None:
    """Return JSON, perhaps after a first line, with one to four of its values changed; None where it is none."""
    start = 0 if data[:1] in b"{[" else data.find(b"\n{") + 1
    try:
        value = [json.loads(data[start:])]
    except ValueError:
        return None
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _change_value(random, value)
    text = json.dumps(value[0], ensure_ascii=random.random() < 0.8)
    return data[:start] + text.encode("utf-8", "surrogatepass")


def _change_value(random: Random, root: list[Any]) -> None:
    parents: list[Any] = []
    _collect(root, parents)
    parent = random.choice(parents)
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    if not keys:
        return
    key, kind = random.choice(keys), random.random()
    if kind < 0.15 and parent is not root:
        del parent[key]
    elif kind < 0.25 and isinstance(parent, dict):
        parent[f"{key}x"] = deepcopy(parent[key])
    elif kind < 0.35 and isinstance(parent, list) and parent is not root:
        parent.insert(key, deepcopy(parent[key]))
    elif kind < 0.45:
        parent[key] = deepcopy(random.choice([node for node in parents if node is not root] or [0]))
    else:
        parent[key] = deepcopy(random.choice(_VALUES))


def _collect(value: Any, parents: list[Any]) -> None:
    if isinstance(value, dict | list):
        parents.append(value)
        for part in value.values() if isinstance(value, dict) else value:
            _collect(part, parents)
