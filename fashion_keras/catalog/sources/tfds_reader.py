"""TFDS reader: an image dataset that TensorFlow Datasets has prepared, as a data frame."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.support.errors import InputError
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow_datasets as tfds

INFO = "dataset_info.json"


def read_tfds(name_or_dir: str | Path) -> "pd.DataFrame":
    """Return every example of a prepared dataset as a row of a pandas DataFrame, split after split.

    Columns: `image`, the encoded bytes exactly as stored; the features that are a text, a number or a class, the class
    by its name, a missing text or class NaN; `split`, the name of the split. Other features are left out. The encoded
    images are held in memory: 0.02 GB of the 9,382 at 60x80, 25 GB of the full-size Kaggle set.

    Args:
        name_or_dir: the name of a dataset in the default folder of TensorFlow Datasets, such as
            "fashion_product_images/small"; or the folder that holds its dataset_info.json.

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
            "image": example[image],
            **{name: _value(feature, example[name]) for name, feature in columns.items()},
            "split": split,
        }
        for split in builder.info.splits
        for example in builder.as_dataset(split, decoders={image: tfds.decode.SkipDecoding()}).as_numpy_iterator()
    ]
    return pd.DataFrame(rows)


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
    return value.item()
