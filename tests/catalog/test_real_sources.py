"""The real images through every source: the same bytes, embeddings and split."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_keras import load_encoder, read_catalog
from fashion_keras.catalog.columns import TITLE
from fashion_keras.catalog.splits import split
from fashion_keras.images.validation import image_hashes

pytestmark = pytest.mark.slow
COLUMNS = ["gender", "article_type", "base_colour", "year", "usage", TITLE]


@pytest.fixture(scope="module")
def kaggle(real):
    """The real catalog as Kaggle's folder."""
    return read_catalog(real)


@pytest.fixture(scope="module")
def frame(kaggle):
    """Its rows, with paths relative to the folder of images."""
    table = kaggle.to_frame()[["sku", "path", *COLUMNS]]
    return table.assign(path=["images/" + Path(path).name for path in table["path"]])


def write_csv(frame, real, folder):
    frame.to_csv(folder / "products.csv", index=False)
    (folder / "images").symlink_to(real / "images")
    return read_catalog(folder)


def write_tsv(frame, real, folder):
    frame.to_csv(folder / "products.tsv", index=False, sep="\t", encoding="utf-16")
    (folder / "images").symlink_to(real / "images")
    return read_catalog(folder / "products.tsv")


def write_parquet(frame, real, folder):
    frame.to_parquet(folder / "products.parquet")
    return read_catalog(folder / "products.parquet", images=real)


def write_json_lines(frame, real, folder):
    frame.to_json(folder / "products.jsonl", orient="records", lines=True)
    return read_catalog(folder / "products.jsonl", images=real)


def pass_frame(frame, real, folder):
    return read_catalog(frame, images=real)


def write_hugging_face(frame, real, folder):
    images = [{"bytes": (real / path).read_bytes(), "path": path} for path in frame["path"]]
    table = frame.drop(columns="path").assign(image=images)
    (folder / "data").mkdir()
    for number in range(2):
        part = table.iloc[number::2]
        part.to_parquet(folder / "data" / f"train-0000{number}-of-00002.parquet", index=False)
    return read_catalog(folder)


def write_tar(frame, real, folder):
    with tarfile.open(folder / "shard.tar", "w") as archive:
        for row in frame.to_dict("records"):
            archive.add(real / row.pop("path"), f"{row['sku']}.jpg")
            data = json.dumps({name: value for name, value in row.items() if value == value}).encode()
            member = tarfile.TarInfo(f"{row['sku']}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return read_catalog(folder / "shard.tar")


def prepare_tfds(frame, real, folder):
    import fashion_keras.datasets

    builder = fashion_keras.datasets.FashionProductImages(config="small", data_dir=folder / "tfds")
    import tensorflow_datasets as tfds

    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=real))
    return read_catalog(builder.data_path)


SOURCES = (
    write_csv,
    write_tsv,
    write_parquet,
    write_json_lines,
    pass_frame,
    write_hugging_face,
    write_tar,
    prepare_tfds,
)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_real_images_are_the_same_from_every_source(real, kaggle, frame, tmp_path, source):
    catalog = source(frame, real, tmp_path)
    order = pd.Series(np.arange(len(catalog)), catalog.skus)[kaggle.skus].to_numpy()
    assert catalog.skus[order].tolist() == kaggle.skus.tolist()
    assert catalog.product_groups[order].tolist() == kaggle.product_groups.tolist()
    for name in COLUMNS[:-1]:
        np.testing.assert_array_equal(catalog.columns[name][order], kaggle.columns[name])
    assert image_hashes(catalog.paths[order]).tolist() == image_hashes(kaggle.paths).tolist()
    sample = np.arange(0, len(kaggle), 29)
    encoder = load_encoder("fashion_small")
    embeddings = encoder.embed(catalog.paths[order][sample].tolist())
    np.testing.assert_array_equal(embeddings, encoder.embed(kaggle.paths[sample].tolist()))
    parts, expected = (parts_of(each) for each in (catalog, kaggle))
    assert parts == expected


def parts_of(catalog):
    """SKU -> part of the default split without classes."""
    result = split(np.zeros(len(catalog), np.int64), catalog.product_groups, ("",))
    return {sku: part for part, rows in result.rows.items() for sku in catalog.skus[rows].tolist()}
