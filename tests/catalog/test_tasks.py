"""Tasks: what becomes a class, and what stays unlabelled."""

import numpy as np
import pytest

from fashion_keras.catalog.csv_reader import read_table
from fashion_keras.catalog.tasks import TASKS, get_task
from fashion_keras.support.errors import InputError

COLUMNS = {
    "gender": np.array(["Men", "Women", "Men", "", "Women", "Men"]),
    "master_category": np.array(["Apparel", "Footwear", "Apparel", "Apparel", "Footwear", "Accessories"]),
    "sub_category": np.array(["Topwear", "Shoes", "Topwear", "Topwear", "Shoes", "Bags"]),
    "article_type": np.array(["Tops", "Heels", "Shirts", "Tops", "Heels", "Tops"]),
    "usage": np.array(["Casual", "", "Casual", "Formal", "Formal", "Casual"]),
}


def test_article_types_are_counted_per_path():
    labels = get_task("article_type").encode(COLUMNS)
    assert labels.classes == ("Accessories/Bags/Tops", "Shirts", "Apparel/Topwear/Tops", "Heels")
    assert labels.paths == (
        "Accessories/Bags/Tops",
        "Apparel/Topwear/Shirts",
        "Apparel/Topwear/Tops",
        "Footwear/Shoes/Heels",
    )
    assert labels.codes.tolist() == [2, 3, 1, 2, 3, 0]


def test_small_classes_are_left_out_with_their_count():
    labels = get_task("article_type").encode(COLUMNS, min_images=2)
    assert labels.classes == ("Tops", "Heels")
    assert labels.codes.tolist() == [0, 1, -1, 0, 1, -1]
    assert labels.reasons[2] == "class 'Apparel/Topwear/Shirts' has 1 images, fewer than --min-images 2"


def test_missing_labels_are_masked():
    labels = get_task("usage").encode(COLUMNS)
    assert labels.known.tolist() == [True, False, True, True, True, True]
    assert labels.reasons[1] == "no usage label"


def test_gender_master_joins_both():
    labels = get_task("gender_master").encode(COLUMNS)
    assert labels.classes == ("Men Accessories", "Men Apparel", "Women Footwear")
    assert labels.codes[3] == -1


def test_any_column_can_be_a_task():
    labels = get_task("column:usage").encode(COLUMNS)
    assert labels.classes == ("Casual", "Formal")


def test_match_uses_the_classes_of_before():
    labels = get_task("article_type").match(
        COLUMNS, ("Heels", "Tops"), ("Footwear/Shoes/Heels", "Apparel/Topwear/Tops")
    )
    assert labels.codes.tolist() == [1, 0, -1, 1, 0, -1]
    assert labels.reasons[5] == "class 'Accessories/Bags/Tops' is unknown to the run"


def test_match_goes_by_name_where_parents_are_missing():
    columns = {"article_type": np.array(["Heels", "Hats", ""])}
    labels = get_task("article_type").match(columns, ("Heels",), ("Footwear/Shoes/Heels",))
    assert labels.codes.tolist() == [0, -1, -1]
    assert labels.reasons.tolist() == ["", "class 'Hats' is unknown to the run", "no article_type label"]


def test_unknown_task_offers_the_nearest():
    with pytest.raises(InputError, match="did you mean 'article_type'"):
        get_task("article_typ")


def test_missing_column_is_named():
    with pytest.raises(InputError, match="needs the column 'season'; the catalogue has: usage"):
        get_task("season").encode({"usage": np.array(["a"])})


def test_one_class_is_none():
    with pytest.raises(InputError, match="lower --min-images"):
        get_task("usage").encode(COLUMNS, min_images=100)


def test_names_are_unique():
    assert len({task.name for task in TASKS}) == len(TASKS) == 9


@pytest.mark.parametrize(
    ("task", "classes", "rows"),
    [("gender_master", 12, 44_045), ("sub_category", 15, 40_848), ("article_type", 23, 34_708)],
)
def test_li2020_class_counts(real, task, classes, rows):
    columns = {name: np.array(values) for name, values in read_table(real / "styles.csv")[0].items()}
    labels = get_task(task).encode(columns, min_images=500)
    assert (len(labels.classes), int(labels.known.sum())) == (classes, rows)
