"""Image files of a streamed catalog: below an address, or below a folder."""

from fashion_keras.catalog.sources.image_files import ImageFiles
from fashion_keras.support.file_systems import is_address


class AddressFiles:
    """Files below an address; whether they are there shows when they are read."""

    def __init__(self, root: str, allow_outside: bool = False) -> None:
        """Take an address; nothing is read."""
        self.root, self.allow_outside = root.rstrip("/"), allow_outside

    def has(self, cell: str) -> bool:
        """Return whether a cell is a plain relative path."""
        return bool(cell) and not is_address(cell) and ".." not in cell.split("/") and not cell.startswith("/")

    def path(self, cell: str) -> str:
        """Return the address of a plain relative path."""
        return f"{self.root}/{cell}"

    def find(self, cell: str) -> tuple[list[str], str]:
        """Return the address in a cell, or [] and why it is not read."""
        if is_address(cell) and (self.allow_outside or cell.startswith(f"{self.root}/")):
            return [cell], ""
        return [], f"{cell[:200]} leads out of {self.root}; --allow-outside reads it"

    def note_link(self, folder: str) -> None:
        """Do nothing: there are no links."""


class StreamedFiles(ImageFiles):
    """Files below a folder; also addresses, where paths may lead out of it."""

    def find(self, cell: str) -> tuple[list[str], str]:
        """See `ImageFiles`."""
        return ([cell], "") if is_address(cell) and self.allow_outside else super().find(cell)
