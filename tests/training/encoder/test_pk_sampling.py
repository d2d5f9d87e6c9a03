"""Similarity labels, and batches of P classes x K images."""

import numpy as np
import pytest

from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.pk_sampling import parse_similarity_labels, pk_batches


def test_parse_similarity_labels_reads_names_and_weights():
    labels = parse_similarity_labels("article_type:1.5,column:brand,title:0.5")
    assert [(label.name, label.weight) for label in labels] == [
        ("article_type", 1.5),
        ("column:brand", 1.0),
        ("title", 0.5),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("articel_type", "article_type"),
        ("title:0", "above 0"),
        ("title:1e", "must be a number"),
        ("title,title:2", "must have every name once"),
    ],
)
def test_parse_similarity_labels_refuses(text, reason):
    with pytest.raises(InputError, match=reason):
        parse_similarity_labels(text)


@pytest.fixture
def catalog():
    random = np.random.default_rng(0)
    codes = random.integers(9, size=300)
    # Every title has products of one class only.
    return codes, codes * 20 + random.integers(20, size=300)


def test_pk_batches_hold_classes_of_k_images(catalog):
    codes, titles = catalog
    rows = pk_batches(codes, titles, classes=6, images=4, seed=0, epoch=0)
    assert len(rows) % 24 == 0
    for chunk in rows.reshape(-1, 4):
        assert len(set(codes[chunk])) == 1


def test_pk_batches_hold_nearly_every_image_and_titles_together(catalog):
    codes, titles = catalog
    rows = pk_batches(codes, titles, classes=6, images=4, seed=0, epoch=0)
    assert len(set(rows.tolist())) > 0.85 * len(codes)
    chunks = titles[rows].reshape(-1, 4)
    together = np.mean([len(set(chunk)) < 4 for chunk in chunks])
    shuffled = np.random.default_rng(1).permutation(titles[rows]).reshape(-1, 4)
    assert together > 2 * np.mean([len(set(chunk)) < 4 for chunk in shuffled])


def test_pk_batches_depend_on_seed_and_epoch(catalog):
    first = pk_batches(*catalog, 6, 4, seed=0, epoch=0)
    np.testing.assert_array_equal(first, pk_batches(*catalog, 6, 4, seed=0, epoch=0))
    assert (first != pk_batches(*catalog, 6, 4, seed=0, epoch=1)).any()
    assert (first != pk_batches(*catalog, 6, 4, seed=1, epoch=0)).any()


def test_pk_batches_repeat_the_image_of_a_small_class():
    codes = np.array([0, 0, 0, 0, 1])
    rows = pk_batches(codes, np.arange(5), classes=2, images=4, seed=0, epoch=0)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4, 4, 4, 4]
