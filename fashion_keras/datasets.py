"""TensorFlow Datasets: `import fashion_keras.datasets` registers the builder `fashion_product_images`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.columns import TITLE
from fashion_keras.catalog.datasets import LARGE, SMALL, download
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import split
from fashion_keras.images.validation import reject_unreadable

TEXTS = ("sku", "image_id", "title")
LABELS = (
    "article_type",
    "sub_category",
    "master_category",
    "gender",
    "base_colour",
    "season",
    "year",
    "usage",
)
SPLITS = ("train", "validation", "test")

_DESCRIPTION = """
Product photographs of an Indian fashion retailer, with the product's name, type, color, season, year, usage and whom it
is for. The splits hold 64, 16 and 20 % of the products; images of products with the same name are in one split. A label
is -1 where it is missing. Rows without an image, and images that cannot be decoded, are left out.
"""
_CITATION = """
@misc{aggarwal2019fashion,
  author = {Aggarwal, Param},
  title = {Fashion Product Images Dataset},
  year = {2019},
  publisher = {Kaggle},
  url = {https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-dataset}
}
"""


class FashionProductImages(tfds.core.GeneratorBasedBuilder):
    """Kaggle's Fashion Product Images: "small" at 60x80 pixels (44,441 images), "large" in full size.

    The splits are those of `fashion_keras.catalog.splits` with seed 0, by the hash of the product alone.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Splits by hash of the product, seed 0."}
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="small", description=f"60x80 pixels: {SMALL}, 0.6 GB."),
        tfds.core.BuilderConfig(name="large", description=f"Full size: {LARGE}, 25 GB."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "A folder in Kaggle's layout, styles.csv and images/ID.jpg, or a folder that holds it under the name "
        "fashion-product-images-small or fashion-product-images-dataset. Without it, kagglehub downloads the set."
    )

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            **{name: tfds.features.Text() for name in TEXTS},
            # Their names are known when the table has been read, and stored with the prepared dataset.
            **{name: tfds.features.ClassLabel() for name in LABELS},
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "article_type"),
            homepage="https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-dataset",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[Any]]:
        catalog = reject_unreadable(read_catalog(self._find_source(dl_manager)))
        frame = catalog.to_frame().rename(columns={TITLE: "title"}).reindex(columns=["path", *TEXTS, *LABELS])
        examples = frame.map(_as_text)
        for name in LABELS:
            self.info.features[name].names = sorted(set(examples[name]) - {""})
        parts = split(np.zeros(len(catalog), np.int64), catalog.product_groups, (), seed=0)
        return {name: self._generate_examples(examples.iloc[getattr(parts, name)]) for name in SPLITS}

    def _generate_examples(self, examples: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (image id, example) of each image; files go in byte for byte."""
        for row in examples.to_dict("records"):
            texts = {name: row[name] for name in TEXTS}
            labels = {name: row[name] or -1 for name in LABELS}
            yield row["image_id"], {"image": row["path"], **texts, **labels}

    def _find_source(self, dl_manager: tfds.download.DownloadManager) -> Path:
        """Return the folder in `manual_dir`, or else the download from Kaggle."""
        large = self.builder_config.name == "large"
        try:
            manual = Path(dl_manager.manual_dir)
        except AssertionError:  # there is none, or it is empty
            return download(large, Path(dl_manager.download_dir))
        folders = [manual, manual / (LARGE if large else SMALL).partition("/")[2]]
        return next((each for each in folders if (each / "styles.csv").is_file()), None) or download(large, manual)


def store_catalog(
    catalog: Catalog, data_dir: str | Path, name: str = "catalog", file_format: str = "array_record"
) -> tfds.core.DatasetBuilder:
    """Write the readable images of any catalog and its columns as a prepared dataset in a few large files.

    Its folder, `data_dir` of what is returned, is then a `--data`. Images go in byte for byte. The splits are the
    values of the column `split` where every image has one; else train, validation and test by hash of the product.

    Args:
        data_dir: folder that gets NAME/1.0.0.
        name: of the dataset; a Python identifier in lower case.
        file_format: "array_record" or "tfrecord".
    """
    catalog = reject_unreadable(catalog)
    frame = catalog.to_frame().drop(columns="product_group")
    parts = split(np.zeros(len(catalog), np.int64), catalog.product_groups, (), seed=0)
    rows = {part: getattr(parts, part) for part in SPLITS}
    given = frame.pop("split") if "split" in frame else None
    if given is not None and (given.fillna("") != "").all():
        rows = {str(part): np.flatnonzero(given == part) for part in sorted(set(given))}
    numbers = [column for column in frame if pd.api.types.is_numeric_dtype(frame[column])]
    texts = [column for column in frame if column not in numbers and column != "path"]
    frame[texts] = frame[texts].fillna("").astype(str)
    image = tfds.features.Image(shape=(None, None, 3))
    kinds = {column: tfds.features.Scalar(np.float64) for column in numbers} | dict.fromkeys(
        texts, tfds.features.Text()
    )
    return tfds.dataset_builders.store_as_tfds_dataset(
        name,
        "1.0.0",
        tfds.features.FeaturesDict({"image": image, **kinds}),
        {part: list(_stored_examples(frame.iloc[chosen])) for part, chosen in rows.items() if len(chosen)},
        data_dir=data_dir,
        file_format=file_format,
    )


def _stored_examples(frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in frame.to_dict("records"):
        yield row["image_id"], {"image": row.pop("path"), **row}


def _as_text(value: Any) -> str:  # noqa: ANN401 - a cell
    """Return a cell as text: "2012" of the number 2012.0, "" where it is missing."""
    if pd.isna(value):
        return ""
    return value if isinstance(value, str) else f"{value:.15g}"
