"""Catalogs of small JPEG files, and batch runs of them by the toy encoder."""

import csv
import hashlib
import os
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from fashion_keras.batch import encode
from fashion_keras.batch.shards import Job
from fashion_keras.features.batch_folder import BatchFolder
from tests.helpers.shop import toy_encoder

COLUMNS = ("sku", "image", "gender", "price")


def jpeg(seed, height=24, width=18):
    """The bytes of a JPEG file: noise around a gray."""
    pixels = np.random.default_rng(seed).normal(100, 40, (height, width, 3)).clip(0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def product(number):
    """A row of the table: a product with one to three images."""
    names = "|".join(f"images/{number}_{view}.jpg" for view in range(1 + number % 3))
    return {"sku": f"p{number:03d}", "image": names, "gender": ("Men", "Women", "")[number % 3], "price": 10 + number}


def write_table(folder, rows, name="table.csv"):
    """Write rows as a CSV file."""
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def image_names(rows):
    """The images of rows, relative to the folder."""
    return [name for row in rows for name in row["image"].split("|")]


def write_products(folder, count):
    """A catalog of `count` products in a folder, which is returned with its rows."""
    (folder / "images").mkdir(parents=True)
    rows = [product(number) for number in range(count)]
    for seed, name in enumerate(image_names(rows)):
        (folder / name).write_bytes(jpeg(seed))
    write_table(folder, rows)
    return folder, rows


def sha(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def shard_bytes(out):
    """Shard file -> digest of its content; its name holds the digest of its plan."""
    files = {path.name: sha(path) for path in (Path(out) / "shards").iterdir() if path.suffix == ".parquet"}
    assert files
    return files


def stored(out, *columns):
    """All rows of a batch folder, shard by shard, as mappings."""
    return [row for table in BatchFolder.open(out).tables(columns or None) for row in table.to_pylist()]


def load_toy_job(pids="", seconds=0.0, identity="toy-1"):
    """The toy encoder as a job. Its process leaves its id in a folder, and each forward pass takes some seconds."""
    encoder = toy_encoder(identity)

    def forward(pixels):
        if pids:
            (Path(pids) / str(os.getpid())).touch()
        time.sleep(seconds)
        return encoder.forward(pixels)

    return Job(replace(encoder, forward=forward), None)


def run_toy(arguments, seconds):
    """The command line with the toy encoder, whose forward passes take some seconds each."""
    from fashion_keras.cli import main

    encode.load_encoder = lambda *_: load_toy_job(seconds=seconds).encoder
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run_toy(sys.argv[2:], float(sys.argv[1])))
