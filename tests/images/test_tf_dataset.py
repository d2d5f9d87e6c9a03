"""Catalogs as tf.data.Datasets: images, labels and splits are those of training."""

import numpy as np
import pytest

from fashion_keras import InputError, TrainConfig, read_catalog
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.tf_dataset import to_tf_dataset
from fashion_keras.training.dataset_prep import prepare


@pytest.fixture(scope="module")
def catalog(sample):
    return read_catalog(sample)


def test_splits_classes_and_pixels_are_those_of_training(catalog, sample):
    data = prepare(TrainConfig(data=str(sample), image_size="40x32"))
    for name in ("train", "validation", "test"):
        rows = data.rows[name]
        dataset = to_tf_dataset(catalog, "article_type", name, image_size=(40, 32))
        assert dataset.class_names == data.targets.classes
        assert len(dataset) == len(rows)
        images, _ = next(iter(dataset.batch(8)))
        expected = [decode(path, ImageSpec(40, 32)) for path in data.catalog.paths[rows[:8]]]
        np.testing.assert_array_equal(images, expected)
        assert [int(label) for _, label in dataset] == data.targets.codes[rows].tolist()


def test_images_keep_their_size_by_default(catalog):
    dataset = to_tf_dataset(catalog, "gender", "test")
    assert dataset.element_spec[0].shape.as_list() == [None, None, 3]
    image, label = next(iter(dataset))
    assert (image.shape.as_list(), image.dtype.name, label.dtype.name) == ([80, 60, 3], "uint8", "int64")
    assert dataset.class_names == ("Men", "Women")


def test_labels_of_a_multi_valued_task_are_the_indicators_of_training(catalog, sample):
    data = prepare(TrainConfig(data=str(sample), task="pattern", min_images=20))
    dataset = to_tf_dataset(catalog, "pattern", "train", min_images=20)
    labels = np.array([label for _, label in dataset])
    np.testing.assert_array_equal(labels, data.targets.values[data.rows["train"]])
    assert set(np.unique(labels)) >= {0, 1}
    assert labels.shape[1] == len(dataset.class_names) > 1


@pytest.mark.parametrize(
    ("task", "split", "message"),
    [
        ("article_type", "val", "unknown split 'val'.*validation"),
        ("article_type,gender", "test", "is 2 tasks"),
        ("artikel", "test", "unknown task 'artikel'"),
    ],
)
def test_wrong_tasks_and_splits_are_refused(catalog, task, split, message):
    with pytest.raises(InputError, match=message):
        to_tf_dataset(catalog, task, split)
