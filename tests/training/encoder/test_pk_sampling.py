"""Batches in which some products are alike, and what "alike" means."""

import numpy as np
import pytest

from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.pk_sampling import one_hot_groups, parse_similarity_labels, pk_batches


def test_labels_and_weights_are_read():
    found = parse_similarity_labels("article_type:1.5,column:brand,title:0.5")
    assert [(one.name, one.weight) for one in found] == [("article_type", 1.5), ("column:brand", 1.0), ("title", 0.5)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("articel_type", "article_type"),
        ("title:0", "above 0"),
        ("title:1e", "number"),
        ("title,title:2", "every name once"),
    ],
)
def test_labels_that_make_no_sense(text, reason):
    with pytest.raises(InputError, match=reason):
        parse_similarity_labels(text)


def test_unknown_labels_are_rows_of_zeros():
    targets, widths = one_hot_groups(np.array([[0, 2], [1, -1], [-1, 0]]))
    assert widths == (2, 3)
    assert targets.tolist() == [[1, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]


@pytest.fixture
def catalog():
    random = np.random.default_rng(0)
    kinds = random.integers(9, size=300)
    # Two titles for each kind and more: a title never stands for two kinds.
    return kinds, kinds * 20 + random.integers(20, size=300)


def test_every_batch_holds_classes_of_k_images(catalog):
    kinds, titles = catalog
    rows = pk_batches(kinds, titles, classes=6, images=4, seed=0, epoch=0)
    assert len(rows) % 24 == 0
    for chunk in rows.reshape(-1, 4):
        assert len(set(kinds[chunk])) == 1


def test_nearly_every_image_is_seen_and_titles_stand_together(catalog):
    kinds, titles = catalog
    rows = pk_batches(kinds, titles, classes=6, images=4, seed=0, epoch=0)
    assert len(set(rows.tolist())) > 0.85 * len(kinds)
    chunks = titles[rows].reshape(-1, 4)
    together = np.mean([len(set(chunk)) < 4 for chunk in chunks])
    shuffled = np.random.default_rng(1).permutation(titles[rows]).reshape(-1, 4)
    assert together > 2 * np.mean([len(set(chunk)) < 4 for chunk in shuffled])


def test_batches_follow_from_seed_and_epoch(catalog):
    first = pk_batches(*catalog, 6, 4, seed=0, epoch=0)
    np.testing.assert_array_equal(first, pk_batches(*catalog, 6, 4, seed=0, epoch=0))
    assert (first != pk_batches(*catalog, 6, 4, seed=0, epoch=1)).any()
    assert (first != pk_batches(*catalog, 6, 4, seed=1, epoch=0)).any()


def test_a_class_of_one_image_repeats_it():
    kinds = np.array([0, 0, 0, 0, 1])
    rows = pk_batches(kinds, np.arange(5), classes=2, images=4, seed=0, epoch=0)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4, 4, 4, 4]
