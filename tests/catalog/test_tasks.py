"""Tasks: what becomes a class, and what stays unlabeled."""

import numpy as np
import pytest

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.catalog.sources.table_readers import read_table
from fashion_keras.catalog.tasks import TASKS, get_task
from fashion_keras.support.errors import InputError

COLUMNS = {
    "gender": np.array(["Men", "Women", "Men", "", "Women", "Men"]),
    "master_category": np.array(["Apparel", "Footwear", "Apparel", "Apparel", "Footwear", "Accessories"]),
    "sub_category": np.array(["Topwear", "Shoes", "Topwear", "Topwear", "Shoes", "Bags"]),
    "article_type": np.array(["Tops", "Heels", "Shirts", "Tops", "Heels", "Tops"]),
    "usage": np.array(["Casual", "", "Casual", "Formal", "Formal", "Casual"]),
}


def test_encode_counts_article_types_per_path():
    labels = get_task("article_type").encode(COLUMNS)
    assert labels.classes == ("Accessories/Bags/Tops", "Shirts", "Apparel/Topwear/Tops", "Heels")
    assert labels.groups[0].paths == (
        ("Accessories", "Bags", "Tops"),
        ("Apparel", "Topwear", "Shirts"),
        ("Apparel", "Topwear", "Tops"),
        ("Footwear", "Shoes", "Heels"),
    )
    assert labels.codes.tolist() == [2, 3, 1, 2, 3, 0]


def test_encode_leaves_small_classes_out_with_their_count():
    labels = get_task("article_type").encode(COLUMNS, min_images=2)
    assert labels.classes == ("Tops", "Heels")
    assert labels.codes.tolist() == [0, 1, -1, 0, 1, -1]
    assert labels.reasons[2] == "class 'Apparel/Topwear/Shirts' has 1 images, fewer than --min-images 2"


def test_encode_masks_missing_labels():
    labels = get_task("usage").encode(COLUMNS)
    assert labels.known.tolist() == [True, False, True, True, True, True]
    assert labels.reasons[1] == "no usage label"


def test_encode_joins_the_columns_of_gender_master():
    labels = get_task("gender_master").encode(COLUMNS)
    assert labels.classes == ("Men Accessories", "Men Apparel", "Women Footwear")
    assert labels.codes[3] == -1


def test_get_task_makes_one_of_any_column():
    labels = get_task("column:usage").encode(COLUMNS)
    assert labels.classes == ("Casual", "Formal")


def with_classes(columns, *paths):
    """Labels in article types of an earlier run, given as paths."""
    group = LabelGroup("article_type", "single", tuple(path[-1] for path in paths), paths)
    return get_task("article_type").encode_with_classes(columns, group)


def test_encode_with_classes_uses_those_of_the_run():
    labels = with_classes(COLUMNS, ("Footwear", "Shoes", "Heels"), ("Apparel", "Topwear", "Tops"))
    assert labels.codes.tolist() == [1, 0, -1, 1, 0, -1]
    assert labels.reasons[5] == "class 'Accessories/Bags/Tops' is unknown to the run"


def test_encode_with_classes_matches_names_where_parents_are_missing():
    columns = {"article_type": np.array(["Heels", "Hats", ""])}
    labels = with_classes(columns, ("Footwear", "Shoes", "Heels"))
    assert labels.codes.tolist() == [0, -1, -1]
    assert labels.reasons.tolist() == ["", "class 'Hats' is unknown to the run", "no article_type label"]


def test_encode_with_classes_keeps_a_name_with_a_slash_in_it():
    columns = {
        "master_category": np.array(["Accessories", "Accessories", "Apparel"]),
        "sub_category": np.array(["Bags", "Bags", "Topwear"]),
        "article_type": np.array(["Bags/Cases", "Handbags", "Tops"]),
    }
    first = get_task("article_type").encode(columns)
    assert first.classes == ("Bags/Cases", "Handbags", "Tops")
    again = get_task("article_type").encode_with_classes(columns, first.groups[0])
    assert again.codes.tolist() == first.codes.tolist() == [0, 1, 2]
    by_name = get_task("article_type").encode_with_classes({"article_type": columns["article_type"]}, first.groups[0])
    assert by_name.codes.tolist() == [0, 1, 2]


def test_get_task_offers_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'article_type'"):
        get_task("article_typ")


def test_encode_names_a_missing_column():
    with pytest.raises(InputError, match="needs the column 'season'; the catalog has: usage"):
        get_task("season").encode({"usage": np.array(["a"])})


def test_encode_needs_two_classes():
    with pytest.raises(InputError, match="lower --min-images"):
        get_task("usage").encode(COLUMNS, min_images=100)


def test_tasks_have_unique_names():
    assert len({task.name for task in TASKS}) == len(TASKS) == 9


@pytest.mark.parametrize(
    ("task", "classes", "rows"),
    [("gender_master", 12, 44_045), ("sub_category", 15, 40_848), ("article_type", 23, 34_708)],
)
def test_encode_gives_the_class_counts_of_li2020(real, task, classes, rows):
    columns = {name: np.array(values) for name, values in read_table(real / "styles.csv", {}).columns.items()}
    labels = get_task(task).encode(columns, min_images=500)
    assert (len(labels.classes), int(labels.known.sum())) == (classes, rows)
