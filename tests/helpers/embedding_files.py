"""Twelve products, and files of their embeddings."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.helpers.catalogs import write_catalog

IDS = [str(number) for number in range(101, 113)]
VALUES = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
UNIT = VALUES / np.linalg.norm(VALUES, axis=1, keepdims=True)
LISTS = pa.array(VALUES.tolist(), pa.list_(pa.float32()))
FIXED = pa.FixedSizeListArray.from_arrays(pa.array(VALUES.ravel()), 4)


def write_products(folder):
    """Write a catalog of twelve products, 101 to 112, of three article types, and images that differ."""
    write_catalog(folder, {name: f"Title {name}" for name in IDS})
    for row, name in enumerate(IDS):
        Image.new("RGB", (6, 8), (20 * row, 255 - 20 * row, 90)).save(folder / "images" / f"{name}.jpg")
    table = (folder / "styles.csv").read_text().splitlines()
    lines = [line.replace("Tops", ("Tops", "Caps", "Belts")[row % 3]) for row, line in enumerate(table[1:])]
    (folder / "styles.csv").write_text("\n".join([table[0], *lines]) + "\n")
    return folder


def write_parquet(path, embeddings=LISTS, ids=IDS, column="image_id"):
    pq.write_table(pa.table({column: ids, "embedding": embeddings, "other": ["x"] * len(ids)}), path)
    return path


def write_npy(path, values=VALUES, ids=IDS):
    np.save(path, values)
    if ids is not None:
        path.with_suffix(".ids.txt").write_text("\n".join(ids) + "\n")
    return path
