"""PostgreSQL addresses: what libpq connects to, which schema, and a name without a password."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from fashion_keras.support.errors import InputError

DEFAULT_SCHEMA = "fashion_keras"
# Bytes of an identifier in PostgreSQL; it cuts off the others without an error.
_MAX_BYTES = 63
_FORM = "postgresql://USER@HOST/DATABASE?index=NAME, special characters percent-encoded (@ is %40, / is %2F, & is %26)"


@dataclass(frozen=True)
class PostgresAddress:
    """Where an index is.

    Attributes:
        conninfo: what libpq connects to, password included; never shown.
        schema: the index's schema, made of ?index=NAME.
        name: the URL without password and options, for messages.
    """

    conninfo: str = field(repr=False)
    schema: str
    name: str


def parse_address(url: str) -> PostgresAddress:
    """Read postgresql://USER@HOST/DATABASE?index=NAME; InputError, without the URL, for an invalid one."""
    # As libpq does: what stands before the first @, up to which there is no /, are user and password.
    user = re.match(r"\w+://([^@/]*@)?", url)
    mark = url.find("?", user.end())
    start, query = (url, "") if mark < 0 else (url[:mark], url[mark + 1 :])
    options = [option for option in query.split("&") if option]
    indexes = [unquote(option.removeprefix("index=")) for option in options if option.startswith("index=")]
    others = "&".join(option for option in options if not option.startswith("index="))
    conninfo = f"{start}?{others}" if others else start
    index = indexes[-1] if indexes else DEFAULT_SCHEMA
    if not index or "\0" in index:
        raise InputError(f"?index= needs a name: {_FORM}")
    parts = _parts(conninfo)
    if parts is None:
        raise InputError(f"not a PostgreSQL address that can be read: write {_FORM}")
    return PostgresAddress(conninfo, short_identifier(index), _name(parts, index))


def short_identifier(name: str) -> str:
    """Return `name` as an identifier; a longer name, or a name with % (misread by psycopg), ends in a hash instead."""
    safe = name.replace("%", "_")
    if safe == name and len(name.encode()) <= _MAX_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{safe.encode()[: _MAX_BYTES - 17].decode(errors='ignore')}_{digest}"


def _parts(conninfo: str) -> Mapping[str, str] | None:
    """Return what libpq reads; None for what it cannot, or reads otherwise than it was meant."""
    try:
        parts = conninfo_to_dict(conninfo)
    except (psycopg.ProgrammingError, UnicodeError):
        return None
    misread = any("@" in str(parts.get(key, "")) for key in ("host", "dbname", "port"))
    return None if misread or not re.fullmatch(r"[\d,]*", str(parts.get("port", ""))) else parts


def _name(parts: Mapping[str, str], index: str) -> str:
    host = str(parts.get("host", ""))
    socket = host.startswith("/")
    user = f"{quote(str(parts['user']), safe='')}@" if "user" in parts else ""
    port = f":{parts['port']}" if "port" in parts and not socket else ""
    database = f"/{quote(str(parts['dbname']), safe='')}" if "dbname" in parts else ""
    query = f"host={host}&" if socket else ""
    return f"postgresql://{user}{'' if socket else host}{port}{database}?{query}index={quote(index, safe='')}"
