"""File systems at addresses, such as s3://BUCKET/KEY, by fsspec."""

import re
from typing import Any

from fashion_keras.support.errors import InputError, hide_passwords

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Return whether a text is the address of a file system.

    >>> is_address("s3://shop/1.jpg"), is_address("images/1.jpg")
    (True, False)
    """
    return bool(_ADDRESS.match(text))


def open_file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it; InputError when one is missing or unknown.

    An address with a password is refused: it would stand in every table and file that names an image.
    """
    if hide_passwords(address) != address:
        raise InputError(
            f"{address}: no password in an address, which tables and reports repeat; give it to fsspec, in the "
            "environment or in ~/.config/fsspec"
        )
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise InputError(f"{address}: addresses are read by an extra: pip install 'fashion_keras[scale]'") from None
    try:
        return url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise InputError(f"{address}: {' '.join(str(error).split())}") from None
