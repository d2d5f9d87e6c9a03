"""Near-duplicates: an image saved again against another image."""

import numpy as np
import pytest
from PIL import Image

from fashion_keras.images.near_duplicates import is_near_duplicate, thumbnail_signature


def blank(value):
    return np.full((20, 15, 3), value, np.float32)


@pytest.mark.parametrize(("other", "same"), [(100, True), (107, True), (109, False)])
def test_is_near_duplicate_up_to_five_per_cent_of_the_ink(other, same):
    # Ink is 255 minus the mean of both: 155 for 100 and 100, so that 7.6 may differ; 151.5 and 7.6 for 107.
    assert is_near_duplicate(blank(100), blank(other)) == same


def test_is_near_duplicate_of_white_images():
    assert is_near_duplicate(blank(255), blank(255))


def test_is_near_duplicate_of_an_image_saved_again(tmp_path):
    pixels = np.full((80, 60, 3), 255, np.uint8)
    pixels[20:60, 15:45] = (200, 30, 60)
    for name, image in (("a.png", pixels), ("b.jpg", pixels), ("c.png", pixels[:, :, ::-1])):
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / name)
    first, again, other = (thumbnail_signature(tmp_path / name) for name in ("a.png", "b.jpg", "c.png"))
    assert first.shape == (20, 15, 3)
    assert is_near_duplicate(first, again)
    assert not is_near_duplicate(first, other)
