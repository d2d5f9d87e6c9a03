"""Image references: where the bytes of an image lie, as a path, an address, or a place in a tar file.

`FILE.tar#OFFSET+SIZE` is a member of an uncompressed tar file. Addresses such as s3://BUCKET/KEY are read by fsspec.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fashion_keras.images.formats import MAX_BYTES, read_file
from fashion_keras.images.raster import ImageError
from fashion_keras.support.errors import InputError, reraise_shortage
from fashion_keras.support.file_systems import is_address, open_file_system

_MEMBER = re.compile(r"(?P<archive>.+\.tar)#(?P<offset>[0-9]{1,18})\+(?P<size>[0-9]{1,18})", re.IGNORECASE | re.DOTALL)
_GONE = (404, 410)  # status of HTTP
_TRIES, _PAUSE = 4, 0.5  # the pause in seconds doubles each time

Result = TypeVar("Result")


def read_reference(reference: str) -> bytes:
    """Return the bytes of an encoded image.

    Raises:
        ImageError: when there is none, or it is above `MAX_BYTES`.
        InputError: when a file system does not reply; nothing is known about the image then.
    """
    member = _MEMBER.fullmatch(reference)
    if not member:
        return _read_address(reference, None, None) if is_address(reference) else read_file(reference)
    archive, start, size = member["archive"], int(member["offset"]), int(member["size"])
    if size > MAX_BYTES:
        raise ImageError(f"{size} bytes; at most {MAX_BYTES} are read")
    if is_address(archive):
        data = _read_address(archive, start, start + size)
    else:
        data = _read_part(Path(archive), start, size)
    if len(data) > size:
        raise InputError(f"{archive}: its server does not send parts of files; copy the archive here")
    if len(data) != size:
        raise ImageError("truncated archive")
    return data


def reference_state(reference: str) -> str:
    """Return a text that changes when the image does: size and time of the file or archive; "" where it is missing.

    InputError when a file system does not reply.
    """
    member = _MEMBER.fullmatch(reference)
    place = member["archive"] if member else reference
    if not is_address(place):
        try:
            status = Path(place).stat()
        except (OSError, ValueError):
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"
    try:
        facts = _request(place, lambda system, path: system.info(path))
    except ImageError:
        return ""
    return " ".join(str(facts[key]) for key in ("size", "ETag", "LastModified", "mtime", "created") if facts.get(key))


def _read_part(path: Path, start: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(size)
    except (ValueError, OverflowError) as error:  # a NUL character; a place beyond all files
        raise ImageError(f"not a place in a file ({error})") from None
    except OSError as error:
        reraise_shortage(error)
        raise ImageError((error.strerror or str(error)).lower()) from None


def _read_address(address: str, start: int | None, end: int | None) -> bytes:
    data = _request(address, lambda system, path: system.cat_file(path, start=start, end=end))
    if end is None and len(data) > MAX_BYTES:
        raise ImageError(f"{len(data)} bytes; at most {MAX_BYTES} are read")
    return data


def _request(address: str, request: Callable[[Any, str], Result]) -> Result:
    """Return the reply of a file system; a failure that may pass is tried again, `_TRIES` times in all."""
    system, path = open_file_system(address)
    for attempt in range(_TRIES):
        try:
            return request(system, path)
        except IsADirectoryError:
            raise ImageError("is a directory") from None
        except Exception as error:  # noqa: BLE001 - each file system has its own
            if isinstance(error, FileNotFoundError) and _is_missing(error):
                raise ImageError("no such file") from None
            if attempt + 1 == _TRIES:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise InputError(f"{address}: cannot be read ({reason}); run again to go on") from None
            time.sleep(_PAUSE * 2**attempt)
    raise AssertionError


def _is_missing(error: FileNotFoundError) -> bool:
    """Return whether the file is not there: fsspec raises this, with another cause, for a server that fails, too."""
    cause = error.__cause__
    return isinstance(cause, LookupError | FileNotFoundError | None) or getattr(cause, "status", 0) in _GONE
