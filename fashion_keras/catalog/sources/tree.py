"""Trees of images: the folders name classes, above them perhaps parts."""

import os
from typing import Any

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import IMAGE_WORD, SKU
from fashion_keras.catalog.sources.image_files import ImageFiles, is_image
from fashion_keras.catalog.sources.row_images import RowImages
from fashion_keras.catalog.sources.table import Table

PARTS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip


def read_tree(files: ImageFiles) -> tuple[Table, RowImages, str]:
    """Read the images below a folder, keyed by their paths; return their table, their files, and the layout in words.

    Folders named after parts become the column `split`; those below them, or all, `article_type`, but for a folder
    named "images".
    """
    names = files.images
    tops = {name.split("/")[0].lower() for name in names if "/" in name}
    known = tops & set(PARTS)
    has_parts = len(known) > 1 or (len(known) == 1 and tops == known)
    outside = {name for name in names if has_parts and name.split("/")[0].lower() not in PARTS}
    names = [name for name in names if name not in outside]
    classes = [_class_of(name.split("/")[1 if has_parts else 0 : -1]) for name in names]
    columns: dict[str, Any] = {SKU: names}
    has_classes = any(classes)
    if has_classes:
        columns["article_type"] = classes
    if has_parts:
        columns["split"] = [PARTS[name.split("/")[0].lower()] for name in names]
    images = RowImages(list(range(len(names))), [files.path(name) for name in names], list(names))
    images.unused = [Rejected(name, "", "not an image") for name in files.names if not is_image(name)]
    images.unused += [Rejected(name, "", "not in a folder train, validation or test") for name in sorted(outside)]
    images.unused += [Rejected(name, "", reason) for name, reason in files.broken.items()]
    table = Table(columns, files.root.name, range(1, len(names) + 1), "image")
    layout = "a folder per class" if has_classes else "images without labels"
    return table, images, layout + (", in folders train, validation or test" if has_parts else "")


def _class_of(folders: list[str]) -> str:
    """Return the class that the folders of an image name; a folder named "images" is none."""
    return "/".join(name for name in folders if not IMAGE_WORD.fullmatch(name.lower()))


def read_path_list(text: str) -> tuple[Table, RowImages]:
    """Read paths of images, one per line, without labels."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    table, images = Table({}, "standard input", range(1, len(lines) + 1), "line"), RowImages()
    for row, line in enumerate(lines):
        if os.path.isfile(line):  # noqa: PTH113 - no error for a line that is no path
            images.add(row, line, line)
        else:
            images.rejected.append(Rejected(table.where(row), "", f"no file {line[:300]}"))
    return table, images
