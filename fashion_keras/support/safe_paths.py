"""Stored names that become paths: plain file names, of files in their own folder."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from fashion_keras.support.errors import InputError

_PLAIN = re.compile(r"[\w+ =-][\w.+ =-]*")

_PACKAGE = Path(__file__).absolute().parents[1]


def check_file_name(name: str, source: object) -> str:
    """Return a stored name; InputError, which names `source`, unless it is that of a file without a folder.

    >>> check_file_name("epoch3.weights.h5", "state.json")
    'epoch3.weights.h5'
    """
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise InputError(f"{source}: {str(name)[:100]!r} is no plain file name; nothing outside the folder is used")
    return name


def check_links(folder: str | Path, names: Iterable[str] = ()) -> None:
    """Raise InputError for a file of a folder that a symbolic link leads out of it; of all its files without names.

    A snapshot in the cache of the Hugging Face Hub is a folder of links into that of its repository. The package's own
    files are not checked: an installer may have linked them.
    """
    folder = Path(folder)
    if folder.absolute().is_relative_to(_PACKAGE):
        return
    paths = [folder / name for name in names] if names else _walk(folder)
    root = None
    for path in paths:
        if not os.path.lexists(path):
            continue
        root = root or _root(folder)
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(root):
            raise InputError(f"{path}: a link that leads out of its folder; copy what it names into the folder")


def _root(folder: Path) -> Path:
    """Return the folder that links must not leave, itself resolved."""
    resolved = Path(os.path.realpath(folder))
    is_snapshot = resolved.parent.name == "snapshots" and (resolved.parents[1] / "blobs").is_dir()
    return resolved.parents[1] if is_snapshot else resolved


def _walk(folder: Path) -> Iterable[Path]:
    """Yield the links below a folder; links to folders are not followed."""
    for home, folders, files in os.walk(folder):
        yield from (path for name in (*folders, *files) if (path := Path(home) / name).is_symlink())
