"""Corruptions against arithmetic by hand, Pillow, TensorFlow and values from OpenCV."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fashion_keras.images.corruptions import CORRUPTIONS, apply_all, resize_area
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec

NAMES = [corruption.name for corruption in CORRUPTIONS]
RESIZERS = [corruption.name for corruption in CORRUPTIONS if corruption.resizes]
SPEC = ImageSpec(20, 15)
# cv2.resize(GREYS as float32, interpolation=cv2.INTER_AREA) of OpenCV 5.0, rounded to three decimals.
GREYS = [[0, 70, 140], [210, 50, 120], [190, 30, 100], [170, 10, 80]]
OPENCV = [
    [[90, 106.667], [126.667, 66.667]],
    [[56.667, 111.667], [146.667, 86.667], [121.667, 61.667]],
    [[0, 23.333, 70, 116.667, 140], [105, 90, 60, 106.667, 130], [210, 156.667, 50, 96.667, 120],
     [190, 136.667, 30, 76.667, 100], [180, 126.667, 20, 66.667, 90], [170, 116.667, 10, 56.667, 80]],
    [[105, 75, 83.333, 130], [180, 73.333, 43.333, 90]],
]  # fmt: skip


def random_image(height=80, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def corrupted(image, spec=SPEC):
    return dict(zip(NAMES, apply_all(image, spec), strict=True))


@pytest.mark.parametrize("expected", OPENCV, ids=lambda rows: f"{len(rows)}x{len(rows[0])}")
def test_resize_area_equals_opencv(expected):
    source = np.repeat(np.array(GREYS, np.uint8)[..., None], 3, axis=2)
    resized = resize_area(source, len(expected), len(expected[0]))
    np.testing.assert_allclose(resized, np.repeat(np.array(expected)[..., None], 3, axis=2), atol=5e-4)


def test_resize_area_by_hand():
    row = np.array([[[10] * 3, [40] * 3, [100] * 3]], np.uint8)
    # Each of two pixels covers one and a half of three.
    np.testing.assert_allclose(resize_area(row, 1, 2)[0, :, 0], [(10 + 40 / 2) / 1.5, (40 / 2 + 100) / 1.5])
    blocks = random_image(8, 6).reshape(4, 2, 3, 2, 3)
    np.testing.assert_allclose(resize_area(blocks.reshape(8, 6, 3), 4, 3), blocks.mean(axis=(1, 3)))


def test_resize_area_keeps_the_mean_by_any_factor():
    image = random_image(83, 61)
    np.testing.assert_allclose(resize_area(image, 20, 15).mean(axis=(0, 1)), image.mean(axis=(0, 1)))


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_pillows_resizers(name):
    expected = Image.fromarray(random_image()).resize((15, 20), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(corrupted(random_image())[name], np.asarray(expected))


def test_tensorflows_bilinear_looks_at_two_pixels_and_antialiased_at_all():
    image = random_image()
    middles = image.reshape(20, 4, 15, 4, 3)[:, 1:3, :, 1:3].astype(float).mean(axis=(1, 3))
    seen = corrupted(image)
    np.testing.assert_allclose(seen["tf_bilinear"], middles, atol=0.5)
    np.testing.assert_allclose(seen["tf_antialias"].astype(float), seen["bilinear"], atol=1)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(80, 60), (90, 30), (30, 90), (7, 5), (41, 300)])
def test_every_resizer_fits_into_the_same_frame(fit, size):
    spec = ImageSpec(32, 24, fit=fit)
    seen = corrupted(np.full((*size, 3), (10, 90, 200), np.uint8), spec)
    for name in RESIZERS:
        np.testing.assert_array_equal(seen[name], seen["reference"], err_msg=name)


def test_crop_cuts_off_both_sides_alike():
    image = np.zeros((16, 48, 3), np.uint8)
    image[:, 16:32] = 200
    seen = corrupted(image, ImageSpec(8, 8, fit="crop"))
    for name in ("area", "tf_bilinear"):
        np.testing.assert_array_equal(seen[name], np.full((8, 8, 3), 200), err_msg=name)


def test_apply_all_leaves_an_image_of_the_right_size_and_does_not_import_tensorflow():
    program = (
        "import sys, numpy as np\n"
        "from fashion_keras.images.corruptions import CORRUPTIONS, apply_all\n"
        "from fashion_keras.images.decode import ImageSpec\n"
        "image = np.random.default_rng(0).integers(0, 256, (20, 15, 3), dtype=np.uint8)\n"
        "pairs = zip(CORRUPTIONS, apply_all(image, ImageSpec(20, 15)))\n"
        "print([row.name for row, pixels in pairs if (pixels == image).all()], 'tensorflow' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == f"{['reference', *RESIZERS]} False\n"


@pytest.mark.parametrize("quality", [95, 75, 50, 30])
def test_jpeg_is_what_pillow_stores(quality):
    reference = decode(random_image(), SPEC)
    file = BytesIO()
    Image.fromarray(reference).save(file, "JPEG", quality=quality)
    np.testing.assert_array_equal(corrupted(random_image())[f"jpeg_{quality}"], np.asarray(Image.open(file)))


def test_shifts_move_right_and_down_and_fill_with_white():
    image = random_image(100, 50)
    seen = corrupted(image, ImageSpec(100, 50))
    for name, down, right in (("shift_2", 2, 1), ("shift_4", 4, 2)):
        np.testing.assert_array_equal(seen[name][down:, right:], image[:-down, :-right])
        assert (seen[name][:down] == 255).all()
        assert (seen[name][:, :right] == 255).all()


@pytest.mark.parametrize("sigma", [5, 10])
def test_noise_has_its_deviation_and_depends_on_its_image(sigma):
    gray, darker = (np.full((80, 60, 3), level, np.uint8) for level in (128, 127))
    spec = ImageSpec(80, 60)
    noise = corrupted(gray, spec)[f"noise_{sigma}"].astype(float) - 128
    assert noise.std() == pytest.approx(sigma, rel=0.03)
    assert abs(noise.mean()) < 0.2
    np.testing.assert_array_equal(corrupted(gray, spec)[f"noise_{sigma}"] - 128.0, noise)
    assert (corrupted(darker, spec)[f"noise_{sigma}"] - 127.0 != noise).mean() > 0.5


def test_gamma_leaves_black_and_white():
    image = np.array([[[0, 128, 255]]], np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    seen = corrupted(image, ImageSpec(2, 2))
    assert seen["gamma_0.8"][0, 0].tolist() == [0, 147, 255]  # 255 * 0.50196 ** 0.8 = 146.9
    assert seen["gamma_1.25"][0, 0].tolist() == [0, 108, 255]  # 255 * 0.50196 ** 1.25 = 107.7


def test_corruptions_have_unique_names():
    assert NAMES[0] == "reference"
    assert len(set(NAMES)) == len(NAMES) == 18
    assert all(
        pixels.dtype == np.uint8 and pixels.shape == (20, 15, 3) for pixels in corrupted(random_image()).values()
    )
