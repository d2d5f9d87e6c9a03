"""Names of image files: the SKU that one carries, the order of a product's images, and forms to compare paths in."""

import re
import unicodedata
from collections.abc import Iterable

_ENDING = re.compile(r"[\s._-]+\(?[^\s._-]*\)?$")  # "_2", "-front", " (3)" at the end of a file name


def names_of_skus(skus: Iterable[str]) -> dict[str, str]:
    """Return the names that files of a SKU can have -> SKU; the SKU's own name before looser ones of others."""
    sku_of: dict[str, str] = {}
    for form in (str, loose_form, lambda sku: _safe(sku, "_"), lambda sku: _safe(sku, "-")):
        for sku in skus:
            sku_of.setdefault(form(sku), sku)
    return sku_of


def owner_of(stem: str, sku_of: dict[str, str]) -> tuple[str | None, bool]:
    """Return the SKU that a relative path without suffix carries, and whether it is the whole file name."""
    folder, _, name = stem.rpartition("/")
    sku = _lookup(sku_of, *(stem.split("/", depth)[-1] for depth in range(stem.count("/") + 1)))
    if sku is not None:
        return sku, True
    while sku is None and (match := _ENDING.search(name)) and match.start():
        name = name[: match.start()]
        sku = _lookup(sku_of, name)
    while sku is None and folder:
        base = folder.rpartition("/")[2]
        # Of images/12/12999.jpg the folder is no SKU, but the beginning of one.
        if not re.match(re.escape(base) + r"\w", stem.rpartition("/")[2]):
            sku = _lookup(sku_of, folder, base)
        folder = folder.rpartition("/")[0]
    return sku, False


def _lookup(sku_of: dict[str, str], *names: str) -> str | None:
    return next((sku_of[key] for name in names for key in (name, loose_form(name)) if key in sku_of), None)


def natural_order(path: str) -> list[int | str]:
    """Sort key of a SKU's images: by name, with numbers in their order."""
    parts = re.split(r"(\d+)", path)
    return [int(part) if place % 2 and len(part) < 18 else part for place, part in enumerate(parts)]


def _safe(sku: str, filler: str) -> str:
    return re.sub(r'[<>:"/\\|?*\s]', filler, sku)


def loose_form(path: str) -> str:
    """Return a path for comparison: one case and Unicode form, "/" between folders, no leading "./"."""
    return unicodedata.normalize("NFC", path).casefold().replace("\\", "/").removeprefix("./")
