"""Reading back what a figure shows: its pixels in a file, or its matplotlib artists."""

from itertools import pairwise

import numpy as np
from PIL import Image


def read_pixels(path):
    """The pixels [h, w, 3] of a PNG file."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def texts(labels):
    """The strings of matplotlib's text objects."""
    return [label.get_text() for label in labels]


def lines_above(axes):
    """The title of axes and the lines below it, from the top down."""
    lines = sorted(axes.texts, key=lambda text: -text.xyann[1] if hasattr(text, "xyann") else 0)
    return [axes.get_title(loc="left"), *texts(line for line in lines if getattr(line, "xy", None) == (0, 1))]


def assert_labels_do_not_overlap(figure, axes):
    """Check that the names beside an axis stand apart from each other."""
    figure.draw_without_rendering()
    boxes = sorted((label.get_window_extent() for label in axes.get_yticklabels()), key=lambda box: box.y0)
    assert boxes
    assert all(lower.y1 < upper.y0 for lower, upper in pairwise(boxes))
