"""Image files of a streamed catalog: below an address, or below a folder."""

import re

from fashion_keras.catalog.sources.image_files import ImageFiles, is_image
from fashion_keras.support.file_systems import is_address

_BETWEEN_PATHS = re.compile(r"[|;,\n]")


class AddressFiles:
    """Files below an address; whether they are there shows when they are read."""

    def __init__(self, root: str, allow_outside: bool = False) -> None:
        """Take an address; nothing is read."""
        self.root, self.allow_outside = root.rstrip("/"), allow_outside

    @property
    def reads_addresses(self) -> bool:
        """Whether addresses in cells are read at all."""
        return True

    def has(self, cell: str) -> bool:
        """Return whether a cell is one relative path that stays below the address."""
        parts = _BETWEEN_PATHS.split(cell)
        is_one = len(parts) == 1 or not all(is_image(part.strip(" []\"'")) for part in parts)
        return is_one and not cell.startswith("[") and self._is_below(cell)

    def _is_below(self, cell: str) -> bool:
        return bool(cell) and not is_address(cell) and ".." not in cell.split("/") and not cell.startswith("/")

    def path(self, cell: str) -> str:
        """Return the address of a plain relative path."""
        return f"{self.root}/{cell}"

    def find(self, cell: str) -> tuple[list[str], str]:
        """Return the address of a path, which may be one itself, or [] and why it is not read."""
        if self._is_below(cell):
            return [self.path(cell)], ""
        if is_address(cell) and (self.allow_outside or cell.startswith(f"{self.root}/")):
            return [cell], ""
        return [], f"{cell[:200]} leads out of {self.root}; --allow-outside reads it"

    def note_link(self, folder: str) -> None:
        """Do nothing: there are no links."""


class StreamedFiles(ImageFiles):
    """Files below a folder; also addresses, where paths may lead out of it."""

    @property
    def reads_addresses(self) -> bool:
        """Whether addresses in cells are read; of others the file name counts."""
        return self.allow_outside

    def find(self, cell: str) -> tuple[list[str], str]:
        """See `ImageFiles`."""
        return ([cell], "") if is_address(cell) and self.allow_outside else super().find(cell)
