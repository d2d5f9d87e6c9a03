"""Encoded images through the decoder: mutated files of every format, and bombs: large images in few bytes."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fashion_keras.images.decode import decode, decode_views
from fashion_keras.images.formats import from_bytes, read_size
from fashion_keras.images.near_duplicates import THUMBNAIL
from fashion_keras.images.raster import ImageError
from fashion_keras.images.references import read_reference, reference_state
from fashion_keras.images.spec import ImageSpec
from tests.fuzz.target import Check, Target

SPEC = ImageSpec(20, 15)
_PNG = b"\x89PNG\r\n\x1a\n"


def drawn(size: tuple[int, int] = (24, 32), mode: str = "RGB") -> Image.Image:
    """A drawing in colors that JPEG does not make flat."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 3, size[0] - 3, size[1] - 6), "navy", "red")
    draw.line((0, 0, *size), "green", 2)
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image as the bytes of a file."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    """Small files of every format that is read, and of every kind of pixels in them."""
    rgb, exif = drawn(), Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [drawn(mode="RGB").rotate(90), drawn().rotate(180)]}
    deep = Image.fromarray(np.arange(24 * 32, dtype=np.uint16).reshape(32, 24) * 80)
    files = [
        encoded(rgb, "JPEG"),
        encoded(rgb, "JPEG", progressive=True),
        encoded(rgb, "JPEG", exif=exif),
        encoded(drawn(mode="L"), "JPEG"),
        encoded(drawn(mode="CMYK"), "JPEG"),
        encoded(drawn((90, 70)), "JPEG"),
        encoded(rgb, "JPEG", subsampling=0, restart_marker_blocks=1),
        *(encoded(drawn(mode=mode), "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        encoded(drawn(mode="P"), "PNG", transparency=3),
        encoded(deep, "PNG"),
        encoded(rgb, "PNG", **frames),
        encoded(rgb, "WEBP"),
        encoded(rgb, "WEBP", lossless=True),
        encoded(rgb, "WEBP", **frames),
        encoded(drawn(mode="P"), "GIF"),
        encoded(rgb, "GIF", **frames, duration=50, loop=0),
        *(encoded(drawn(mode=mode), "BMP") for mode in ("RGB", "P", "1", "RGBA")),
        *(
            encoded(rgb, "TIFF", compression=name)
            for name in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
        *(encoded(drawn(mode=mode), "TIFF") for mode in ("CMYK", "1", "LAB", "RGBA", "F", "I", "P")),
        encoded(deep, "TIFF"),
        encoded(rgb, "TIFF", **frames),
        encoded(rgb, "AVIF"),
    ]
    try:
        from pillow_heif import from_pillow
    except ImportError:
        return files
    buffer = BytesIO()
    from_pillow(rgb).save(buffer, format="HEIF")
    return [*files, buffer.getvalue()]


def repair_png(data: bytes) -> bytes:
    """Make the checksums of a PNG's chunks right, so that its reader gets behind them."""
    if not data.startswith(_PNG):
        return data
    parts, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        size = struct.unpack_from(">I", data, place)[0]
        body = data[place + 4 : place + 8 + size]
        if place + 12 + size > len(data):
            break
        parts.append(data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + size
    return b"".join(parts) + data[place:]


def _prepare(_: Path) -> Check:
    def check(data: bytes) -> None:
        whole = _try(lambda: decode(data, None))
        fitted = _try(lambda: decode_views(data, [SPEC, THUMBNAIL]))
        if fitted is not None:
            assert [view.shape for view in fitted] == [(20, 15, 3), (THUMBNAIL.height, THUMBNAIL.width, 3)]
        # Whether an image is whole does not depend on the size that is asked for, nor does the header lie.
        if whole is not None:
            height, width = read_size(data)
            assert whole.shape in ((height, width, 3), (width, height, 3)), (whole.shape, height, width)
            assert from_bytes(data).height == whole.shape[0]

    return check


def _try(call):
    """Return the result of a call, None where it refuses the image."""
    try:
        return call()
    except ImageError as error:
        assert len(str(error).splitlines()) == 1, error
        return None


def bomb(width: int, height: int, color: int, depth: int, interlace: int = 0, extra: bytes = b"") -> bytes:
    """A PNG of zeros: `width` x `height` pixels that take a thousandth of their size."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    body = _packed_zeros(height * (1 + (width * channels * depth + 7) // 8))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    chunks = ((b"IHDR", header), *([(b"PLTE", bytes(768))] if color == 3 else []), (b"IDAT", body), (b"IEND", b""))
    return _PNG + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _packed_zeros(count: int) -> bytes:
    """`count` zeros as zlib packs them, made of one packed block that is repeated."""
    size = min(count, 2**20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = packer.compress(bytes(count % size)) + packer.flush()
    return b"\x78\xda" + block * (count // size) + rest + struct.pack(">I", (count % 65521) << 16 | 1)


# Of 64 million pixels, which take their time: see docs/trust.md.
def _bombs() -> list[bytes]:
    """Images at the limit of pixels, of every kind, and beyond it."""
    flat = Image.new("L", (8000, 8000), 99)
    return [
        bomb(8000, 7999, 2, 8),
        bomb(8000, 7999, 6, 8),
        bomb(8000, 7999, 0, 16),
        bomb(8000, 7999, 3, 8),
        bomb(8000, 7999, 4, 16),
        bomb(8000, 7999, 0, 1),
        bomb(8001, 8001, 0, 8),
        bomb(64000, 999, 2, 8),
        bomb(1, 65000, 6, 16),
        bomb(8000, 7999, 2, 8, interlace=1),
        encoded(flat, "GIF"),
        encoded(Image.new("F", (8000, 7999), 9.5), "TIFF", compression="packbits"),
        encoded(Image.new("I", (8000, 7999), 9), "TIFF", compression="packbits"),
        encoded(Image.new("LAB", (8000, 7999), "white"), "TIFF", compression="packbits"),
        encoded(Image.new("CMYK", (8000, 7999)), "TIFF", compression="packbits"),
        encoded(flat, "JPEG", quality=5),
        encoded(flat, "JPEG", quality=5, progressive=True),
        encoded(Image.new("CMYK", (8000, 7999)), "JPEG", quality=5),
    ]


def _prepare_bombs(_: Path) -> Check:
    def check(data: bytes) -> None:
        decode(data, SPEC)

    return check


def _prepare_reference(folder: Path) -> Check:
    (folder / "a.jpg").write_bytes(encoded(drawn(), "JPEG"))
    (folder / "b.tar").write_bytes(bytes(1000))

    def check(data: bytes) -> None:
        text = data.decode("utf-8", "replace").replace("FOLDER", str(folder))
        if "://" in text or "::" in text:  # of another machine, or another program's
            return
        try:
            read_reference(text)
        finally:
            reference_state(text)

    return check


def _reference_seeds() -> list[bytes]:
    return [b"FOLDER/a.jpg", b"FOLDER/b.tar#10+20", b"FOLDER/b.tar#0+1000", b"FOLDER/b.TAR#512+1", b"a.jpg", b"FOLDER"]


TARGETS = (
    Target(
        "images",
        seeds,
        _prepare,
        (
            b"\xff\xd8",
            b"\xff\xc4",
            b"\xff\xda",
            b"IDAT",
            b"PLTE",
            b"tRNS",
            b"acTL",
            b"fcTL",
            b"eXIf",
            b"iCCP",
            b"VP8X",
            b"ANMF",
            b"ALPH",
            b"\x21\xf9\x04",
            b"\x2c",
            b"ftypavif",
            b"meta",
            b"iloc",
        ),
        repair_png,
        seconds=6.0,  # of three decodings; 64 million pixels take up to 2 s each
        weight=10,
    ),
    Target("image bombs", _bombs, _prepare_bombs, repair=repair_png, seconds=10.0, weight=0.01, in_child=True),
    Target(
        "image references",
        _reference_seeds,
        _prepare_reference,
        (
            b"#",
            b"+",
            b".tar",
            b"..",
            b"/",
            b"\0",
            b"FOLDER",
            b"99999999999999999999",
            b"-1",
            b"\n",
            b"~",
            b"%00",
            "²".encode(),
        ),
        weight=30,
    ),
)
