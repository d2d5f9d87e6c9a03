"""Feature cache: a frozen network's outputs on disk, so that each image is encoded once."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.store import KEY_LENGTH, LazyArray, append_rows, count_rows, missing_keys, read_rows
from fashion_keras.images.decode import DECODING_VERSION, decode_batch
from fashion_keras.images.pipeline import prefetch
from fashion_keras.images.raster import ImageError
from fashion_keras.images.transforms import AUGMENTATION_VERSION
from fashion_keras.support.atomic_files import cache_dir, read_json, write_json
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.progress import ProgressBar

if TYPE_CHECKING:
    from fashion_keras.features.encoder import Encoder

# Images that are encoded, and written, together.
_BATCH = 128
_SETTINGS = "settings.json"
# Everything else in the cache folder that can be made again; "vectors" is the feature cache of versions before 2.
_OTHERS = ("networks", "encoders", "vectors", "images.sqlite", "resized")


@dataclass(frozen=True)
class AugmentedView:
    """Augmentation of every image of a catalog, whose features are cached like those of the images themselves.

    Attributes:
        name, identity: for display; to tell it from all others.
        change: float32 pixels [b, h, w, 3] in 0..255 and the b paths -> pixels; it treats each image by itself.
    """

    name: str
    identity: str
    change: Callable[[NDArray[np.float32], Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Features:
    """Features [n, d] float32 of a catalog's images, and how many were encoded now; the others were in the cache."""

    values: LazyArray
    encoded: int


def encode(catalog: Catalog, encoder: "Encoder", view: AugmentedView | None = None) -> Features:
    """Return the features of a catalog's images, from the cache as far as it has them.

    An image is identified by its path, size and modification time: new and changed ones are encoded, others are not
    opened. Only keys are held in memory; if the process is killed, the next call continues where it stopped.

    Raises:
        ImageError: for the first image that cannot be used.
    """
    keys, folder, missing = _missing(catalog, encoder, view)
    if missing:
        write_json(folder / _SETTINGS, {**encoder.settings, "view": "plain" if view is None else view.name})
        _encode_missing(missing, encoder, view, folder)
    return Features(read_rows(folder, keys), len(missing))


def count_missing(catalog: Catalog, encoder: "Encoder", view: AugmentedView | None = None) -> int:
    """Return how many images `encode` would have to encode."""
    return len(_missing(catalog, encoder, view)[2])


def list_cache() -> list[dict[str, Any]]:
    """Return folder, settings, images and bytes of each encoder and view in the cache; InputError for damaged ones."""
    entries = []
    for path in sorted(_home().glob(f"*/*/{_SETTINGS}")):
        folder = path.parent
        counts = {"images": count_rows(folder), "bytes": _size(folder)}
        entries.append({"folder": str(folder), **_read_settings(path), **counts})
    return entries


def cache_size() -> int:
    """Return the bytes of everything in the cache that can be made again."""
    return sum(map(_size, _cached_paths()))


def clear_cache(name: str = "") -> int:
    """Remove a network's features (InputError for none), or everything cached; return how many bytes that freed."""
    paths = _cached_paths()
    if name:
        entries = list_cache()
        paths = [Path(entry["folder"]) for entry in entries if entry["network"] == name]
        if not paths:
            known = sorted({entry["network"] for entry in entries})
            raise unknown_name_error("network in the feature cache", name, known)
    freed = sum(map(_size, paths))
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed


def _cached_paths() -> list[Path]:
    return [_home(), *(cache_dir() / other for other in _OTHERS)]


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = read_json(path)
        if missing := {"network", "image", "runtime", "precision", "view"} - settings.keys():
            raise InputError(f"{path}: {', '.join(sorted(missing))} missing")
    except InputError as error:
        raise InputError(f"{error}; run `fashion-keras features rm` without a name") from None
    return settings


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def _missing(
    catalog: Catalog, encoder: "Encoder", view: AugmentedView | None
) -> tuple[list[str], Path, dict[str, str]]:
    """Return each image's key, the folder of its features, and key -> path of images not there; rows may share one."""
    name = "plain" if view is None else _digest([view.identity, str(AUGMENTATION_VERSION)])
    keys, folder = [_key(path) for path in catalog.paths], _home() / encoder.fingerprint / name
    rows = np.flatnonzero(missing_keys(folder, keys))
    return keys, folder, {keys[row]: str(catalog.paths[row]) for row in rows}


def _encode_missing(missing: dict[str, str], encoder: "Encoder", view: AugmentedView | None, folder: Path) -> None:
    """Decode, encode and write side by side, a batch each."""

    def decode(part: list[str]) -> NDArray[np.float32]:
        paths = [missing[key] for key in part]
        pixels = decode_batch(paths, encoder.image_spec).astype(np.float32)
        return pixels if view is None else view.change(pixels, paths)

    keys = list(missing)
    parts = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
    title = f"encoding with {encoder.name}{f' ({view.name})' if view else ''}"
    pixels = prefetch(map(decode, parts))
    outputs = prefetch(map(encoder.forward, pixels))
    with closing(pixels), closing(outputs), ProgressBar(title, len(keys), "images") as bar:
        for part, values in zip(parts, outputs, strict=True):
            append_rows(folder, part, _narrow(values, encoder.storage))
            bar.advance(len(part))


def _narrow(values: NDArray[np.float32], storage: str) -> NDArray[np.floating]:
    """Return values in the type of `storage`; in float32 all the same where float16 cannot hold them."""
    with np.errstate(over="ignore"):
        narrow = values.astype(storage)
    return narrow if np.isfinite(narrow).all() else values


def _key(path: str) -> str:
    try:
        state = Path(path).stat()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror.lower()}") from None
    return _digest([str(Path(path).absolute()), str(state.st_size), str(state.st_mtime_ns), str(DECODING_VERSION)])


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:KEY_LENGTH]


def _home() -> Path:
    return cache_dir() / "features"
