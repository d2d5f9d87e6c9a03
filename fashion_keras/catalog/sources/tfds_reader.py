"""TFDS reader: an image dataset that TensorFlow Datasets has prepared, as a data frame."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.catalog.sources.embedded_images import store_image
from fashion_keras.catalog.sources.row_images import RowImages
from fashion_keras.catalog.sources.table import Table
from fashion_keras.catalog.sources.table_readers import table_of_frame
from fashion_keras.support.errors import InputError
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow_datasets as tfds

INFO = "dataset_info.json"


def read_tfds_table(source: str, mapping: Mapping[str, str]) -> tuple[Table, RowImages]:
    """Return the examples of a prepared dataset as a table, and their images, which are written into the cache.

    One image is in memory at a time, and each is read from the shards once per cache. `source` is a name or folder, and
    errors are those of `read_tfds`; `mapping` is that of `read_catalog`.
    """
    frame = read_tfds(source, store_image)
    paths = frame.pop("image").tolist()
    images = RowImages(list(range(len(paths))), paths, [Path(path).name for path in paths])
    return table_of_frame(frame, mapping, source), images


def read_tfds(name_or_dir: str | Path, store: Callable[[bytes], Any] = bytes) -> "pd.DataFrame":
    """Return every example of a prepared dataset as a row of a pandas DataFrame, split after split.

    Columns: `image`, the encoded bytes exactly as stored; the features that are a text, a number or a class, the class
    by its name, a missing text or class NaN; `split`, the name of the split. Other features are left out. Without
    `store`, the encoded images are held in memory: 0.02 GB of the 9,382 at 60x80, 25 GB of the full-size Kaggle set.

    Args:
        name_or_dir: the name of a dataset in the default folder of TensorFlow Datasets, such as
            "fashion_product_images/small"; or the folder that holds its dataset_info.json.
        store: encoded bytes of an image -> what the column has in their place.

    Raises:
        InputError: when the dataset is not there or not prepared, or has no image.
    """
    import_tensorflow()
    import pandas as pd  # noqa: PLC0415 - readers of other sources must not wait for these
    import tensorflow_datasets as tfds  # noqa: PLC0415

    builder = _prepared(name_or_dir)
    features = builder.info.features
    image = next((name for name, feature in features.items() if isinstance(feature, tfds.features.Image)), None)
    if image is None:
        raise InputError(f"{name_or_dir}: no image among the features {', '.join(features)}")
    kinds = tfds.features.Text, tfds.features.ClassLabel, tfds.features.Scalar
    columns = {name: feature for name, feature in features.items() if isinstance(feature, kinds)}
    rows = [
        {
            "image": store(example[image]),
            **{name: _value(feature, example[name]) for name, feature in columns.items()},
            "split": split,
        }
        for split in builder.info.splits
        for example in _examples(builder, split, image)
    ]
    return pd.DataFrame(rows)


def _examples(builder: "tfds.core.DatasetBuilder", split: str, image: str) -> Iterator[dict[str, Any]]:
    """Yield the examples of a split with the encoded bytes of the image; ArrayRecord has no tf.data.Dataset."""
    import tensorflow_datasets as tfds  # noqa: PLC0415

    decoders = {image: tfds.decode.SkipDecoding()}
    if builder.info.file_format.value == "array_record":
        source = builder.as_data_source(split, decoders=decoders)
        yield from (source[row] for row in range(len(source)))
    else:
        yield from builder.as_dataset(split, decoders=decoders).as_numpy_iterator()


def _prepared(name_or_dir: str | Path) -> "tfds.core.DatasetBuilder":
    """Return the builder of a prepared dataset."""
    import tensorflow_datasets as tfds  # noqa: PLC0415

    folder = Path(name_or_dir)
    if (folder / INFO).is_file():
        return tfds.builder_from_directory(folder)
    try:
        builder = tfds.builder(str(name_or_dir))
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{name_or_dir}: no dataset, and no folder with {INFO} ({reason})") from None
    if not builder.is_prepared():
        raise InputError(f"{builder.name} is not prepared in {builder.data_dir}; run `tfds build {name_or_dir}`")
    return builder


def _value(feature: "tfds.features.FeatureConnector", value: Any) -> Any:  # noqa: ANN401 - text or a number
    """Return a value as a data frame has it: a text, the name of a class, a number; None where it is missing."""
    if isinstance(value, bytes):
        return value.decode() or None
    if hasattr(feature, "int2str"):
        return None if value < 0 else feature.int2str(int(value))
    # ArrayRecord has Python's numbers, a tf.data.Dataset NumPy's.
    return value.item() if hasattr(value, "item") else value
