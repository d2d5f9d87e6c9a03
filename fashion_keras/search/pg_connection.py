"""One connection to PostgreSQL that stays open: a transaction per call, and a new one when the server closed it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql

from fashion_keras.support.errors import InputError

# The first that looks on until a filter has its k.
_PGVECTOR = (0, 8)
# How many candidates a graph looks at for each query, at least.
EF_SEARCH = 200
# A graph answers in order of distance, and looks on until a filter has its k.
_SETTINGS = f"""
    SET hnsw.ef_search = {EF_SEARCH};
    SET hnsw.iterative_scan = strict_order;
    SET hnsw.max_scan_tuples = 2147483647;
"""


class PostgresConnection:
    """A connection for several threads, one call at a time.

    Attributes:
        name: the URL as it may be shown, without its password.
        schema: where the index is: what ?index= says, by default fashion_keras.
    """

    def __init__(self, url: str) -> None:
        self._connection: psycopg.Connection | None = None
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        self.schema = options.pop("index", "fashion_keras")
        self.name = url.replace(f":{parts.password}@", ":***@") if parts.password else url
        self._address = urlunsplit(parts._replace(query=urlencode(options)))
        self._lock = Lock()

    @contextmanager
    def transaction(self, first: sql.Composable) -> Iterator[tuple[psycopg.Connection, tuple[Any, ...] | None]]:
        """Yield the connection and the row of `first`; commit at the end, roll back when anything is raised.

        Raises:
            InputError: for a server that does not answer, lacks pgvector, or goes away meanwhile; for an index that is
                not there; for what this user may not do.
        """
        with self._lock, self._explained():
            try:
                row = self._begin(first)
                yield self._connection, row
                self._connection.commit()
            finally:
                if self._connection is not None and not self._connection.closed:
                    self._connection.rollback()

    def vacuum(self, table: sql.Composable) -> None:
        """Give back a table's room and refresh what the planner knows, which no transaction may do."""
        with self.transaction(sql.SQL("SELECT 1")) as (connection, _):
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
        self.close()

    def _begin(self, first: sql.Composable) -> tuple[Any, ...] | None:
        """Send `first`; on a new connection when the server has closed the old one, which nothing was lost with."""
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
            connection = psycopg.connect(self._address, connect_timeout=10)
        except psycopg.OperationalError as error:
            raise InputError(f"{self.name}: no server answers: {str(error).strip().splitlines()[-1]}") from None
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
        if tuple(map(int, version.split(".")[:2])) < _PGVECTOR:
            raise InputError(f"{self.name}: pgvector is {version} there; install 0.8 and ALTER EXTENSION vector UPDATE")
        register_vector(connection)
        connection.execute(_SETTINGS)
        connection.commit()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a user can do about what a server said."""
        try:
            yield
        except psycopg.errors.InsufficientPrivilege as error:
            message = f"{error.diag.message_primary}; ask the database's owner to do or to grant it"
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            message = f"no index here; `fashion-keras index --data DIR --out {self.name}` makes one"
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            message = (
                f"the server ended the call ({reason}); a change that it was making is there as a whole or not at all"
            )
        else:
            return
        raise InputError(f"{self.name}: {message}")
