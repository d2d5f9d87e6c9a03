"""Kaggle's full set: the columns and attribute groups in its `styles/ID.json`, one file per product."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import snake_case, valid_text
from fashion_keras.support.errors import reraise_shortage

_FIELDS = {
    "price": "price",
    "discountedPrice": "discounted_price",
    "brandName": "brand_name",
    "ageGroup": "age_group",
    "fashionType": "fashion_type",
}
_ATTRIBUTES = "articleAttributes"
_ID = re.compile(r"[\w-]+")


def read_style_files(
    folder: Path, skus: Sequence[str]
) -> tuple[dict[str, list[str]], tuple[str, ...], list[Rejected], dict[str, list[str]]]:
    """Read `folder`/SKU.json of n products.

    Returns:
        columns: name -> n cells, "" where missing: price, discounted_price, brand_name, age_group, fashion_type, and
            the article attributes, such as neck, sleeve_length, pattern, fabric.
        attributes: the names of those columns that are article attributes.
        rejected: files that are no JSON of this kind.
        images: SKU -> names of the images that its file lists, without their folders.
    """
    rows, rejected, images = [], [], {}
    for sku in skus:
        path = folder / f"{sku}.json"
        try:
            # A SKU of any other form has no file, which might be one outside the folder.
            data = json.loads(path.read_bytes())["data"] if _ID.fullmatch(sku) and path.is_file() else {}
            rows.append(_fields(data))
            images[sku] = list(_image_names(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
            reraise_shortage(error)
            rows.append({})
            rejected.append(Rejected(f"{folder.name}/{path.name}", sku, f"no product in JSON ({str(error)[:80]})"))
    names = sorted({name for row in rows for name in row})
    attributes = tuple(name.removeprefix("*") for name in names if name.startswith("*"))
    columns = {name.removeprefix("*"): [row.get(name, "") for row in rows] for name in names}
    return columns, attributes, rejected, images


def _fields(data: dict[str, Any]) -> dict[str, str]:
    """Return name -> text; the names of article attributes begin with "*"."""
    plain = {name: data.get(key) for key, name in _FIELDS.items()}
    attributes = data.get(_ATTRIBUTES) or {}
    marked = {f"*{snake_case(key)}": value for key, value in attributes.items()}
    return {
        name: valid_text(str(value)).strip()
        for name, value in {**plain, **marked}.items()
        if value not in (None, "", "NA")
    }


def _image_names(data: dict[str, Any]) -> Iterable[str]:
    for style in (data.get("styleImages") or {}).values():
        address = style.get("imageURL") if isinstance(style, dict) else None
        if address:
            yield address.rpartition("/")[2]
