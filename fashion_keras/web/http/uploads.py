"""Forms of requests: read in memory, counted while they arrive; images recognized by content alone."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fashion_keras.images.formats import UnknownFormatError, read_size
from fashion_keras.support.errors import InputError

_FIELD_BYTES, _FIELDS = 16 * 2**10, 16
_LONGEST_TEXT = 500  # characters
_LONGEST_LENGTH = 15  # digits


class RequestError(InputError):
    """A request that is refused with an HTTP status of its own; `retry_after` seconds it is worth sending again."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}


@dataclass(frozen=True)
class Form:
    """Fields of a form by name, and the bytes of its image, None without one."""

    fields: dict[str, str]
    image: bytes | None

    def text(self, name: str) -> str | None:
        """Return a field without spaces around it, None where it is missing or empty; InputError for a long one."""
        value = clean_text(self.fields.get(name, "")).strip()
        if len(value) > _LONGEST_TEXT:
            raise InputError(f"{name} has {len(value)} characters; at most {_LONGEST_TEXT} are allowed")
        return value or None

    def required_image(self) -> bytes:
        """Return the image; InputError where there is none."""
        if self.image is None:
            raise InputError("no image: send one as the form's field 'image'")
        return self.image


class _MemoryParser(MultiPartParser):
    """Parser that never moves a part to a file on disk: `read_form` limits the bytes of the whole."""

    spool_max_size = 2**40


def clean_text(text: str) -> str:
    """Return a client's text as valid Unicode; InputError for control characters."""
    text = text.encode("utf-8", "replace").decode()
    if any(ord(mark) < 32 and mark not in "\t\n\r" for mark in text):
        raise InputError("control characters are not allowed in a text")
    return text


async def read_form(request: Request, max_bytes: int) -> Form:
    """Read a multipart form of at most `max_bytes`; file names and types that a client gives are not looked at.

    Raises:
        RequestError: 413 for more bytes, by the header or as they arrive; 415 for another type of content.
        InputError: for a damaged form, two images, too many or too long fields.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise RequestError(415, "send a form of type multipart/form-data")
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise InputError("the form's charset must be utf-8")
    try:
        stream = _counted(request, max_bytes)
        parser = _MemoryParser(
            request.headers, stream, max_files=1, max_fields=_FIELDS, max_part_size=_FIELD_BYTES
        )  # fmt: skip
        items: list[tuple[str, Any]] = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise InputError(f"damaged form: {error.message}") from None
    except FormParserError as error:
        raise InputError(f"damaged form: {error}") from None
    files = {name: value for name, value in items if isinstance(value, UploadFile)}
    if set(files) - {"image"}:
        raise InputError("the form has a file in another field than 'image'")
    image = await files["image"].read() if files else None
    return Form({name: value for name, value in items if isinstance(value, str)}, image)


async def read_body(request: Request, max_bytes: int = _FIELD_BYTES) -> bytes:
    """Read a JSON body; RequestError 413 for more than `max_bytes`, 415 for another type of content."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "send a body of type application/json")
    return b"".join([chunk async for chunk in _counted(request, max_bytes)])


def check_image(data: bytes, max_pixels: int) -> None:
    """Check an image by its header: RequestError 415 if it is none, 413 if it is too large; ImageError if broken."""
    try:
        height, width = read_size(data)
    except UnknownFormatError as error:
        raise RequestError(415, str(error)) from None
    if height * width > max_pixels:
        raise RequestError(413, f"the image has {width}x{height} pixels; at most {max_pixels} are allowed")


async def _counted(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    error = RequestError(413, f"the request is larger than {max_bytes} bytes")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > _LONGEST_LENGTH or int(length) > max_bytes:
        raise error
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > max_bytes:
            raise error
        yield chunk
