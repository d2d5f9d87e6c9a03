"""JPEG reader: Pillow's pixels at full size, and close to them where a large photo is decoded at a part of its size."""

import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageDraw, ImageOps

from fashion_keras.images.corruptions import resize_area
from fashion_keras.images.decode import decode
from fashion_keras.images.formats import from_bytes
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import inspect_images

PAD, CROP, STRETCH = (ImageSpec(56, 56, fit) for fit in ("pad", "crop", "stretch"))


def photo(height, width):
    """Soft colors with noise in the upper half, [h, w, 3] uint8."""
    y, x = np.mgrid[:height, :width]
    soft = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 20, (height, width, 3))
    return np.clip(soft + noise * (y < height / 2)[..., None], 0, 255).astype(np.uint8)


def text(height, width):
    """Small red letters on white beside a blue disc, [h, w, 3] uint8: the hardest edges."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for row in range(0, height, 12):
        draw.text((2, row), "FASHION 12345 " * 9, fill=(200, 0, 30), font_size=9)
    draw.ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=(0, 0, 255))
    return np.array(image)


def jpeg(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


def by_pillow(data):
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def resized_by_pillow(image, spec):
    size = (spec.width, spec.height)
    if spec.fit == "pad":
        inner, canvas = ImageOps.contain(image, size, Image.Resampling.BILINEAR), Image.new("RGB", size, "white")
        canvas.paste(inner, ((spec.width - inner.width) // 2, (spec.height - inner.height) // 2))
        return canvas
    return (ImageOps.fit if spec.fit == "crop" else Image.Image.resize)(image, size, Image.Resampling.BILINEAR)


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 30}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"restart_marker_rows": 1},
     {"keep_rgb": True}, {"optimize": True}],
)  # fmt: skip
@pytest.mark.parametrize("size", [(83, 61), (1, 1), (7, 300), (16, 16)])
def test_full_size_equals_pillow_bit_for_bit(options, size):
    for pixels in (photo(*size), photo(*size)[:, :, 0]):
        data = jpeg(pixels, **options)
        np.testing.assert_array_equal(decode(data, None), np.array(by_pillow(data)))


@pytest.mark.parametrize("spec", [PAD, CROP, STRETCH])
@pytest.mark.parametrize("size", [(120, 90), (83, 61), (20, 30), (57, 56)])
def test_small_images_are_resized_as_by_pillow(spec, size):
    data = jpeg(photo(*size))
    np.testing.assert_array_equal(decode(data, spec), np.array(resized_by_pillow(by_pillow(data), spec)))


@pytest.mark.parametrize("size", [(500, 375), (499, 333), (375, 500), (1000, 120), (451, 451), (903, 897)])
@pytest.mark.parametrize("spec", [PAD, CROP, STRETCH, ImageSpec(28, 21, "stretch", "bicubic")])
@pytest.mark.parametrize(("draw", "mean", "largest"), [(photo, 0.6, 10), (text, 6, 32)])
def test_reduced_decoding_equals_full_decoding_within_the_tolerance(size, spec, draw, mean, largest):
    data = jpeg(draw(*size))
    difference = np.abs(decode(data, spec).astype(int) - decode(by_pillow(data), spec))
    assert difference.mean() <= mean
    assert difference.max() <= largest


@pytest.mark.parametrize("size", [(2000, 1500), (1999, 1333)])
def test_reduced_decoding_equals_resizing_by_area_within_the_tolerance(size):
    data = jpeg(photo(*size))
    pixels = decode(data, ImageSpec(224, 168, "stretch"))
    difference = np.abs(pixels - resize_area(np.array(by_pillow(data)), 224, 168))
    assert difference.mean() <= 0.7
    assert difference.max() <= 10


def test_large_images_are_decoded_at_the_part_that_is_needed():
    data = jpeg(photo(1000, 750))
    parts = {side: from_bytes(data, ImageSpec(side, side)) for side in (500, 250, 125, 62)}
    assert {side: part.pixels.shape for side, part in parts.items()} == {
        500: (1000, 750, 3), 250: (500, 375, 3), 125: (250, 188, 3), 62: (125, 94, 3),
    }  # fmt: skip
    assert {(part.height, part.width) for part in parts.values()} == {(1000, 750)}
    assert from_bytes(data, ImageSpec(62, 62, interpolation="nearest")).reduction == 1


@pytest.mark.parametrize("size", [(496, 320), (497, 323)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_decoding_turns_upright(size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(photo(*size), exif=exif)
    assert orientation == 1 or size == (497, 323) or from_bytes(data, ImageSpec(28, 28)).reduction == 8
    for spec in (ImageSpec(28, 28), ImageSpec(28, 21, "stretch"), ImageSpec(28, 28, "crop")):
        difference = np.abs(decode(data, spec).astype(int) - decode(by_pillow(data), spec))
        assert difference.mean() <= 0.6
        assert difference.max() <= 10


def test_orientation_in_xmp_metadata_is_applied():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = jpeg(photo(40, 60), xmp=xmp)
    np.testing.assert_array_equal(decode(data, None), np.rot90(np.array(Image.open(io.BytesIO(data))), -1))


def test_damage_is_found_at_every_scale(tmp_path):
    data = jpeg(photo(1000, 750))
    files = {"whole": data, "cut": data[:-9000], "hole": data[:-9000] + b"\xff\xd9", "stub": data[:700]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    verdicts = inspect_images([tmp_path / name for name in files])
    assert [verdict.reason for verdict in verdicts] == ["", *["truncated JPEG"] * 3]
    assert (verdicts[0].height, verdicts[0].width) == (1000, 750)


def test_data_that_libjpeg_turbo_warns_of_are_judged_by_pillow():
    data = jpeg(photo(500, 375))
    stray = data[:-2] + bytes(20) + data[-2:]  # bytes before the end marker: every pixel is there
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(stray)
    np.testing.assert_array_equal(decode(stray, PAD), decode(by_pillow(data), PAD))


def test_large_cmyk_photos_are_converted():
    buffer = io.BytesIO()
    Image.new("CMYK", (400, 300), (255, 0, 0, 0)).save(buffer, "JPEG", quality=95)
    assert np.abs(decode(buffer.getvalue(), STRETCH).astype(int) - (0, 255, 255)).max() <= 3
