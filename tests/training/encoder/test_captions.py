"""Captions: product names and phrases of attribute values, and which products they describe."""

import numpy as np
import pytest

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.captions import make_captions

TASKS = ["article_type", "base_colour"]


@pytest.fixture
def catalog(tmp_path):
    import pandas as pd
    from PIL import Image

    rows = [("1", "Puma Red Shoe", "Shoes", "Red"), ("2", "", "Shirts", "Blue"), ("3", "Nike Bag", "Bags", "")]
    for row in rows:
        Image.new("RGB", (30, 40), "white").save(tmp_path / f"{row[0]}.png")
    frame = pd.DataFrame(rows, columns=["sku", "title", "article_type", "base_colour"])
    return read_catalog(frame, images=tmp_path)


def test_draw_gives_names_and_phrases_in_the_reverse_order_of_the_labels(catalog):
    captions = make_captions(catalog, "title", TASKS)
    random = np.random.default_rng(0)
    drawn = [captions.draw(np.arange(3), random) for _ in range(200)]
    seen = [{texts[row] for texts, _ in drawn} for row in range(3)]
    assert seen[0] == {"Puma Red Shoe", "Red Shoes", "Red", "Shoes"}
    assert seen[1] == {"Blue Shirts", "Blue", "Shirts"}
    assert seen[2] == {"Nike Bag", "Bags"}
    named = {texts[0]: tuple(named[0]) for texts, named in drawn}
    assert named["Puma Red Shoe"] == (True, False, False)
    assert named["Red Shoes"] == (False, True, True)
    assert named["Red"] == (False, True, False)


def test_tokens_never_leave_out_all_of_a_caption(catalog):
    from fashion_keras.models.text import TextSpec

    captions, random = make_captions(catalog, "title", TASKS), np.random.default_rng(0)
    for _ in range(50):
        ids, targets = captions.tokens(np.array([2, 0]), TextSpec(8), random)
        assert (ids[:, 0] > 0).all()
        assert targets.shape == (2, 6)


def test_make_captions_refuses_a_catalog_without_the_column(catalog):
    with pytest.raises(InputError, match="no column headline; give the column of the product names as --text"):
        make_captions(catalog, "headline", TASKS)
