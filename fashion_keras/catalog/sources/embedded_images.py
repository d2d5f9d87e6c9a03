"""Images inside tables and archives: their bytes, unchanged, become files in the cache, named by their content."""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image

from fashion_keras.support.atomic_files import atomic_write, cache_dir

MAX_BYTES = 2**28  # of one member
_SIGNATURES = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp"), (b"GIF8", ".gif"), (b"BM", ".bmp"))


def store_image(data: bytes) -> str:
    """Write the bytes of an image file into the cache, unless they are there; return the path."""
    digest = hashlib.sha256(data).hexdigest()[:32]
    suffix = next((suffix for mark, suffix in _SIGNATURES if data.startswith(mark)), ".bin")
    path = cache_dir() / "unpacked" / digest[:2] / f"{digest}{suffix}"
    if not path.is_file():
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    return str(path)


def image_bytes(cell: Any) -> bytes | None:  # noqa: ANN401 - of any source
    """Return the encoded image in a cell: bytes, {"bytes": ...} of Hugging Face, or a PIL image; None for another."""
    if isinstance(cell, Mapping) and isinstance(cell.get("bytes"), bytes):
        return cell["bytes"]
    if isinstance(cell, Image.Image):
        buffer = BytesIO()
        cell.save(buffer, "PNG")
        return buffer.getvalue()
    return bytes(cell) if isinstance(cell, bytes | bytearray | memoryview) else None
