"""PostgreSQL index (PostgreSQL 13 or later, with pgvector): transactions for writes, SQL for nearest neighbors.

Embeddings are stored as halfvec. The search is exact where the index holds at most HNSW_MIN_ROWS products, or at most
MAX_EXACT of them pass a filter; else by HNSW, which continues until k products pass the filter (pgvector's iterative
scans).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from fashion_keras.search import pg_schema
from fashion_keras.search.base import Index, IndexSpec, Neighbors, Records
from fashion_keras.search.filters import Filters, Where, check_filters, normalize_filters
from fashion_keras.search.pg_connection import EF_SEARCH, PostgresConnection
from fashion_keras.support.errors import InputError

MAX_EXACT = 50_000
_MAX_EF_SEARCH = 1000


class PostgresIndex(Index):
    """Index in one schema of a database; see `Index`. Threads may share it; they take turns on one connection."""

    def __init__(self, url: str) -> None:
        """Open postgresql://...[?index=NAME], bringing an older version up to date; InputError when that cannot be."""
        self._session = PostgresConnection(url)
        self.name = self._session.name
        self._tables = pg_schema.open_schema(self._session)
        self.spec, self.id = self._tables.spec, self._tables.id

    @classmethod
    def create(
        cls, url: str, spec: IndexSpec, records: Records | None = None, overwrite: bool = False
    ) -> "PostgresIndex":
        """Make an index, of `records` or empty, in one transaction; InputError when one is there, and as above."""
        if records is not None:
            records.check(spec)
        session = PostgresConnection(url)
        with session.transaction() as (connection, _):
            tables = pg_schema.create_schema(connection, session, spec, overwrite)
            if records is not None:
                pg_schema.copy_products(connection, tables, records)
        session.close()
        return cls(url)

    @staticmethod
    def check_free(url: str, overwrite: bool = False) -> None:
        """Raise InputError unless an index can be made in a schema; see `create`."""
        session = PostgresConnection(url)
        with session.transaction() as (connection, _):
            pg_schema.make_room(connection, session, overwrite)
            connection.rollback()
        session.close()

    def __len__(self) -> int:
        with self._transaction() as (_, size):
            return size

    def __repr__(self) -> str:
        return f"PostgresIndex({self.name!r}, encoder {self.spec.encoder!r}, {len(self.spec.columns)} columns)"

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._session.close()

    def _change(self, removed: NDArray[np.int64] | None, added: Records | None) -> None:
        with self._transaction("FOR UPDATE") as (connection, _):
            if removed is not None:
                pg_schema.remove_products(connection, self._tables, removed)
            if added is not None:
                pg_schema.copy_products(connection, self._tables, added)

    def compact(self) -> None:
        """Free the space of replaced and removed products, and refresh the planner's statistics."""
        with self._transaction("FOR UPDATE") as (connection, _):
            connection.execute(self._tables.statement("DELETE FROM {counts} WHERE products = 0 AND name <> ''"))
        self._session.vacuum(self._tables.qualified("products"))

    def stats(self) -> dict[str, Any]:
        """Return products, bytes with all that the server stores beside them, whether HNSW is built, the spec."""
        query = "SELECT pg_total_relation_size(%s::regclass), to_regclass(%s) IS NOT NULL"
        with self._transaction() as (connection, products):
            names = [self._tables.qualified(name).as_string(connection) for name in ("products", "hnsw")]
            size, hnsw = connection.execute(query, names).fetchone()
        return {"products": products, "bytes": size, "hnsw": hnsw, **asdict(self.spec)}

    def refresh(self) -> bool:
        """See `Index`; there is nothing to load, as every call reads what is there."""
        with self._session.transaction(self._tables.statement("SELECT id FROM {about}")) as (_, row):
            return row == (self.id,)

    def ids(self) -> NDArray[np.int64]:
        """See `Index`."""
        with self._transaction() as (connection, _):
            rows = connection.execute(self._tables.statement("SELECT id FROM {products} ORDER BY id")).fetchall()
        return np.array([row[0] for row in rows], np.int64)

    def lookup(self, ids: NDArray[np.int64]) -> Records:
        """See `Index`."""
        numbers = np.asarray(ids, np.int64).tolist()
        query = self._tables.statement("SELECT id, path, embedding{columns} FROM {products} WHERE id = ANY(%s)")
        with self._transaction() as (connection, _):
            row_of = {row[0]: row for row in connection.execute(query, [numbers])}
        for number in numbers:
            if number not in row_of:
                raise InputError(f"id {number} is not in the index")
        rows = [row_of[number] for number in numbers]
        embeddings = np.array([row[2].to_numpy() for row in rows], np.float32).reshape(len(rows), self.spec.width)
        columns = {name: np.array([row[3 + at] for row in rows], np.str_) for at, name in enumerate(self.spec.columns)}
        return Records(np.array(numbers, np.int64), embeddings, np.array([row[1] for row in rows], np.str_), columns)

    def _nearest(self, queries: NDArray[np.float32], k: int, where: Where | None) -> list[Neighbors]:
        """See `Index`; exact where at most `MAX_EXACT` products match a filter."""
        with self._transaction() as (connection, size):
            counts = self._counts(connection, where)
            filters = check_filters(where, counts)
            exact = self._few_match(connection, filters, counts) if filters else size <= pg_schema.HNSW_MIN_ROWS
            return [self._query(connection, query, min(k, size), filters, exact) for query in queries]

    def _counts(self, connection: psycopg.Connection, where: Where | None) -> dict[str, dict[str, int]]:
        """Return how many products have each value of a filter, or, where one is unknown, each value of its column."""
        counts: dict[str, dict[str, int]] = {name: {} for name in self.spec.columns}
        pairs = [(name, value) for name, values in normalize_filters(where).items() for value in values]
        if not pairs:
            return counts
        names, values = map(list, zip(*pairs, strict=True))
        query = "SELECT name, value, products FROM {counts} WHERE products > 0 AND name = ANY(%s)"
        query = self._tables.statement(query)
        only = sql.SQL(" AND (name, value) IN (SELECT unnest(%s::text[]), unnest(%s::text[]))")
        rows = connection.execute(query + only, [names, names, values]).fetchall()
        if len(rows) < len(set(pairs)):
            rows = connection.execute(query, [names]).fetchall()
        for name, value, products in rows:
            if name in counts:
                counts[name][value] = products
        return counts

    def _few_match(
        self, connection: psycopg.Connection, filters: Filters, counts: Mapping[str, Mapping[str, int]]
    ) -> bool:
        """Return whether at most `MAX_EXACT` products match; they are counted only where no single column shows it."""
        if min(sum(counts[name][value] for value in values) for name, values in filters.items()) <= MAX_EXACT:
            return True
        # Without an alias a subquery needs PostgreSQL 16.
        query = "SELECT count(*) FROM (SELECT FROM {products} WHERE {matching} LIMIT %s) AS matching"
        query = self._tables.statement(query, matching=self._tables.matching(filters))
        values = [*map(list, filters.values()), MAX_EXACT + 1]
        return len(filters) > 1 and connection.execute(query, values).fetchone()[0] <= MAX_EXACT

    def _query(
        self, connection: psycopg.Connection, embedding: NDArray[np.float32], k: int, filters: Filters, exact: bool
    ) -> Neighbors:
        # HNSW knows the bare distance only, so that every product is compared by any other expression.
        distance = "(embedding <=> %b) + 0" if exact else "embedding <=> %b"
        query = "SELECT id, {distance} AS distance FROM {products} WHERE {matching} ORDER BY distance, id LIMIT %s"
        if not exact and 2 * k > EF_SEARCH:
            connection.execute(f"SET LOCAL hnsw.ef_search = {min(_MAX_EF_SEARCH, 2 * k)}")
        values = [HalfVector(embedding), *map(list, filters.values()), k]
        query = self._tables.statement(query, distance=sql.SQL(distance), matching=self._tables.matching(filters))
        rows = connection.execute(query, values).fetchall()
        if len(rows) < k and not exact:
            return self._query(connection, embedding, k, filters, exact=True)
        ids, distances = (np.array([row[at] for row in rows]) for at in (0, 1))
        return Neighbors(ids.astype(np.int64), 1 - distances.astype(np.float32))

    @contextmanager
    def _transaction(self, lock: str = "") -> Iterator[tuple[psycopg.Connection, int]]:
        """Yield a connection and the number of products; with "FOR UPDATE" while other writers wait."""
        query = self._tables.statement("SELECT version, id, (" + pg_schema.SIZE + ") FROM {about} " + lock)
        with self._session.transaction(query) as (connection, row):
            if row is None or row[1] != self.id:
                raise self._replaced()
            pg_schema.check_version(self._session, row[0])
            yield connection, row[2]
