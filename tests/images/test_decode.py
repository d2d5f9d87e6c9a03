"""Decoding: files, bytes, PIL images and arrays give the same pixels, and never wrong ones."""

import io
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from fashion_keras.images import formats
from fashion_keras.images.decode import decode, decode_batch
from fashion_keras.images.raster import ImageError
from fashion_keras.images.spec import ImageSpec, parse_image_size
from fashion_keras.support.errors import InputError

GIVEN = ImageSpec(83, 61)


def photo(height=83, width=61, seed=0):
    """A colorful image with soft and sharp parts, [h, w, 3] uint8."""
    y, x = np.mgrid[:height, :width]
    soft = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1)
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, 3))
    return np.clip(soft + noise * (y < height / 2)[..., None], 0, 255).astype(np.uint8)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(image, kind="PNG", **options):
    """Pixels of `image` after it went through a file of its own size."""
    height, width = image.shape[:2] if isinstance(image, np.ndarray) else image.size[::-1]
    return decode(encoded(image, kind, **options), ImageSpec(height, width))


def png_header(width, height):
    size = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(100))
    chunks = (struct.pack(">I", len(x) - 4) + x + struct.pack(">I", zlib.crc32(x)) for x in (size, pixels))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_header(width, height):
    data = encoded(photo(), "JPEG")
    size = data.index(b"\xff\xc0") + 5
    return data[:size] + struct.pack(">HH", height, width) + data[size + 4 :]


