"""JPEG reader: libjpeg-turbo for whole images, at the scale that is needed; Pillow judges all others."""

from io import BytesIO

import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from fashion_keras.images.raster import BROKEN, ImageError, Raster, bands, check_size, orientation, turn
from fashion_keras.images.spec import ImageSpec

_MOST_SCANS = 100  # progressive JPEGs have about ten
_COLORS = ("RGB", "YCbCr", "Gray")
# Metadata that may hold an orientation; reading the header for it takes as long as decoding a thumbnail.
_METADATA = (b"Exif\0\0", b"tiff:Orientation")

# Bytes that no decoder takes for nothing: of mixed bits, and without 0xff, with which markers begin.
_FILLERS = (bytes(range(64)), b"\xaa\x55" * 32, bytes(range(254, 190, -1)))


def read_jpeg(data: bytes, spec: ImageSpec | None) -> Raster | None:
    """Decode a JPEG, at the part of its size that is enough for `spec`; None for all of it.

    Returns None for what Pillow has to judge: CMYK, and data of which libjpeg-turbo warns, so that a JPEG that was read
    here is whole. At full size the pixels are those of Pillow, bit for bit.
    """
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in _COLORS:
            return None
        check_size(height, width)
        turned = orientation(JpegImageFile(BytesIO(data))) if any(name in data for name in _METADATA) else 1
        reduction = _reduction(height, width, turned, spec)
        smallest = {"min_height": -(-height // reduction), "min_width": -(-width // reduction)} if reduction > 1 else {}
        pixels = turn(simplejpeg.decode_jpeg(data, **smallest), turned)
    except BROKEN:
        return None
    return Raster(pixels, *((width, height) if turned >= 5 else (height, width)), reduction)


def _reduction(height: int, width: int, turned: int, spec: ImageSpec | None) -> int:
    if spec is None:
        return 1
    if turned == 1:
        return spec.reduction(height, width)
    part = spec.reduction(width, height) if turned >= 5 else spec.reduction(height, width)
    # A part of a pixel at the right or lower edge must not become one at the left or upper edge.
    while height % part or width % part:
        part //= 2
    return part


def has_hole(image: Image.Image, data: bytes) -> bool:
    """Return whether a JPEG's data stop before its last block: libjpeg fills up the rest and only warns.

    Filler before the end marker changes no whole image but shows in a hole, whatever color that has.
    """
    end = data.rfind(b"\xff\xd9")
    boxes = [(0, top, image.width, bottom) for top, bottom in bands(image.height, image.width)]
    for filler in _FILLERS:
        filled = JpegImageFile(BytesIO(data[:end] + filler + data[end:]))
        if any(image.crop(box).tobytes() != filled.crop(box).tobytes() for box in boxes):
            return True
    return False


def check_scans(data: bytes) -> None:
    """Raise ImageError for a JPEG of very many scans: each takes a hundred bytes, and time for every pixel."""
    # Nowhere else but in metadata: within coded data, 0 follows 255.
    scans = data.count(b"\xff\xda")
    if scans > _MOST_SCANS:
        raise ImageError(f"a JPEG of {scans} scans; at most {_MOST_SCANS} are decoded")
