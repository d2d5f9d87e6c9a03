"""Config of the command `serve`: its flags come from these fields."""

import ipaddress
import os
from dataclasses import dataclass

from fashion_keras.search.config import DEFAULT_INDEX
from fashion_keras.support.config_fields import LimitConfig, config_field
from fashion_keras.support.errors import InputError

TOKEN_VARIABLE = "FASHION_KERAS_TOKEN"


@dataclass(frozen=True, kw_only=True)
class ServeConfig(LimitConfig):
    """Settings of the command `serve`; InputError for a value not allowed, and an open address without a token."""

    data: str | None = config_field(
        None, "Catalog, or 'sample', of which an index is built, in the cache unless --index is given.",
        metavar="SOURCE",
    )  # fmt: skip
    index: str | None = config_field(
        None, f"Index to serve: a folder or postgresql://... Default: {DEFAULT_INDEX}.", metavar="DIR|URL"
    )
    tagger: str | None = config_field(None, "Tagger, for tags of an image.", metavar="DIR")
    run: str | None = config_field(None, "Run of a classifier, for predictions of an image.", metavar="RUN")
    corrections: str | None = config_field(
        "corrections.csv", "File that gets the decisions of a review; its labels replace those of --data.",
        metavar="FILE",
    )  # fmt: skip
    host: str = config_field("127.0.0.1", "Address to listen on; other than loopback needs a token.", metavar="H")
    port: int = config_field(8000, "Port; 0 for any free port.", metavar="N", at_least=0, at_most=65535)
    token: str | None = config_field(
        None, f"Secret that requests must carry. Default: ${TOKEN_VARIABLE}, if set.", metavar="T"
    )
    allowed_host: tuple[str, ...] = config_field(
        (), "Name under which browsers reach the server, such as that of a reverse proxy; may be repeated.",
        metavar="NAME",
    )  # fmt: skip
    max_bytes: int = config_field(10 * 2**20, "Largest request, in bytes.", metavar="N", at_least=1024, at_most=2**26)
    max_pixels: int = config_field(32_000_000, "Largest image, in pixels.", metavar="N", at_least=1, at_most=64_000_000)
    max_seconds: float = config_field(10.0, "Longest time for a request.", metavar="S", above=0, at_most=600)
    queue: int = config_field(
        32, "Requests under way at most, fewer where they take long; others get status 429.", metavar="N", at_least=1,
        at_most=1024,
    )  # fmt: skip
    batch: int = config_field(16, "Images embedded in one forward pass, at most.", metavar="N", at_least=1, at_most=256)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token is None:
            object.__setattr__(self, "token", os.environ.get(TOKEN_VARIABLE) or None)
        if self.token is not None and (not self.token.isascii() or not self.token.isprintable() or not self.token):
            raise InputError("--token is of printable ASCII characters, at least one")
        if not self.token and not is_loopback(self.host):
            raise InputError(
                f"--host {self.host} can be reached from other machines: give a --token, or set ${TOKEN_VARIABLE}"
            )

    @property
    def location(self) -> str | None:
        """The index to open: the one given, or the default where there is no `data`."""
        return self.index or (None if self.data else DEFAULT_INDEX)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
