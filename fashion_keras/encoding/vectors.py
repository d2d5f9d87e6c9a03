"""What a frozen network says of each image, kept on disk: an image is encoded once, whatever is learnt from it after.

A cache is a folder of segments: NAME.npy with vectors, and NAME.json, renamed into place after it, that says whose they
are. A segment without its JSON does not count, so encoding can be killed at any moment and goes on where it was.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import decode_batch
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import cache_folder, replacing, write_json
from fashion_keras.support.progress import Bar

if TYPE_CHECKING:
    from fashion_keras.encoding.encoder import Encoder

# Changes when the same file would become other pixels.
_DECODING = 1
_SEGMENT = 512
_BATCH = 64

Change = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


@dataclass(frozen=True)
class View:
    """A way to look at every image: `name` is for people, `identity` tells it from all others, `change` does it.

    `change` gets float32 pixels [b, h, w, 3] in 0..255 and the place of the first of them among all images.
    """

    name: str
    identity: str
    change: Change


def encode(paths: Sequence[str], encoder: "Encoder", view: View | None = None) -> NDArray[np.float32]:
    """Return the vectors [n, d] float32 of n image files, from the cache as far as it has them.

    An image is known by its path, size and time of change: new and changed ones are encoded, others are not looked at
    again. What a view does may depend on an image's place, so its vectors hold for the same images in the same order.

    Raises:
        ImageError: for the first image that cannot be used.
    """
    keys = [_key(path) for path in paths]
    name = "plain" if view is None else _digest([view.identity, *keys])
    folder = _home() / encoder.fingerprint / name
    found = _read(folder)
    missing = [row for row, key in enumerate(keys) if key not in found]
    if missing:
        write_json(folder / "about.json", {**encoder.about, "view": "plain" if view is None else view.name})
        found |= _encode_missing(paths, keys, missing, encoder, view, folder)
    return np.stack([found[key] for key in keys])


def stored() -> list[dict[str, Any]]:
    """Return what the cache holds, one entry per encoder and view: folder, about, vectors, bytes."""
    return [
        {
            "folder": str(about.parent),
            **json.loads(about.read_text(encoding="utf-8")),
            "vectors": len(_read(about.parent)),
            "bytes": sum(file.stat().st_size for file in about.parent.iterdir()),
        }
        for about in sorted(_home().glob("*/*/about.json"))
    ]


def clear() -> int:
    """Remove all cached vectors and return how many bytes that freed."""
    freed = sum(path.stat().st_size for path in _home().rglob("*") if path.is_file())
    shutil.rmtree(_home(), ignore_errors=True)
    return freed


def _encode_missing(
    paths: Sequence[str], keys: list[str], missing: list[int], encoder: "Encoder", view: View | None, folder: Path
) -> dict[str, NDArray[np.float32]]:
    done: dict[str, NDArray[np.float32]] = {}
    with Bar(f"encoding with {encoder.name}", len(missing)) as bar:
        for start in range(0, len(missing), _SEGMENT):
            rows = missing[start : start + _SEGMENT]
            batches = (rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH))
            values = np.concatenate([_encode(paths, batch, encoder, view) for batch in batches])
            names = [keys[row] for row in rows]
            _write(folder, names, values)
            done |= zip(names, values, strict=True)
            bar.advance(len(rows))
    return done


def _encode(paths: Sequence[str], rows: list[int], encoder: "Encoder", view: View | None) -> NDArray[np.float32]:
    pixels = decode_batch([paths[row] for row in rows], encoder.image).astype(np.float32)
    return encoder.forward(pixels if view is None else view.change(pixels, rows[0]))


def _write(folder: Path, names: list[str], values: NDArray[np.float32]) -> None:
    segment = folder / f"{_digest(names)}.npy"
    with replacing(segment) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    write_json(segment.with_suffix(".json"), names)


def _read(folder: Path) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name == "about.json":
            continue
        names = json.loads(path.read_text(encoding="utf-8"))
        values = np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
        if len(values) != len(names):
            raise InputError(f"{path}: does not match its vectors; run `fashion-keras features rm`")
        found |= zip(names, values, strict=True)
    return found


def _key(path: str) -> str:
    state = Path(path).stat()
    return _digest([str(Path(path).absolute()), str(state.st_size), str(state.st_mtime_ns), str(_DECODING)])


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _home() -> Path:
    return cache_folder() / "vectors"
