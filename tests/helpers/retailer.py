"""A retailer's export: SKUs with slashes and zeros, several large photos of a product, prices, gaps, broken files."""

import csv

import numpy as np
from PIL import Image

SHAPES = {"Taschen": "box", "Schuhe": "flat", "Gürtel": "line"}
COLORS = {"Rot": (200, 30, 30), "Blau": (30, 60, 200), "Grün": (20, 140, 60)}
HEADER = ("Artikelnr", "Name", "Warengruppe", "Farbe", "Geschlecht", "Preis", "Bilder")


def sku_of(number):
    """The SKU of product `number`: one in three begins with zeros, others have slashes or an umlaut."""
    return (f"{number:06d}", f"AB-{number}/4", f"Größe {number}/XL")[number % 3]


def kind_of(number):
    return list(SHAPES)[number % 3], list(COLORS)[number // 3 % 3], ("Damen", "Herren")[number // 9 % 2]


def price_of(number):
    return round(5 + number * 0.37, 2)


def draw(kind, color, size, seed):
    """A photo of size (width, height): a shape of that kind and color on a light, slightly noisy ground."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(235, 250, (20, 15, 3), np.uint8)
    row, column = rng.integers(2, 6), rng.integers(1, 4)
    height, width = {"box": (10, 7), "flat": (4, 10), "line": (1, 11)}[SHAPES[kind]]
    pixels[row : row + height, column : column + width] = COLORS[color]
    return Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)


def write_export(folder, products, longest=2000, seed=0):
    """Write export.csv, with semicolons in Windows-1252, and photos of 1 to 5 per product; return what it holds.

    Returns:
        products: as given; images, broken: numbers of image files, and of damaged ones; missing: photos that
        are named but not there; labels: SKU -> (group, color), "" where the export leaves it out.
    """
    rng = np.random.default_rng(seed)
    (folder / "fotos").mkdir(parents=True)
    counts = {"images": 0, "broken": 0, "missing": 0}
    labels, lines = {}, []
    for number in range(products):
        kind, color, gender = kind_of(number)
        names = []
        for view in range(1 + number % 5):
            name = f"{number:05d}-{view + 1}.jpg"
            names.append(f"fotos\\{name}")
            if number % 97 == 13 and view == 1:
                counts["missing"] += 1
                continue
            scale = rng.uniform(0.5, 1)
            size = int(longest * 0.75 * scale), int(longest * scale)
            draw(kind, color, size, 10 * number + view).save(folder / "fotos" / name, quality=85)
            counts["images"] += 1
            if number % 53 == 7 and view == 0:
                data = (folder / "fotos" / name).read_bytes()
                (folder / "fotos" / name).write_bytes(data[: len(data) // 3])
                counts["broken"] += 1
        shown = [value if rng.random() > 0.2 else "n/a" for value in (kind, color, gender)]
        labels[sku_of(number)] = tuple("" if value == "n/a" else value for value in shown[:2])
        price = f"{price_of(number):.2f}".replace(".", ",") + " €"
        lines.append((sku_of(number), f"Modell {number} „Été“", *shown, price, "|".join(names)))
    with (folder / "export.csv").open("w", newline="", encoding="cp1252") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        writer.writerows(lines)
    return {**counts, "products": products, "labels": labels}
