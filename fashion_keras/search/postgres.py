"""PostgreSQL index (PostgreSQL 13 or later, with pgvector): transactions for writes, SQL for nearest neighbors.

Embeddings are stored as halfvec. The search is exact where the index holds at most HNSW_MIN_ROWS images, or at most
MAX_EXACT of them pass a filter; else by HNSW, which continues until k images pass the filter (pgvector's iterative
scans).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import psycopg
from numpy.typing import ArrayLike, NDArray
from pgvector import HalfVector
from psycopg import sql

from fashion_keras.catalog.column_types import text_array, typed
from fashion_keras.search import pg_schema
from fashion_keras.search.base import Index, IndexSpec, Neighbors, Records, as_ids
from fashion_keras.search.filters import Filters, Where, check_filters
from fashion_keras.search.pg_connection import EF_SEARCH, PostgresConnection
from fashion_keras.support.errors import InputError

MAX_EXACT = 50_000
_MAX_EF_SEARCH = 1000


class PostgresIndex(Index):
    """Index in one schema of a database; see `Index`. Threads may share it; they take turns on one connection."""

    def __init__(self, url: str) -> None:
        """Open postgresql://...[?index=NAME]; InputError when there is none, or another version of it."""
        self._session = PostgresConnection(url)
        self.name = self._session.name
        self._tables = pg_schema.open_schema(self._session)
        self.spec, self.id = self._tables.spec, self._tables.id

    @classmethod
    def _create(cls, place: str, spec: IndexSpec, blocks: Iterator[Records], overwrite: bool) -> "PostgresIndex":
        """See `Index`; one transaction, so that what was copied is not seen until all is there."""
        session = PostgresConnection(place)
        with session.transaction() as (connection, _):
            tables = pg_schema.create_schema(connection, session, spec, overwrite)
            for block in blocks:
                pg_schema.copy_images(connection, tables, block, taken="occurs more than once")
            pg_schema.build_indexes(connection, tables)
        session.close()
        return cls(place)

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

    def _change(self, removed: NDArray[np.str_] | None, added: Records | None) -> None:
        with self._transaction("FOR UPDATE") as (connection, _):
            if removed is not None:
                pg_schema.remove_images(connection, self._tables, removed)
            if added is not None:
                for block in added.blocks():
                    pg_schema.copy_images(connection, self._tables, block)
                pg_schema.build_hnsw(connection, self._tables)

    def compact(self) -> None:
        """Free the space of replaced and removed images, and refresh the planner's statistics."""
        with self._transaction("FOR UPDATE") as (connection, _):
            connection.execute(self._tables.statement("DELETE FROM {counts} WHERE images = 0 AND name <> ''"))
        self._session.vacuum(self._tables.qualified("images"))

    def stats(self) -> dict[str, Any]:
        """Return images, products, bytes with all that the server stores beside them, whether HNSW is built, spec."""
        query = "SELECT pg_total_relation_size(%s::regclass), to_regclass(%s) IS NOT NULL"
        with self._transaction() as (connection, images):
            names = [self._tables.qualified(name).as_string(connection) for name in ("images", "hnsw")]
            size, hnsw = connection.execute(query, names).fetchone()
            query = self._tables.statement("SELECT count(DISTINCT sku) FROM {images}")
            (products,) = connection.execute(query).fetchone()
        return {"images": images, "products": products, "bytes": size, "hnsw": hnsw, **asdict(self.spec)}

    def refresh(self) -> bool:
        """See `Index`; there is nothing to load, as every call reads what is there."""
        with self._session.transaction(self._tables.statement("SELECT id FROM {about}")) as (_, row):
            return row == (self.id,)

    def ids(self) -> NDArray[np.str_]:
        """See `Index`."""
        return self._select_ids("SELECT id FROM {images} ORDER BY id")

    def find(self, name: str) -> NDArray[np.str_]:
        """See `Index`."""
        ids = self._select_ids("SELECT id FROM {images} WHERE id = %s OR sku = %s ORDER BY id", name, name)
        return ids[ids == name] if name in ids else ids

    def lookup(self, ids: ArrayLike) -> Records:
        """See `Index`."""
        names = as_ids(ids).tolist()
        query = self._tables.statement("SELECT id, sku, path, embedding{columns} FROM {images} WHERE id = ANY(%s)")
        with self._transaction() as (connection, _):
            row_of = {row[0]: row for row in connection.execute(query, [names])}
        for name in names:
            if name not in row_of:
                raise InputError(f"id {name} is not in the index")
        rows = [row_of[name] for name in names]
        skus, paths = (text_array([row[at] for row in rows]) for at in (1, 2))
        embeddings = np.array([row[3].to_numpy() for row in rows], np.float32).reshape(len(rows), self.spec.width)
        cells = {name: [row[4 + at] for row in rows] for at, name in enumerate(self.spec.columns)}
        columns = {name: self._as_array(name, values) for name, values in cells.items()}
        return Records(text_array(names), skus, embeddings, paths, columns)

    def state(self) -> str:
        """See `Index`; a trigger counts the images, so that the row with their number is of the last change."""
        query = self._tables.statement("SELECT xmin::text FROM {counts} WHERE name = ''")
        with self._transaction() as (connection, _):
            row = connection.execute(query).fetchone()
        return f"{self.id}-{row and row[0]}"

    def select(self, columns: Sequence[str], where: Where | None = None) -> dict[str, NDArray[Any]]:
        """See `Index`."""
        parts = sql.SQL("").join(sql.SQL(", {}").format(self._tables.column(name)) for name in columns)
        with self._transaction() as (connection, _):
            known = partial(self._counts, connection)
            filters = check_filters(where, self.spec.columns, self.spec.numbers, known)
            matching, values = self._tables.matching(filters)
            query = "SELECT id, sku{parts} FROM {images} WHERE {matching} ORDER BY id"
            query = self._tables.statement(query, parts=parts, matching=matching)
            rows = connection.execute(query, values).fetchall()
        cells = {name: [row[at] for row in rows] for at, name in enumerate(("id", "sku", *columns))}
        return {name: self._as_array(name, values) for name, values in cells.items()}

    def _as_array(self, name: str, values: list[Any]) -> NDArray[Any]:
        return typed(name, np.array(values, float)) if name in self.spec.numbers else text_array(values)

    def _select_ids(self, query: str, *values: str) -> NDArray[np.str_]:
        with self._transaction() as (connection, _):
            return text_array([row[0] for row in connection.execute(self._tables.statement(query), values)])

    def _nearest(self, queries: NDArray[np.float32], k: int, where: Where | None) -> list[Neighbors]:
        """See `Index`; exact where at most `MAX_EXACT` images match a filter."""
        with self._transaction() as (connection, size):
            counts: dict[str, dict[str, int]] = {}

            def known(name: str, values: tuple[str, ...]) -> dict[str, int]:
                counts[name] = self._counts(connection, name, values)
                return counts[name]

            filters = check_filters(where, self.spec.columns, self.spec.numbers, known)
            exact = self._few_match(connection, filters, counts) if filters else size <= pg_schema.HNSW_MIN_ROWS
            return [self._query(connection, query, min(k, size), filters, exact) for query in queries]

    def _counts(self, connection: psycopg.Connection, name: str, values: tuple[str, ...]) -> dict[str, int]:
        """Return how many images have each of `values` of a column, or, where one is unknown, each that there is."""
        query = self._tables.statement("SELECT value, images FROM {counts} WHERE images > 0 AND name = %s")
        key_of = {value: value[: pg_schema.KEY_LENGTH] for value in values}
        selected = dict(connection.execute(query + sql.SQL(" AND value = ANY(%s)"), [name, [*key_of.values()]]))
        if all(key in selected for key in key_of.values()):
            return {value: selected[key] for value, key in key_of.items()}
        return dict(connection.execute(query, [name]))

    def _few_match(
        self, connection: psycopg.Connection, filters: Filters, counts: Mapping[str, Mapping[str, int]]
    ) -> bool:
        """Return whether at most `MAX_EXACT` images match; they are counted only where no single column shows it."""
        if any(sum(counts[name][value] for value in filters[name].values) <= MAX_EXACT for name in counts):
            return True
        # Without an alias a subquery needs PostgreSQL 16.
        query = "SELECT count(*) FROM (SELECT FROM {images} WHERE {matching} LIMIT %s) AS matching"
        matching, values = self._tables.matching(filters)
        query = self._tables.statement(query, matching=matching)
        if len(filters) == len(counts) == 1:
            return False
        return connection.execute(query, [*values, MAX_EXACT + 1]).fetchone()[0] <= MAX_EXACT

    def _query(
        self, connection: psycopg.Connection, embedding: NDArray[np.float32], k: int, filters: Filters, exact: bool
    ) -> Neighbors:
        # HNSW knows the bare distance only, so that every image is compared by any other expression.
        distance = "(embedding <=> %b) + 0" if exact else "embedding <=> %b"
        query = "SELECT id, {distance} AS distance FROM {images} WHERE {matching} ORDER BY distance, id LIMIT %s"
        if not exact and 2 * k > EF_SEARCH:
            connection.execute(f"SET LOCAL hnsw.ef_search = {min(_MAX_EF_SEARCH, 2 * k)}")
        matching, values = self._tables.matching(filters)
        query = self._tables.statement(query, distance=sql.SQL(distance), matching=matching)
        rows = connection.execute(query, [HalfVector(embedding), *values, k]).fetchall()
        if len(rows) < k and not exact:
            return self._query(connection, embedding, k, filters, exact=True)
        return Neighbors(text_array([row[0] for row in rows]), 1 - np.array([row[1] for row in rows], np.float32))

    @contextmanager
    def _transaction(self, lock: str = "") -> Iterator[tuple[psycopg.Connection, int]]:
        """Yield a connection and the number of images; with "FOR UPDATE" while other writers wait."""
        query = self._tables.statement("SELECT version, id, (" + pg_schema.SIZE + ") FROM {about} " + lock)
        with self._session.transaction(query) as (connection, row):
            if row is None or row[1] != self.id:
                raise self._replaced()
            pg_schema.check_version(self._session, row[0])
            yield connection, row[2]
