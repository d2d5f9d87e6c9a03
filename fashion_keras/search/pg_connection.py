"""PostgreSQL connection that stays open: a transaction per call; it reconnects when the server has closed it."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from fashion_keras.support.errors import InputError

DEFAULT_SCHEMA = "fashion_keras"
# Bytes of an identifier in PostgreSQL; it cuts off the others without an error.
_MAX_BYTES = 63
_FORM = "postgresql://USER@HOST/DATABASE?index=NAME, special characters percent-encoded (@ is %40, / is %2F, & is %26)"
_ANYTHING = sql.SQL("SELECT 1")
# The first that goes on searching until a filter has its k.
_MIN_PGVECTOR = (0, 8)
# How many candidates HNSW looks at for each query, at least.
EF_SEARCH = 200
# HNSW returns candidates in order of distance, and goes on until a filter has its k.
_SETTINGS = f"""
    SET hnsw.ef_search = {EF_SEARCH};
    SET hnsw.iterative_scan = strict_order;
    SET hnsw.max_scan_tuples = 2147483647;
"""


@dataclass(frozen=True)
class PostgresAddress:
    """What libpq connects to (password included; never shown), the index's schema, and the URL that may be shown."""

    conninfo: str = field(repr=False)
    schema: str
    name: str


class PostgresConnection:
    """A connection for several threads, one call at a time; a forked process opens its own."""

    def __init__(self, url: str) -> None:
        self._connection: psycopg.Connection | None = None
        self._process = os.getpid()
        self._address = parse_address(url)
        self.schema, self.name = self._address.schema, self._address.name
        self._lock = Lock()

    @contextmanager
    def transaction(
        self, first: sql.Composable = _ANYTHING
    ) -> Iterator[tuple[psycopg.Connection, tuple[Any, ...] | None]]:
        """Yield the connection and the row of `first`; commit at the end, roll back when anything is raised.

        An error of the server becomes an InputError.
        """
        with self._lock, self._explain_errors():
            try:
                row = self._begin(first)
                yield self._connection, row
                self._connection.commit()
            finally:
                if self._connection is not None and not self._connection.closed:
                    self._connection.rollback()

    def vacuum(self, table: sql.Composable) -> None:
        """Free a table's unused space and refresh the planner's statistics, which no transaction may do."""
        with self.transaction() as (connection, _):
            connection.commit()
            connection.autocommit = True
            try:
                connection.execute(sql.SQL("VACUUM ANALYZE {}").format(table))
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._connection is not None:
            self._connection.close()

    def __del__(self) -> None:
        if self._process == os.getpid():
            self.close()

    def _begin(self, first: sql.Composable) -> tuple[Any, ...] | None:
        """Send `first`; on a new connection when the server has closed the old one: nothing is lost at that point."""
        if self._process != os.getpid():
            # Of the parent process, which goes on using it.
            self._connection, self._process = None, os.getpid()
        if self._connection is not None and not self._connection.closed:
            try:
                return self._connection.execute(first).fetchone()
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
        self._connection = self._connect()
        return self._connection.execute(first).fetchone()

    def _connect(self) -> psycopg.Connection:
        try:
            connection, reason = psycopg.connect(self._address.conninfo, connect_timeout=10), None
        except psycopg.Error as error:
            # Lines with a tab are hints; the last of the others is of the last host that was tried.
            reason = [line for line in str(error).strip().splitlines() if not line.startswith("\t")][-1]
        if reason is not None:
            # Raised here, so that no exception is chained which could hold the address.
            raise InputError(f"{self.name}: no connection: {reason}")
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: psycopg.Connection) -> None:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            raise InputError(
                f"{self.name}: this server has no pgvector; install postgresql-NN-pgvector there"
            ) from None
        (version,) = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        if tuple(map(int, version.split(".")[:2])) < _MIN_PGVECTOR:
            raise InputError(f"{self.name}: pgvector is {version} there; install 0.8 and ALTER EXTENSION vector UPDATE")
        register_vector(connection)
        connection.execute(_SETTINGS)
        connection.commit()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn an error of the server into an InputError of one line: what is wrong and what to do."""
        try:
            yield
        except psycopg.errors.InsufficientPrivilege as error:
            message = f"{error.diag.message_primary}; ask the database's owner to do or to grant it"
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            message = f"no index here; `fashion-keras index --data DIR --out {self.name}` makes one"
        except psycopg.errors.ReservedName as error:
            message = f"{error.diag.message_primary}; give another ?index=NAME"
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, UnicodeEncodeError) as error:
            message = f"a value that PostgreSQL cannot store: {str(error).strip().splitlines()[0]}"
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            message = (
                f"the server ended the call ({reason}); a change that it was making is there as a whole or not at all"
            )
        else:
            return
        raise InputError(f"{self.name}: {message}") from None


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
    port = f":{parts['port']}" if "port" in parts else ""
    database = f"/{quote(str(parts['dbname']), safe='')}" if "dbname" in parts else ""
    query = f"host={host}&" if socket else ""
    return f"postgresql://{user}{'' if socket else host}{port}{database}?{query}index={quote(index, safe='')}"
