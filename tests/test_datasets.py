"""TensorFlow Datasets: the builder by the library's own checks, its splits, its bytes, and reading them back."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from fashion_keras import datasets
from fashion_keras.catalog.datasets import SMALL
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sample.generate import generate_sample
from fashion_keras.catalog.sources.tfds_reader import read_tfds
from fashion_keras.catalog.splits import split
from fashion_keras.images.decode import decode
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.errors import InputError

NAME = "fashion_product_images"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small drawn sample in Kaggle's layout, under the name of the Kaggle set."""
    return generate_sample(tmp_path_factory.mktemp("manual") / SMALL.partition("/")[2], products=120)


@pytest.fixture(scope="module")
def catalog(folder):
    return reject_unreadable(read_catalog(folder))


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    """The builder, prepared from the folder above."""
    builder = tfds.builder(NAME, data_dir=tmp_path_factory.mktemp("tfds"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=folder.parent))
    return builder


@pytest.fixture(scope="module")
def frame(prepared):
    return read_tfds(prepared.data_dir).set_index("image_id")


class TestFashionProductImages(tfds.testing.DatasetBuilderTestCase):
    """The library's own checks: registration, metadata, both configs built, read, counted, no example in two splits."""

    DATASET_CLASS = datasets.FashionProductImages
    SPLITS = {"train": 78, "validation": 19, "test": 21}  # noqa: RUF012 - as the base class has it
    MOCK_OUT_FORBIDDEN_OS_FUNCTIONS = False  # the catalog is a local folder

    @pytest.fixture(autouse=True)
    def examples(self, folder):
        type(self).EXAMPLE_DIR = folder


def test_splits_are_those_of_the_catalog_and_of_training(catalog, frame):
    """By hash of the product alone, seed 0: the same as of any task in which each class has products in every part."""
    parts = split(np.zeros(len(catalog), np.int64), catalog.product_groups, (), seed=0)
    for name in datasets.SPLITS:
        assert set(frame.index[frame.split == name]) == set(catalog.image_ids[getattr(parts, name)])
    assert len(frame) == len(catalog)
    products = dict(zip(catalog.image_ids, catalog.product_groups, strict=True))
    assert frame.groupby([products[key] for key in frame.index]).split.nunique().max() == 1


def test_examples_are_the_files_and_rows_of_the_catalog(catalog, folder, frame):
    expected = catalog.to_frame().set_index("image_id").loc[frame.index]
    files = [(folder / "images" / f"{key}.jpg").read_bytes() for key in frame.index]
    assert frame.image.tolist() == files
    assert frame.sku.tolist() == expected.sku.tolist()
    assert frame.title.tolist() == expected.product_display_name.tolist()
    for name in datasets.LABELS:
        assert frame[name].fillna("").tolist() == _as_text(expected[name])
    assert frame.season.isna().any()


def test_load_gives_images_and_labels(prepared, frame):
    folder = Path(prepared.data_dir).parents[2]
    dataset, info = tfds.load(NAME, split="test", data_dir=folder, with_info=True, download=False)
    labels = info.features["article_type"]
    assert labels.names == sorted(set(frame.article_type))
    for example in dataset.take(5).as_numpy_iterator():
        row = frame.loc[example["image_id"].decode()]
        difference = np.abs(example["image"].astype(int) - decode(row.image, None))
        assert example["image"].shape == (80, 60, 3)
        assert difference.mean() < 2  # another JPEG decoder
        assert labels.int2str(int(example["article_type"])) == row.article_type
    assert "@misc{" in info.citation


def test_missing_labels_are_minus_one(prepared, frame):
    seasons = {
        example["image_id"].decode(): example["season"]
        for name in datasets.SPLITS
        for example in prepared.as_dataset(name).as_numpy_iterator()
    }
    missing = frame.index[frame.season.isna()]
    assert [seasons[key] for key in missing] == [-1] * len(missing)
    assert sum(code == -1 for code in seasons.values()) == len(missing)


def test_builder_without_a_folder_asks_kaggle(tmp_path):
    builder = tfds.builder(f"{NAME}/large", data_dir=tmp_path)
    with pytest.raises(InputError, match="kagglehub could not download paramaggarwal/fashion-product-images-dataset"):
        builder.download_and_prepare()


def test_read_tfds_refuses_what_is_not_prepared(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: no dataset, and no folder with dataset_info.json"):
        read_tfds(tmp_path)
    with pytest.raises(InputError, match=r"fashion_product_images is not prepared in .*; run `tfds build"):
        read_tfds(f"{NAME}/large")


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_catalog_stored_in_shards_reads_back_as_the_same_catalog(catalog, tmp_path, file_format):
    builder = datasets.store_catalog(catalog, tmp_path, file_format=file_format)
    assert list(Path(builder.data_dir).glob(f"*.{file_format}-*"))
    stored = read_catalog(builder.data_dir)
    order = {key: row for row, key in enumerate(stored.image_ids)}
    rows = np.array([order[key] for key in catalog.image_ids])
    assert len(rows) == len(stored)
    np.testing.assert_array_equal(stored.skus[rows], catalog.skus)
    np.testing.assert_array_equal(stored.product_groups[rows], catalog.product_groups)
    for name, values in catalog.columns.items():
        np.testing.assert_array_equal(stored.columns[name][rows], values, err_msg=name)
    for path, original in zip(stored.paths[rows], catalog.paths, strict=True):
        assert Path(path).read_bytes() == Path(original).read_bytes()


@pytest.mark.slow
def test_tfds_build_makes_the_dataset(folder, tmp_path):
    """The `build` command alone: the `tfds` program imports apache_beam and mlcroissant for its others."""
    program = (
        "from absl import app\nfrom tensorflow_datasets.scripts.cli import build, cli_utils\n"
        "parser = cli_utils.make_flags_parser(build.Args, description='')\n"
        "app.run(lambda arguments: arguments.execute(), flags_parser=parser)"
    )
    options = ["--imports", "fashion_keras.datasets", "--manual_dir", folder, "--data_dir", tmp_path]
    command = [sys.executable, "-c", program, f"{NAME}/small", *map(str, options)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert len(read_tfds(tmp_path / NAME / "small" / "1.0.0")) == 118


def test_importing_the_package_does_not_import_tensorflow_datasets():
    program = (
        "import sys, fashion_keras, fashion_keras.catalog.sources.tfds_reader\n"
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def _as_text(column):
    """The cells of a catalog's column as a prepared dataset has them."""
    return ["" if value != value or value is None else f"{value:.15g}" if not isinstance(value, str) else value
            for value in column.tolist()]  # fmt: skip
