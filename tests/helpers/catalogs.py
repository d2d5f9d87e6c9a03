"""Catalogs of a few products, written in the Kaggle layout, and the rows of CSV files."""

import csv
from pathlib import Path

from PIL import Image


def read_rows(path):
    """The rows of a CSV file, as dicts."""
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def write_catalog(folder, titles):
    """Write styles.csv and 4 x 6 images of products {id: title}; the title goes unquoted into the last column."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in titles:
        Image.new("RGB", (4, 6)).save(folder / "images" / f"{number}.jpg")
    lines = [f"{number},Tops,{title}" for number, title in titles.items()]
    (folder / "styles.csv").write_text("\n".join(["id,articleType,productDisplayName", *lines]) + "\n", "utf-8")
    return folder
