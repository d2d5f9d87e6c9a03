"""A contact sheet shows the given pixels, each with its own caption."""

import numpy as np
import pytest

from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from tests.helpers.figures import read_pixels

MARGIN, CELL = 12, 200  # the layout, as a reader of the image would measure it


def test_contact_sheet_shows_the_given_pixels(tmp_path):
    images = [np.random.default_rng(i).integers(0, 256, (80, 60, 3), dtype=np.uint8) for i in range(5)]
    contact_sheet(tmp_path / "sheet.png", images, ["caption"] * 5, columns=3)
    sheet = read_pixels(tmp_path / "sheet.png")
    assert sheet.shape[1] == MARGIN + 3 * (CELL + MARGIN)
    row_height = (sheet.shape[0] - MARGIN) // 2
    for place, image in enumerate(images):
        x, y = MARGIN + place % 3 * (CELL + MARGIN), MARGIN + place // 3 * row_height
        np.testing.assert_array_equal(sheet[y : y + 160 : 2, x : x + 120 : 2], image)
        np.testing.assert_array_equal(sheet[y + 1 : y + 160 : 2, x + 1 : x + 120 : 2], image)


def test_contact_sheet_does_not_enlarge_large_images(tmp_path):
    contact_sheet(tmp_path / "sheet.png", [np.full((224, 200, 3), (250, 0, 120), np.uint8)], ["caption"])
    assert (read_pixels(tmp_path / "sheet.png") == (250, 0, 120)).all(axis=2).sum() == 224 * 200


def test_contact_sheet_captions_stay_in_their_own_cell_and_on_three_lines(tmp_path):
    black = [np.zeros((80, 60, 3), np.uint8)] * 2
    long = "W" * 200
    contact_sheet(tmp_path / "long.png", black, ["\n".join([long] * 9), ""], columns=2)
    contact_sheet(tmp_path / "three.png", black, ["\n".join([long] * 3), ""], columns=2)
    below = read_pixels(tmp_path / "long.png")[MARGIN + 160 :]
    assert (below[:, MARGIN : MARGIN + CELL] < 128).any(), "the caption is there"
    assert (below[:, MARGIN + CELL + MARGIN :] == 255).all(), "and leaves the neighbor's cell alone"
    assert (tmp_path / "long.png").read_bytes() == (tmp_path / "three.png").read_bytes()


@pytest.mark.parametrize("count", [1, 200])
def test_contact_sheet_of_few_and_of_many(tmp_path, count):
    images = [np.full((80, 60, 3), (10, 200, 30), np.uint8)] * count
    contact_sheet(tmp_path / "sheet.png", images, ["id"] * count, title="Most confident mistakes", note="run a")
    assert (read_pixels(tmp_path / "sheet.png") == (10, 200, 30)).all(axis=2).sum() == count * 160 * 120


def test_contact_sheet_writes_title_and_note_above_the_images(tmp_path):
    image = [np.full((80, 60, 3), (10, 200, 30), np.uint8)]
    tops = []
    for number, heads in enumerate(({}, {"title": "Mistakes"}, {"title": "Mistakes", "note": "run a"})):
        contact_sheet(tmp_path / f"{number}.png", image, ["id"], **heads)
        sheet = read_pixels(tmp_path / f"{number}.png")
        tops.append(int((sheet == (10, 200, 30)).all(axis=2).any(axis=1).argmax()))
        assert (sheet[: tops[-1]] < 200).any() == bool(heads)
    assert tops == sorted(set(tops))
