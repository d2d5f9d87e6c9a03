"""Image formats: read by content, the first frame of several, and never with other pixels than the whole file's."""

import io
import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image, features

from fashion_keras.images.decode import decode
from fashion_keras.images.raster import ImageError
from fashion_keras.images.validation import check_images

pillow_heif.register_heif_opener()

# Blocks of 16 pixels, so that every format stores them about alike.
PIXELS = np.random.default_rng(0).integers(0, 4, (4, 3, 3), np.uint8).repeat(16, 0).repeat(16, 1) * np.uint8(80)
LOSSLESS = {
    "BMP": {},
    "GIF": {},
    "TIFF": {},
    "TIFF, LZW": {"compression": "tiff_lzw"},
    "TIFF, deflate": {"compression": "tiff_adobe_deflate"},
}
LOSSY = {
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": 100, "chroma": 444},
    "TIFF, JPEG": {"compression": "jpeg", "quality": 100},
}


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind.split(",")[0], **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_decode_reads_a_format_by_its_content_whatever_its_name(tmp_path, kind):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(PIXELS), kind, **(LOSSLESS | LOSSY)[kind]))
    difference = np.abs(decode(path, None).astype(int) - PIXELS)
    assert difference.max() <= (0 if kind in LOSSLESS else 12)
    assert check_images([path]) == [""]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "AVIF", "HEIF"])
def test_decode_reads_the_first_frame_of_several(kind):
    later = [Image.new("RGB", (48, 64), color) for color in ("red", "lime")]
    data = encoded(Image.new("RGB", (48, 64), "blue"), kind, save_all=True, append_images=later)
    assert np.abs(decode(data, None).astype(int) - (0, 0, 255)).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "AVIF", "HEIF", "WEBP"])
def test_decode_puts_transparency_of_a_format_on_white(kind):
    image = Image.new("RGBA", (48, 64), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 24, 64))
    pixels = decode(encoded(image, kind), None).astype(int)
    assert np.abs(pixels[:, :16] - 255).max() <= 8
    assert np.abs(pixels[:, 32:] - (200, 0, 0)).max() <= 12


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_turns_a_format_upright(kind, orientation):
    image, exif = Image.fromarray(PIXELS), Image.Exif()
    exif[0x0112] = orientation
    turns = dict(enumerate(("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270",
                            "TRANSVERSE", "ROTATE_90"), start=2))  # fmt: skip
    upright = image.transpose(Image.Transpose[turns[orientation]]) if orientation > 1 else image
    pixels = decode(encoded(image, kind, exif=exif.tobytes(), **LOSSY.get(kind, {})), None)
    assert np.abs(pixels.astype(int) - np.array(upright)).mean() < 4


def test_decode_reads_deep_tiff():
    deep = Image.fromarray(np.uint16([[0, 200, 25700, 65535]]))
    np.testing.assert_array_equal(decode(encoded(deep, "TIFF"), None)[0, :, 0], [0, 1, 100, 255])
    cyan = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    np.testing.assert_array_equal(decode(encoded(cyan, "TIFF"), None)[0, 0], [0, 255, 255])


@pytest.mark.parametrize("kind", [*LOSSLESS, "AVIF", "HEIF"])
def test_decode_never_passes_a_truncated_file_of_a_format_with_other_pixels(kind):
    data = encoded(Image.fromarray(PIXELS), kind, **LOSSLESS.get(kind, {}))
    whole = decode(data, None)
    for cut in range(0, len(data) - 1, max(1, len(data) // 200)):
        try:
            pixels = decode(data[:cut], None)
        except ImageError as error:
            assert "\n" not in str(error)
            continue
        np.testing.assert_array_equal(pixels, whole)


def test_decode_refuses_a_tiff_that_begins_with_a_thumbnail():
    data = encoded(Image.fromarray(PIXELS), "TIFF", tiffinfo={254: 1})
    with pytest.raises(ImageError, match=r"begins with a thumbnail, as raw files of cameras do; convert it to JPEG"):
        decode(data, None)


@pytest.mark.parametrize("kind", ["JPEG2000", "PPM", "TGA", "PCX", "ICO", "EPS", "PDF", "ICNS", "SGI", "DDS", "IM"])
def test_decode_reaches_no_other_reader_of_pillow(kind):
    data = encoded(Image.new("RGB", (64, 64), "red"), kind)
    with pytest.raises(ImageError, match="not an image: expected JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP"):
        decode(data, None)


@pytest.mark.parametrize("text", [b"BMW is a car maker, and this is a text file", b"....ftypisom....mp42", b"%PDF-1.7"])
def test_decode_refuses_files_that_begin_almost_like_an_image(text):
    with pytest.raises(ImageError, match="not an image"):
        decode(text, None)


def test_heic_is_refused_with_the_extra_that_it_needs_until_that_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "photo.heic"
    path.write_bytes(encoded(Image.fromarray(PIXELS), "HEIF"))
    code = (
        "import sys; sys.modules['pillow_heif'] = None; from fashion_keras.images.validation import check_images\n"
        "print(*check_images(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.stdout == "HEIC is read by an extra: pip install 'fashion_keras[heic]', or convert it\n"
    assert check_images([path]) == [""]


def test_pillow_has_the_decoders_that_are_built_in():
    assert features.check("avif")
    assert features.check("webp")
