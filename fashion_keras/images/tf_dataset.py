"""Catalogs as tf.data.Datasets of pixels and labels, for training code of your own."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import parse_task
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.label_groups import Targets
from fashion_keras.catalog.splits import PARTS, Split
from fashion_keras.catalog.splits import split as divide
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec, parse_image_size
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf


def to_tf_dataset(
    catalog: Catalog,
    task: str,
    split: str,
    image_size: Any = None,  # noqa: ANN401 - see `parse_image_size`
    min_images: int = 100,
    seed: int = 0,
) -> "tf.data.Dataset":
    """Return (image [h, w, 3] uint8 in 0..255, label) of each labeled, readable image of a split, unbatched, in order.

    Splits, classes and pixels are those of `fashion-keras train` with the same task, `min_images` and seed. The label
    is an int64 class code or, of a multi-valued task, int8 [k]: 1 yes, 0 no, -1 unknown. The dataset's attribute
    `class_names` holds the k names.

    Args:
        catalog: the catalog.
        task: one task, as `--task` takes it: article_type, column:brand, labels:cloth.
        split: train, validation or test.
        image_size: "80x60", (80, 60) or 224: images are fitted to it on white; None keeps each image's own size, which
            must be one and the same before the dataset can be batched.
        min_images: classes with fewer images are left out.
        seed: of the split.

    Raises:
        InputError: for an unknown task or split, several tasks, or classes that are too small for three parts.
    """
    import_tensorflow()
    import tensorflow as tf  # noqa: PLC0415 - commands that need no TensorFlow import this folder

    if split not in PARTS:
        raise unknown_name_error("split", split, PARTS)
    spec = None if image_size is None else ImageSpec(*parse_image_size(image_size))
    catalog, targets = _labeled(catalog, task, min_images)
    rows = getattr(_split(catalog, targets, seed), split)
    labels = targets.codes if targets.groups[0].kind == "single" else targets.values
    shape = (None, None, 3) if spec is None else (spec.height, spec.width, 3)

    def load(path: bytes) -> NDArray[np.uint8]:
        return decode(path.decode(), spec)

    def example(path: "tf.Tensor", label: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        return tf.ensure_shape(tf.numpy_function(load, [path], tf.uint8), shape), label

    dataset = tf.data.Dataset.from_tensor_slices((catalog.paths[rows], labels[rows]))
    dataset = dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE)
    dataset.class_names = targets.classes
    return dataset


def _labeled(catalog: Catalog, task: str, min_images: int) -> tuple[Catalog, Targets]:
    """Return the images that have a label and decode, and their labels."""
    groups = parse_task(task)
    if len(groups) > 1:
        raise InputError(f"{task!r} is {len(groups)} tasks; a dataset has the labels of one")
    targets = groups[0].encode(catalog.columns, min_images)
    labeled = np.flatnonzero(targets.known)
    readable = reject_unreadable(catalog.take(labeled))
    return readable, targets.take(labeled[np.isin(catalog.paths[labeled], readable.paths)])


def _split(catalog: Catalog, targets: Targets, seed: int) -> Split:
    """Return the parts; every class of a single-valued task must be in all three."""
    if targets.groups[0].kind == "single":
        return divide(targets.codes, catalog.product_groups, targets.classes, seed=seed)
    return divide(np.zeros(len(catalog), np.int64), catalog.product_groups, (), seed=seed)
