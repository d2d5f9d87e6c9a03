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

from fashion_keras.catalog.readers import Catalog
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.pipeline import prefetch
from fashion_keras.support.atomic_files import atomic_write, cache_dir, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

if TYPE_CHECKING:
    from fashion_keras.features.encoder import Encoder

# Changes when the same file would become other pixels.
_DECODING = 1
_SEGMENT = 128

Change = Callable[[NDArray[np.float32], Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class AugmentedView:
    """A way to look at an image: `name` is for people, `identity` tells it from all others, `change` does it.

    `change` gets float32 pixels [b, h, w, 3] in 0..255 and the b paths; what it does to an image may depend on its file
    name, but on no other image.
    """

    name: str
    identity: str
    change: Change


class LazyArray:
    """Values on disk that read like an array [..., d] float32: `rows[3]`, `rows[[5, 2]]`, `np.asarray(rows)`.

    Only what is asked for is read: `places` [..., 2] says in which of the memory-mapped `segments`, and where in it.
    """

    def __init__(self, segments: Sequence[NDArray[np.floating]], places: NDArray[np.int64]) -> None:
        self.segments, self.places = segments, places

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (*self.places.shape[:-1], *self.segments[0].shape[1:])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:  # noqa: ANN401 - whatever indexes an array
        places = self.places[index]
        flat = places.reshape(-1, 2)
        values = np.empty((len(flat), *self.segments[0].shape[1:]), np.float32)
        for number in np.unique(flat[:, 0]):
            mine = flat[:, 0] == number
            values[mine] = self.segments[number][flat[mine, 1]]
        return values.reshape(*places.shape[:-1], *values.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:  # noqa: ANN401
        return self[:].astype(dtype or np.float32, copy=False)

    @classmethod
    def stack(cls, rows: Sequence["LazyArray"]) -> "LazyArray":
        """Return v rows [n, d] as one [v, n, d]."""
        starts = np.cumsum([0, *(len(one.segments) for one in rows)])
        places = np.stack([one.places + [start, 0] for one, start in zip(rows, starts, strict=False)])
        return cls([segment for one in rows for segment in one.segments], places)


@dataclass(frozen=True)
class Features:
    """What an encoder says of n products.

    Attributes:
        ids [n] int64: of the products.
        values [n, d]: float32 rows, read from disk as they are asked for.
        unit_norm: whether every row has length 1.
        fingerprint: of encoder, view and image files: equal ones mean equal values.
        encoded: how many of the n images had to be encoded now; the others were in the cache.
    """

    ids: NDArray[np.int64]
    values: LazyArray
    unit_norm: bool
    fingerprint: str
    encoded: int


def encode(catalog: Catalog, encoder: "Encoder", view: AugmentedView | None = None) -> Features:
    """Return the vectors of a catalogue's images, from the cache as far as it has them.

    An image is known by its path, size and time of change: new and changed ones are encoded, others are not looked at
    again. Memory does not grow with the catalogue; killed at any moment, the next call goes on.

    Raises:
        ImageError: for the first image that cannot be used.
    """
    keys, folder = [_key(path) for path in catalog.paths], _folder(encoder, view)
    new = _missing(catalog, keys, folder)
    if new:
        write_json(folder / "about.json", {**encoder.settings, "view": "plain" if view is None else view.name})
        _encode_missing(new, encoder, view, folder)
    fingerprint = _digest([encoder.fingerprint, folder.name, *keys])
    return Features(catalog.ids, _read(folder, keys), encoder.unit_norm, fingerprint, len(new))


def count_missing(catalog: Catalog, encoder: "Encoder", view: AugmentedView | None = None) -> int:
    """Return how many images `encode` would have to encode."""
    return len(_missing(catalog, [_key(path) for path in catalog.paths], _folder(encoder, view)))


def list_cache() -> list[dict[str, Any]]:
    """Return what the cache holds, one entry per encoder and view: folder, about, vectors, bytes."""
    return [
        {
            "folder": str(about.parent),
            **json.loads(about.read_text(encoding="utf-8")),
            "vectors": sum(map(len, _held(about.parent).values())),
            "bytes": sum(file.stat().st_size for file in about.parent.iterdir()),
        }
        for about in sorted(_home().glob("*/*/about.json"))
    ]


def clear_cache() -> int:
    """Remove all cached vectors and compiled networks and return how many bytes that freed."""
    folders = _home(), cache_dir() / "networks", cache_dir() / "encoders"
    freed = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def _folder(encoder: "Encoder", view: AugmentedView | None) -> Path:
    return _home() / encoder.fingerprint / ("plain" if view is None else _digest([view.identity]))


def _missing(catalog: Catalog, keys: list[str], folder: Path) -> dict[str, str]:
    """Return key -> path of the images that a folder does not hold; products may share an image."""
    known = {name for names in _held(folder).values() for name in names}
    return {key: path for key, path in zip(keys, catalog.paths.tolist(), strict=True) if key not in known}


def _encode_missing(new: dict[str, str], encoder: "Encoder", view: AugmentedView | None, folder: Path) -> None:
    """Decode, encode and write side by side, one segment each."""
    keys = list(new)
    parts = [keys[at : at + _SEGMENT] for at in range(0, len(keys), _SEGMENT)]
    pixels = prefetch(_pixels([new[key] for key in part], encoder, view) for part in parts)
    values = prefetch(map(encoder.forward, pixels))
    with ProgressBar(f"encoding with {encoder.name}", len(keys)) as bar:
        for part, vectors in zip(parts, values, strict=True):
            _write(folder, part, _narrow(vectors, encoder.storage))
            bar.advance(len(part))


def _pixels(paths: list[str], encoder: "Encoder", view: AugmentedView | None) -> NDArray[np.float32]:
    pixels = decode_batch(paths, encoder.image_spec).astype(np.float32)
    return pixels if view is None else view.change(pixels, paths)


def _narrow(values: NDArray[np.float32], storage: str) -> NDArray[np.floating]:
    """Return values as they are stored; in float32 all the same where float16 cannot hold them."""
    with np.errstate(over="ignore"):
        narrow = values.astype(storage)
    return narrow if np.isfinite(narrow).all() else values


def _write(folder: Path, names: list[str], values: NDArray[np.floating]) -> None:
    segment = folder / f"{_digest(names)}.npy"
    with atomic_write(segment) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    write_json(segment.with_suffix(".json"), names)


def _held(folder: Path) -> dict[Path, list[str]]:
    """Return what a folder holds: segment -> the images in it."""
    # A name with a dot in front is a file that was being written when its process was killed.
    manifests = sorted(path for path in folder.glob("[!.]*.json") if path.name != "about.json")
    return {path.with_suffix(".npy"): json.loads(path.read_text(encoding="utf-8")) for path in manifests}


def _read(folder: Path, keys: list[str]) -> LazyArray:
    held = _held(folder)
    places = {name: (number, row) for number, names in enumerate(held.values()) for row, name in enumerate(names)}
    segments = [_open(path, len(names)) for path, names in held.items()]
    return LazyArray(segments, np.array([places[key] for key in keys], np.int64))


def _open(path: Path, count: int) -> NDArray[np.floating]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: damaged ({error}); run `fashion-keras features rm`") from None
    if len(values) != count:
        raise InputError(f"{path}: does not match its .json; run `fashion-keras features rm`")
    return values


def _key(path: str) -> str:
    state = Path(path).stat()
    return _digest([str(Path(path).absolute()), str(state.st_size), str(state.st_mtime_ns), str(_DECODING)])


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _home() -> Path:
    return cache_dir() / "vectors"
