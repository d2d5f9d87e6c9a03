"""A server of a small catalog: drawn products as JPEG files, one of them with two images, with prices."""

import csv

import pytest
from PIL import Image

from fashion_keras.search.indexing import build_index
from tests.helpers.catalogs import read_rows
from tests.helpers.servers import running

PRODUCTS = 120
HEADER = ("sku", "image", "gender", "article_type", "base_colour", "price", "title")


def is_readable(path):
    """Whether an image of the sample, of which some are missing or broken, can be read."""
    try:
        Image.open(path).load()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def rows(sample):
    """The catalog's rows: every tenth product of the sample, the first two of which are one product here."""
    rows, unique = [], {row["id"]: row for row in read_rows(sample / "styles.csv")}
    for number, row in enumerate([*unique.values()][::10][: PRODUCTS + 8]):
        path = sample / "images" / f"{row['id']}.jpg"
        if is_readable(path):
            values = (row["gender"], row["articleType"], row["baseColour"], 5 * number, row["productDisplayName"])
            rows.append(dict(zip(HEADER, (row["id"], str(path), *values), strict=True)))
    rows[1]["sku"] = rows[0]["sku"]
    return rows[: PRODUCTS + 1]


@pytest.fixture(scope="session")
def catalog_folder(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def index(catalog_folder):
    """The index of the catalog by the encoder that ships with the package."""
    from fashion_keras.catalog.readers import read_catalog

    catalog = read_catalog(catalog_folder / "products.csv", allow_outside=True)
    assert len(catalog) == PRODUCTS + 1
    build_index(catalog, out=catalog_folder / "index")
    return str(catalog_folder / "index")


@pytest.fixture(scope="session")
def client(index):
    """A client of a server with the default settings, except for small limits."""
    from fashion_keras.web.config import ServeConfig

    with (
        running(ServeConfig(index=index, max_bytes=3_000_000, max_pixels=1_000_000, max_seconds=120.0)) as client,
        client,
    ):
        yield client


@pytest.fixture(scope="session")
def photo(rows):
    """The file of the third product's image."""
    from pathlib import Path

    return Path(rows[2]["image"]).read_bytes()
