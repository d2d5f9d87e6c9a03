"""PostgreSQL connection that stays open: a transaction per call; it reconnects when the server has closed it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql

from fashion_keras.search.pg_address import parse_address
from fashion_keras.support.errors import InputError

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


class PostgresConnection:
    """A connection for several threads, one call at a time; a forked process opens its own.

    Attributes:
        name: the URL as it may be shown, without its password.
        schema: where the index is: what ?index= names, by default fashion_keras.
    """

    def __init__(self, url: str) -> None:
        self._connection: psycopg.Connection | None = None
        self._process = os.getpid()
        self._address = parse_address(url)
        self.schema, self.name = self._address.schema, self._address.name
        self._lock = Lock()

    @contextmanager
    def transaction(self, first: sql.Composable) -> Iterator[tuple[psycopg.Connection, tuple[Any, ...] | None]]:
        """Yield the connection and the row of `first`; commit at the end, roll back when anything is raised.

        Raises:
            InputError: for a server that does not respond, lacks pgvector, or goes away meanwhile; for an index that is
                not there; for what this user may not do.
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
        reason = None
        try:
            connection = psycopg.connect(self._address.conninfo, connect_timeout=10)
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[-1]
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
