"""Image files of a catalog: found by a path as people write it, or by the SKU that a file name carries."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fashion_keras.catalog.columns import IMAGE_WORD
from fashion_keras.catalog.sources.file_names import loose_form, names_of_skus, natural_order, owner_of

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
    ".heif",
)

_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "System Volume Information")


def is_junk(name: str) -> bool:
    """Return whether a file or folder is a by-product of a program: hidden, or __MACOSX."""
    return name.startswith((".", "~$")) or name in _JUNK


def _is_text(name: str) -> bool:
    """Return whether a file name is Unicode; Python writes other bytes as halves of characters."""
    return name.isascii() or not any("\ud800" <= mark <= "\udfff" for mark in name)


def is_image(name: str) -> bool:
    """Return whether a file name has an image's suffix, in any case."""
    return name.lower().endswith(IMAGE_SUFFIXES)


class ImageFiles:
    """Files below a folder, scanned when they are first needed.

    Attributes:
        root: the folder.
        allow_outside: whether paths that lead out of it are followed.
        skipped: number of hidden files and folders and the like that the scan left out.
        links: symbolic links that were followed, relative to the root.
        broken: what is no file that can be read, relative to the root -> why: links that lead nowhere, names that are
            not UTF-8.
    """

    def __init__(self, root: Path, allow_outside: bool = False) -> None:
        """Take a folder; nothing is scanned yet."""
        self.root, self.allow_outside = root, allow_outside
        self.skipped = 0
        self.links: set[str] = set()
        self.broken: dict[str, str] = {}
        self._root = os.path.abspath(root)  # noqa: PTH100 - resolves no links
        self._prefix = os.path.join(root, "")  # noqa: PTH118 - keeps the root as it was given

    @cached_property
    def names(self) -> list[str]:
        """All files, relative to the root with "/", sorted."""
        return sorted(self._scan(self._root, "", {os.path.realpath(self._root)}))

    def _scan(self, folder: str, prefix: str, open_folders: set[str]) -> Iterator[str]:
        # A million names: no call per file that asks the disk, or takes paths apart.
        for entry in os.scandir(folder):
            if is_junk(entry.name):
                self.skipped += 1
                continue
            relative = prefix + entry.name
            if not _is_text(entry.name):
                self.broken[relative.encode("utf-8", "replace").decode()] = "a name that is not UTF-8; rename it"
                continue
            is_link = entry.is_symlink()
            if is_link:
                self.links.add(relative)
            # False for links that lead nowhere, and for pipes
            if os.path.isfile(entry.path) if is_link else entry.is_file():  # noqa: PTH113
                yield relative
                continue
            target = os.path.realpath(entry.path)
            if not os.path.isdir(target):  # noqa: PTH112
                self.broken[relative] = "a link that leads nowhere, or no file"
            elif target not in open_folders:  # a link to a folder above would never end
                yield from self._scan(entry.path, f"{relative}/", open_folders | {target})

    @cached_property
    def images(self) -> list[str]:
        """The files that have an image's suffix."""
        return [name for name in self.names if is_image(name)]

    @property
    def notes(self) -> list[str]:
        """What was skipped and followed so far, a line each."""
        notes = [f"{self.skipped} hidden files and folders were skipped"] if self.skipped else []
        if self.links:
            notes.append(f"{len(self.links)} symbolic links were followed, such as {min(self.links)}")
        return notes

    def path(self, name: str) -> str:
        """Return the path of a file of `names`."""
        return self._prefix + name

    def find(self, cell: str) -> tuple[list[str], str]:
        """Return the images that a cell of a path column names, or [] and why there is none.

        Tried in this order: the path as it is; a folder, for all images in it; the path without its first folders;
        then, without regard to case, Unicode form, slashes and suffix, the end of the path of exactly one image. Of an
        address or of an absolute path of another machine only the file name counts.
        """
        path = os.path.normpath(os.path.join(self.root, cell))  # noqa: PTH118
        is_inside = self._holds(path)
        shown = " ".join(cell[:200].split())
        if "://" not in cell:
            leads_out = ".." in cell or os.path.exists(path)  # noqa: PTH110
            if not is_inside and not self.allow_outside and leads_out:
                return [], f"{shown} leads out of {self.root}; --allow-outside reads it"
            if self._exists(path):
                return [path], ""
            if os.path.isdir(path):  # noqa: PTH112
                return self._in_folder(path)
            tails = [cell.split("/", depth)[-1] for depth in range(1, cell.count("/"))]
            exact = next((tail for tail in tails if self._exists(f"{self.root}{os.sep}{tail}")), None)
            if exact:
                return [self.path(exact)], ""
        local = loose_form(_local_name(cell))
        names = self._by_ending.get(local) or self._by_ending.get(os.path.splitext(local)[0], [])  # noqa: PTH122
        usual = [name for name in names if IMAGE_WORD.fullmatch(name.split("/")[0].lower())]
        names = usual if len(usual) == 1 else names
        if len(names) > 1:
            return [], f"{shown} could be {names[0]} or {names[1]}"
        return ([self.path(names[0])], "") if names else ([], f"no file {' '.join(path[:300].split())}")

    def has(self, cell: str) -> bool:
        """Return whether a cell as it is, a plain relative path, names a file below the root."""
        is_plain = bool(cell) and ".." not in cell and not cell.startswith((".", "/"))
        return is_plain and self._exists(f"{self.root}{os.sep}{cell}")

    def note_link(self, folder: str) -> None:
        """Count a folder below the root that leads, by a symbolic link, out of it."""
        if self._holds(folder) and not self._holds(os.path.realpath(folder)):
            self.links.add(os.path.relpath(folder, self.root))

    def _holds(self, path: str) -> bool:
        absolute = os.path.join(os.path.abspath(path), "")  # noqa: PTH100, PTH118
        return absolute.startswith((self._root + os.sep, os.path.realpath(self._root) + os.sep))

    def _exists(self, path: str) -> bool:
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                self.links.add(os.path.relpath(path, self.root))
                mode = os.stat(path).st_mode  # noqa: PTH116
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(mode)

    def _in_folder(self, path: str) -> tuple[list[str], str]:
        files = sorted(entry.path for entry in os.scandir(path) if entry.is_file() and is_image(entry.name))
        return files, "" if files else f"no image in {path[:300]}"

    @cached_property
    def _by_ending(self) -> dict[str, list[str]]:
        """End of a path, with and without the file's suffix -> the images whose path ends so."""
        endings: dict[str, list[str]] = {}
        for name in self.images:
            parts = name.split("/")
            for start in range(len(parts)):
                ending = loose_form("/".join(parts[start:]))
                for key in {ending, ending.rpartition(".")[0]}:
                    endings.setdefault(key, []).append(name)
        return endings

    def by_sku(
        self, skus: Iterable[str], folder: str = "", sku_of_file: Mapping[str, str] = {}
    ) -> tuple[dict[str, list[str]], list[str]]:
        """Return sku -> its images below `folder`, and the images that carry no SKU; `sku_of_file` names some by file.

        The images of SKU `ID` are `ID.jpg` first, then `ID_1.jpg`, `ID-2.jpg`, `ID-front.jpg` and the like, and those
        in a folder `ID/`. Where a SKU has characters that no file name can have, "_" or "-" may stand for them.
        """
        known = dict.fromkeys(skus)
        exact: dict[str, list[str]] = {}
        loose: dict[str, list[str]] = {}
        others, unknown = [], []
        for name in self.images:
            if not name.startswith(folder):
                continue
            stem = name[len(folder) :].rpartition(".")[0]
            listed = sku_of_file.get(name.rpartition("/")[2]) if sku_of_file else None
            if listed:
                loose.setdefault(listed, []).append(self.path(name))
            elif stem in known:
                exact.setdefault(stem, []).append(self.path(name))
            else:
                others.append((name, stem))
        sku_of = names_of_skus(known) if others else {}
        for name, stem in others:
            sku, is_exact = owner_of(stem, sku_of)
            if sku is None:
                unknown.append(name)
            else:
                (exact if is_exact else loose).setdefault(sku, []).append(self.path(name))
        for paths in chain(exact.values(), loose.values()):
            if len(paths) > 1:
                paths.sort(key=natural_order)
        for sku, paths in loose.items():
            exact.setdefault(sku, []).extend(paths)
        return exact, unknown


def _local_name(cell: str) -> str:
    """Return the part of a cell that can name a local file: of an address or another machine's path the file name."""
    if "://" in cell:
        return unquote(urlsplit(cell).path.rpartition("/")[2])
    if re.match(r"[A-Za-z]:[\\/]|[\\/]", cell):
        return cell.replace("\\", "/").rpartition("/")[2]
    return cell
