"""A shop of the drawn sample's images: two images of some products, and prices."""

import csv
import shutil
from pathlib import Path

from PIL import Image, ImageOps

ROWS, EVERY = 240, 6  # products; every sixth has a second image, the mirrored one


def write_shop(sample, folder):
    """Write a catalog of the sample's first products; product number n costs 10 + n. Returns its rows."""
    with (Path(sample) / "styles.csv").open() as file:
        table = csv.DictReader(file)
        images = Path(sample) / "images"
        readable = {row["id"]: row for row in table if None not in row and _is_readable(images / f"{row['id']}.jpg")}
    rows = list(readable.values())[:ROWS]
    (folder / "images").mkdir(parents=True)
    for number, row in enumerate(rows):
        row["price"] = 10 + number
        source = images / f"{row['id']}.jpg"
        shutil.copy(source, folder / "images" / f"{row['id']}.jpg")
        if number % EVERY == 0:
            with Image.open(source) as image:
                ImageOps.mirror(image).save(folder / "images" / f"{row['id']}_1.jpg")
    with (folder / "styles.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _is_readable(path):
    """The sample has rows twice, with too many cells, without an image and with a broken one, to test readers."""
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True