def in_a_new_process(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_decode_without_a_spec_keeps_the_size_and_turns_upright():
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    pixels = decode(encoded(photo(), "PNG", exif=exif), None)
    np.testing.assert_array_equal(pixels, np.rot90(photo(), -1))


def test_decode_imports_without_tensorflow():
    done = in_a_new_process("import sys, fashion_keras.images.decode; sys.exit('tensorflow' in sys.modules)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("spec", [GIVEN, ImageSpec(80, 60), ImageSpec(40, 40, "crop", "lanczos")])
def test_decode_gives_the_same_pixels_for_path_bytes_pil_and_array(tmp_path, kind, spec):
    data = encoded(photo(), kind)
    path = tmp_path / "wrong_extension.gif"
    path.write_bytes(data)
    pixels = decode(data, spec)
    assert pixels.shape == (spec.height, spec.width, 3)
    assert pixels.dtype == np.uint8
    for same in (path, str(path), Image.open(path), np.asarray(Image.open(path).convert("RGB"))):
        np.testing.assert_array_equal(decode(same, spec), pixels)


@pytest.mark.parametrize("options", [{"quality": 75}, {"quality": 95, "subsampling": 0}, {"progressive": True}])
def test_decode_of_jpeg_equals_tensorflow_bit_for_bit(options):
    import tensorflow as tf

    data = encoded(photo(), "JPEG", **options)
    expected = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    np.testing.assert_array_equal(decode(data, GIVEN), expected.numpy())


def test_decode_returns_an_image_of_the_target_size_bit_for_bit():
    for fit in ("pad", "crop", "stretch"):
        np.testing.assert_array_equal(decode(encoded(photo(), "PNG"), ImageSpec(83, 61, fit)), photo())


def test_decode_pads_to_the_center_of_white():
    pixels = decode(np.zeros((20, 40, 3), np.uint8), ImageSpec(20, 20, "pad"))
    assert (pixels[:5] == 255).all()
    assert (pixels[5:15] == 0).all()
    assert (pixels[15:] == 255).all()
    tall = decode(np.zeros((40, 20, 3), np.uint8), ImageSpec(20, 20, "pad"))
    np.testing.assert_array_equal(tall, pixels.swapaxes(0, 1))


def test_decode_pads_a_very_thin_image_to_at_least_a_line():
    pixels = decode(np.zeros((1, 400), np.uint8), ImageSpec(9, 9, "pad"))
    np.testing.assert_array_equal((pixels == 0).all((1, 2)), np.arange(9) == 4)


def test_decode_crops_both_sides_alike():
    stripes = np.repeat(np.repeat(np.uint8([[10, 200, 200, 90]]), 20, axis=1), 40, axis=0)
    np.testing.assert_array_equal(decode(stripes, ImageSpec(40, 40, "crop")), np.full((40, 40, 3), 200))


def test_decode_stretches_to_the_target_with_antialiasing():
    checks = np.indices((8, 16)).sum(0) % 2 * np.uint8(200)
    inner = decode(checks.astype(np.uint8), ImageSpec(2, 2, "stretch"))
    np.testing.assert_allclose(inner, 100, atol=4)
    nearest = decode(checks.astype(np.uint8), ImageSpec(2, 2, "stretch", "nearest"))
    assert set(np.unique(nearest)) <= {0, 200}


def test_decode_puts_transparent_images_on_white():
    red = (255, 0, 0)
    rgba = np.uint8([[[*red, 255], [*red, 128], [*red, 0]]])
    np.testing.assert_array_equal(decoded(rgba), [[red, (255, 127, 127), (255, 255, 255)]])
    np.testing.assert_array_equal(decode(rgba, ImageSpec(1, 3)), decoded(rgba))
    gray = Image.fromarray(np.uint8([[[0, 255], [0, 51]]]), "LA")
    np.testing.assert_array_equal(decoded(gray), [[[0] * 3, [204] * 3]])
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((0, 0), 0)
    np.testing.assert_array_equal(decoded(palette, transparency=0), [[(255, 255, 255), (10, 20, 30)]])
    np.testing.assert_array_equal(decoded(np.uint8([[7, 9]]), transparency=7), [[[255] * 3, [9] * 3]])


def test_decode_converts_gray_and_cmyk_to_rgb():
    np.testing.assert_array_equal(decoded(np.uint8([[0, 77, 255]])), [[[0] * 3, [77] * 3, [255] * 3]])
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(decoded(cyan, "JPEG", quality=100).astype(int) - (0, 255, 255)).max() <= 3


def test_decode_scales_sixteen_bit_gray_and_does_not_clip_it():
    deep = np.uint16([[0, 200, 25700, 32768, 65535]])
    expected = [[[value] * 3 for value in (0, 1, 100, 128, 255)]]
    np.testing.assert_array_equal(decoded(deep), expected)
    np.testing.assert_array_equal(decode(Image.fromarray(deep), ImageSpec(1, 5)), expected)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.swapaxes(0, 1)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: x[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda x: np.rot90(x, 1)),
    ],
)
def test_decode_applies_the_exif_orientation(orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = upright(photo())
    data = encoded(photo(), "PNG", exif=exif)
    np.testing.assert_array_equal(decode(data, ImageSpec(*expected.shape[:2])), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_decode_ignores_unreadable_exif_beside_whole_pixels(kind):
    pixels = decoded(photo(), kind, exif=b"Exif\x00\x00 no such thing")
    np.testing.assert_array_equal(pixels, decoded(photo(), kind))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_decode_takes_the_first_frame_of_an_animation(kind):
    later = [Image.fromarray(photo(seed=seed)) for seed in (1, 2)]
    pixels = decoded(photo(), kind, save_all=True, append_images=later, lossless=True)
    np.testing.assert_array_equal(pixels, photo())


def test_decode_leaves_the_callers_image_and_array_unchanged():
    image = Image.fromarray(photo()).convert("RGBA")
    array = photo()
    decode(image, ImageSpec(10, 10))
    decode(array, GIVEN)[:] = 0
    assert (image.mode, image.size) == ("RGBA", (61, 83))
    np.testing.assert_array_equal(array, photo())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (
            b"PK\x03\x04" + bytes(50),
            "not an image: expected JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP (starts",
        ),
        (b"<html>404</html>", "starts with b'<html>40'"),
        (encoded(photo(), "JPEG")[:-300], "truncated JPEG"),
        (encoded(photo(), "JPEG")[:100], "truncated JPEG"),
        (encoded(photo(), "JPEG")[:-300] + b"\xff\xd9", "truncated JPEG"),
        (encoded(photo(), "PNG")[:-300], "truncated PNG"),
        (encoded(photo(), "WEBP")[:-300], "broken WebP"),
        (encoded(photo(), "JPEG")[:30] + bytes(500), "broken JPEG"),
        (png_header(60_000_000, 2), "60000000x2 pixels is above the cap of 64000000"),
        (png_header(20_000, 20_000), "20000x20000 pixels is above the cap of 64000000"),
        (jpeg_header(65_000, 1_000), "65000x1000 pixels is above the cap of 64000000"),
        (png_header(0, 5), "broken PNG"),
    ],
)
def test_decode_refuses_damaged_files_with_name_and_reason(tmp_path, data, reason):
    path = tmp_path / "31415.jpg"
    path.write_bytes(data)
    with warnings.catch_warnings(), pytest.raises(ImageError) as refused:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        decode(path, GIVEN)
    assert str(refused.value).startswith(f"{path}: ")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(ImageError, match=r"^(?!.*31415)"):
        decode(data, GIVEN)


