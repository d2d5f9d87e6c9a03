"""Leaks: products that stand in the training part and in another."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import Split
from fashion_keras.images.leaks import count_leaks, group_near_duplicates


@pytest.fixture
def catalog(tmp_path):
    """Six images of random blocks; 3 is image 0 saved again, 4 has the SKU of 1, 5 the title of 2."""
    rng = np.random.default_rng(0)
    for number in range(6):
        blocks = Image.fromarray(rng.integers(0, 256, (4, 3, 3), np.uint8)).resize((60, 80), Image.Resampling.NEAREST)
        blocks.save(tmp_path / f"{number}.png")
    again = ImageEnhance.Brightness(Image.open(tmp_path / "0.png")).enhance(0.99)
    again.save(tmp_path / "3.jpg", quality=80)
    frame = pd.DataFrame(
        {"sku": ["a", "b", "c", "d", "b", "f"], "title": ["A", "B", "Same Shoe", "D", "E", "same  shoe!"],
         "image": ["0.png", "1.png", "2.png", "3.jpg", "4.png", "5.png"]}
    )  # fmt: skip
    return read_catalog(frame, images=tmp_path)


def test_count_leaks_of_each_kind(catalog):
    split = Split(np.arange(3), np.array([3]), np.array([4, 5]), "given", 0)
    assert count_leaks(catalog, split.rows) == {
        "same_sku": {"validation": 0, "test": 1},
        "same_title": {"validation": 0, "test": 1},
        "near_duplicate": {"validation": 1, "test": 0},
    }


def test_group_near_duplicates_joins_their_products(catalog):
    before, after = catalog.product_groups, group_near_duplicates(catalog).product_groups
    assert before[0] != before[3]
    assert after[0] == after[3] == min(before[0], before[3])
    assert len(set(after)) == len(set(before)) - 1