@pytest.mark.parametrize("ending", [b"", b"\xff\xd9"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_decode_never_passes_a_truncated_image_with_other_pixels(kind, ending):
    data = encoded(photo(48, 48) // 16 * 16, kind)
    whole = decode(data, ImageSpec(48, 48))
    for cut in range(0, len(data) - 60, 7):
        try:
            pixels = decode(data[:cut] + ending, ImageSpec(48, 48))
        except ImageError:
            continue
        np.testing.assert_array_equal(pixels, whole)


def test_decode_accepts_a_gray_corner():
    gray = photo()
    gray[-20:, -20:] = 128
    for image in (gray, np.full((40, 40, 3), 128, np.uint8), np.full((40, 40), 128, np.uint8)):
        assert (decoded(image, "JPEG")[-1, -1] == 128).all()


def test_decode_refuses_pillows_setting_that_accepts_truncated_images(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(InputError, match="set it to False"):
        decode(encoded(photo(), "JPEG"), GIVEN)


def test_decode_refuses_missing_files_and_folders(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        decode(tmp_path / "gone.jpg", GIVEN)
    with pytest.raises(ImageError, match="is a directory"):
        decode(tmp_path, GIVEN)


def test_decode_refuses_a_file_above_the_limit_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MAX_BYTES", 1000)
    path = tmp_path / "big.png"
    path.write_bytes(encoded(photo(), "PNG"))
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(ImageError, match="bytes is above the cap of 1000"):
        decode(path, GIVEN)
    with pytest.raises(ImageError, match="bytes is above the cap of 1000"):
        decode(encoded(photo(), "PNG"), GIVEN)


def test_decode_takes_arrays_of_every_shape_and_type():
    gray = photo()[:, :, 0]
    rgb = np.stack([gray] * 3, axis=2)
    opaque = np.concatenate([rgb, np.full((83, 61, 1), 255, np.uint8)], axis=2)
    for array in (
        gray,
        gray[:, :, None],
        opaque,
        np.minimum(rgb + 0.4, 255.0),
        np.maximum(rgb - np.float32(0.4), 0),
    ):
        np.testing.assert_array_equal(decode(array, GIVEN), rgb)
    np.testing.assert_array_equal(decode(np.zeros((83, 61)), GIVEN), np.zeros((83, 61, 3)))
    np.testing.assert_array_equal(decode(Image.fromarray(gray.astype(np.float32)), GIVEN), rgb)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (photo() / 127.5 - 1, "values in -1..1: pass pixels in 0..255, or fractions in 0..1"),
        (photo() + 1.0, "pass pixels in 0..255"),
        (np.full((4, 4, 3), np.nan), "pass pixels in 0..255"),
        (np.eye(4), "float64 array of 0 and 1 alone: pass pixels in 0..255 as uint8"),
        (photo() > 100, "array of bool"),
        (photo().astype(np.int64) - 1, "pass pixels in 0..255"),
        (photo().astype(np.uint16) * 257, "uint16 array with values in"),
        (photo().astype(np.complex64), "array of complex64"),
        (np.zeros((2, 4, 4, 3), np.uint8), "array [2, 4, 4, 3]"),
        (np.zeros((4, 4, 2), np.uint8), "array [4, 4, 2]"),
        (np.zeros(9, np.uint8), "array [9]"),
        (np.zeros((0, 5, 3), np.uint8), "empty image (5x0 pixels)"),
        (np.broadcast_to(np.uint8(0), (8001, 8000)), "8000x8001 pixels is above the cap"),
        ([[1, 2], [3, 4]], "not list"),
    ],
)
def test_decode_refuses_arrays_that_are_not_pixels_in_0_to_255(array, reason):
    with pytest.raises(ImageError) as refused:
        decode(array, GIVEN)
    assert reason in str(refused.value)


def test_decode_batch_gives_each_image_in_order(tmp_path):
    images = [photo(seed=seed) for seed in range(40)]
    images[7] = encoded(images[7], "PNG")
    images[9] = tmp_path / "nine.png"
    images[9].write_bytes(encoded(photo(seed=9), "PNG"))
    batch = decode_batch(images, GIVEN)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, [photo(seed=seed) for seed in range(40)])
    np.testing.assert_array_equal(decode_batch(images[:2], GIVEN), batch[:2])
    assert decode_batch([], GIVEN).shape == (0, 83, 61, 3)


@pytest.mark.parametrize("count", [2, 40])
def test_decode_batch_names_a_broken_image(tmp_path, count):
    (tmp_path / "1.jpg").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"1\.jpg: not an image"):
        decode_batch([photo()] * (count - 1) + [tmp_path / "1.jpg"], GIVEN)


def test_decode_batch_works_in_a_forked_process():
    code = """
import os, numpy as np
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.decode import decode_batch
images = [np.zeros((8, 8), np.uint8)] * 50
decode_batch(images, ImageSpec(4, 4))
child = os.fork()
if child == 0:
    os._exit(decode_batch(images, ImageSpec(4, 4)).max())
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert in_a_new_process(code).returncode == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((0, 60), "image height must be a positive whole number, not 0"),
        ((80, 60.0), "image width must be a positive whole number, not 60.0"),
        ((True, 60), "image height"),
        ((80, 60, "padd"), "did you mean 'pad'"),
        ((80, 60, "pad", "linear"), "did you mean 'bilinear'"),
    ],
)
def test_image_spec_refuses_impossible_values(values, reason):
    with pytest.raises(InputError, match=reason):
        ImageSpec(*values)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("80x60", (80, 60)),
        ("224", (224, 224)),
        (224, (224, 224)),
        (np.int32(96), (96, 96)),
        ((80, 60), (80, 60)),
        ([80, np.int64(60)], (80, 60)),
    ],
)
def test_parse_image_size_takes_text_numbers_and_pairs(size, expected):
    assert parse_image_size(size) == expected


@pytest.mark.parametrize("size", ["", "80X60", "0x60", "80x60x3", "huge", 0, -1, True, 80.0, (80,), (80, 60, 3), None])
def test_parse_image_size_refuses_anything_else(size):
    with pytest.raises(InputError, match="image size is HEIGHTxWIDTH"):
        parse_image_size(size)


def test_image_spec_takes_numpy_sizes():
    assert ImageSpec(np.int64(80), np.uint8(60)) == ImageSpec(80, 60)
