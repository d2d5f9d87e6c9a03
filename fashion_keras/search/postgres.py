"""An index in PostgreSQL with pgvector, for teams that outgrow one machine: the same promises as the local one.

Embeddings are stored as halfvec. The search is exact where the index holds at most HNSW_MIN_ROWS products, or at most
EXACT of them pass a filter; else an HNSW index answers, and scans on until k products pass the filter (pgvector's
iterative scans).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from fashion_keras.search.base import IndexSpec, Neighbours, Records, Where, check_query, check_where, normalize_filters
from fashion_keras.search.pg_connection import EF_SEARCH, PostgresConnection
from fashion_keras.search.pg_schema import check_version, create_schema, open_schema
from fashion_keras.support.errors import InputError

# From so many products on a graph is built.
HNSW_MIN_ROWS = 20_000
EXACT = 50_000
# KiB of memory that the server is asked for, at most, when it builds a graph.
_MEMORY = 2**21
Wanted = Mapping[str, tuple[str, ...]]
_SIZE = "SELECT coalesce(max(products), 0) FROM {counts} WHERE name = ''"


class PostgresIndex:
    """The index in one schema of a database; see `Index`. Threads may share it; they take turns on one connection."""

    def __init__(self, url: str) -> None:
        """Open postgresql://...[?index=NAME], bringing an older one up to date.

        Raises:
            InputError: when no server answers, it has no pgvector, no such index is there, or a later version made it.
        """
        self.url = url
        self._session = PostgresConnection(url)
        self.spec = open_schema(self._session)

    @classmethod
    def create(cls, url: str, spec: IndexSpec) -> "PostgresIndex":
        """Begin an empty index; InputError when one is there already, and as above."""
        create_schema(PostgresConnection(url), spec)
        return cls(url)

    def __len__(self) -> int:
        with self._reading() as (_, size):
            return size

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._session.close()

    def add(self, records: Records) -> None:
        """See `Index`."""
        records.check(self.spec)
        with self._writing() as connection:
            self._copy(connection, records)

    def update(self, records: Records) -> None:
        """See `Index`."""
        records.check(self.spec)
        with self._writing() as connection:
            self._remove(connection, records.ids)
            self._copy(connection, records)

    def delete(self, ids: NDArray[np.int64]) -> None:
        """See `Index`."""
        with self._writing() as connection:
            self._remove(connection, np.asarray(ids, np.int64))

    def compact(self) -> None:
        """Give back the room of what was replaced and removed, and refresh what the planner knows."""
        with self._writing() as connection:
            connection.execute(self._sql("DELETE FROM {counts} WHERE products = 0 AND name <> ''"))
        self._session.vacuum(self._names["products"])

    def stats(self) -> dict[str, Any]:
        """Return products, bytes with all that the server keeps beside them, whether there is a graph, the spec."""
        query = "SELECT pg_total_relation_size(%s::regclass), to_regclass(%s) IS NOT NULL"
        names = [f'"{self._session.schema}".products', f'"{self._session.schema}".graph']
        with self._reading() as (connection, products):
            size, graph = connection.execute(query, names).fetchone()
        return {"products": products, "bytes": size, "graph": graph, **self.spec.to_dict()}

    def refresh(self) -> None:
        """See `Index`; nothing to do: every call sees what is there."""

    def ids(self) -> NDArray[np.int64]:
        """See `Index`."""
        with self._reading() as (connection, _):
            rows = connection.execute(self._sql("SELECT id FROM {products} ORDER BY id")).fetchall()
        return np.array([row[0] for row in rows], np.int64)

    def lookup(self, ids: NDArray[np.int64]) -> Records:
        """See `Index`."""
        query = self._sql("SELECT id, path, vector, {columns} FROM {products} WHERE id = ANY(%s)")
        with self._reading() as (connection, _):
            found = {row[0]: row for row in connection.execute(query, [np.asarray(ids).tolist()])}
        for number in np.asarray(ids).tolist():
            if number not in found:
                raise InputError(f"id {number} is not in the index")
        rows = [found[number] for number in np.asarray(ids).tolist()]
        vectors = np.array([row[2].to_numpy() for row in rows], np.float32).reshape(len(rows), self.spec.width)
        columns = {name: np.array([row[3 + at] for row in rows], np.str_) for at, name in enumerate(self.spec.columns)}
        return Records(np.asarray(ids, np.int64), vectors, np.array([row[1] for row in rows], np.str_), columns)

    def nearest(self, vectors: NDArray[np.float32], k: int, where: Where | None = None) -> list[Neighbours]:
        """See `Index`; exact where at most `EXACT` products match a filter."""
        with self._reading() as (connection, size):
            vectors = check_query(vectors, k, self.spec, size)
            counts = self._counts(connection, where)
            wanted = check_where(where, counts)
            exact = self._compare_all(connection, wanted, counts) if wanted else size <= HNSW_MIN_ROWS
            return [self._ask(connection, vector, k, wanted, exact) for vector in vectors]

    def _counts(self, connection: psycopg.Connection, where: Where | None) -> dict[str, dict[str, int]]:
        """Return how many products have each value that is asked for, or, where one is unknown, each value there is."""
        counts: dict[str, dict[str, int]] = {name: {} for name in self.spec.columns}
        pairs = [(name, value) for name, values in normalize_filters(where).items() for value in values]
        if not pairs:
            return counts
        names, values = map(list, zip(*pairs, strict=True))
        query = self._sql("SELECT name, value, products FROM {counts} WHERE products > 0 AND name = ANY(%s)")
        only = sql.SQL(" AND (name, value) IN (SELECT unnest(%s::text[]), unnest(%s::text[]))")
        found = connection.execute(query + only, [names, names, values]).fetchall()
        if len(found) < len(set(pairs)):
            found = connection.execute(query, [names]).fetchall()
        for name, value, products in found:
            if name in counts:
                counts[name][value] = products
        return counts

    def _compare_all(
        self, connection: psycopg.Connection, wanted: Wanted, counts: Mapping[str, Mapping[str, int]]
    ) -> bool:
        """Whether at most `EXACT` products match; they are counted only where no single column says so."""
        if min(sum(counts[name][value] for value in values) for name, values in wanted.items()) <= EXACT:
            return True
        query = "SELECT count(*) FROM (SELECT FROM {products} WHERE {matching} LIMIT %s)"
        values = [*map(list, wanted.values()), EXACT + 1]
        query = self._sql(query, matching=_matching(wanted))
        return len(wanted) > 1 and connection.execute(query, values).fetchone()[0] <= EXACT

    def _ask(
        self, connection: psycopg.Connection, vector: NDArray[np.float32], k: int, wanted: Wanted, exact: bool
    ) -> Neighbours:
        # The graph knows the bare distance only, so that every product is compared by any other expression.
        distance = "(vector <=> %b) + 0" if exact else "vector <=> %b"
        query = (
            "SELECT id, " + distance + " AS distance FROM {products} WHERE {matching} ORDER BY distance, id LIMIT %s"
        )
        if not exact and 2 * k > EF_SEARCH:
            connection.execute(f"SET LOCAL hnsw.ef_search = {min(1000, 2 * k)}")
        values = [HalfVector(vector), *map(list, wanted.values()), k]
        rows = connection.execute(self._sql(query, matching=_matching(wanted)), values).fetchall()
        if len(rows) < k and not exact:
            return self._ask(connection, vector, k, wanted, exact=True)
        ids, distances = (np.array([row[at] for row in rows]) for at in (0, 1))
        return Neighbours(ids.astype(np.int64), 1 - distances.astype(np.float32))

    def _copy(self, connection: psycopg.Connection, records: Records) -> None:
        query = self._sql("COPY {products} (id, path, vector, {columns}) FROM STDIN (FORMAT binary)")
        columns = [records.columns[name].tolist() for name in self.spec.columns]
        rows = zip(
            records.ids.tolist(), records.paths.tolist(), map(HalfVector, records.vectors), *columns, strict=True
        )
        try:
            with connection.cursor() as cursor, cursor.copy(query) as copy:
                copy.set_types(["int8", "text", "halfvec", *(["text"] * len(columns))])
                for row in rows:
                    copy.write_row(row)
        except psycopg.errors.UniqueViolation as error:
            taken = error.diag.message_detail.split("=(")[1].split(")")[0]
            raise InputError(f"id {taken} is in the index already; update replaces it") from None
        (products,) = connection.execute(self._sql(_SIZE)).fetchone()
        if products > HNSW_MIN_ROWS:
            self._build_graph(connection, products)

    def _build_graph(self, connection: psycopg.Connection, products: int) -> None:
        """Make a graph unless there is one; one that does not fit into the server's memory takes many times as long."""
        needed = min(_MEMORY, products * (2 * self.spec.width + 500) // 1024)
        connection.execute(
            "SELECT set_config('maintenance_work_mem', greatest(%s, pg_size_bytes(current_setting("
            "'maintenance_work_mem')) / 1024)::text, true)",
            [needed],
        )
        graph = "CREATE INDEX IF NOT EXISTS graph ON {products} USING hnsw (vector halfvec_cosine_ops)"
        connection.execute(self._sql(graph))

    def _remove(self, connection: psycopg.Connection, ids: NDArray[np.int64]) -> None:
        query = self._sql("DELETE FROM {products} WHERE id = ANY(%s) RETURNING id")
        gone = {row[0] for row in connection.execute(query, [ids.tolist()])}
        for number in ids.tolist():
            if number not in gone:
                raise InputError(f"id {number} is not in the index")

    def _sql(self, query: str, **parts: sql.Composable) -> sql.Composed:
        return sql.SQL(query).format(**parts, **self._names)

    @cached_property
    def _names(self) -> dict[str, sql.Composable]:
        tables = {name: sql.Identifier(self._session.schema, name) for name in ("about", "counts", "products")}
        columns = sql.SQL(", ").join(sql.Identifier(f"column_{name}") for name in self.spec.columns)
        return {**tables, "columns": columns}

    @contextmanager
    def _reading(self) -> Iterator[tuple[psycopg.Connection, int]]:
        """A transaction, and how many products there are."""
        with self._session.transaction(self._sql("SELECT version, (" + _SIZE + ") FROM {about}")) as (connection, row):
            check_version(self._session, row[0])
            yield connection, row[1]

    @contextmanager
    def _writing(self) -> Iterator[psycopg.Connection]:
        """A transaction that other writers wait for: committed at its end, rolled back when anything is raised."""
        with self._session.transaction(self._sql("SELECT version FROM {about} FOR UPDATE")) as (connection, row):
            check_version(self._session, row[0])
            yield connection


def _matching(wanted: Wanted) -> sql.Composable:
    conditions = [sql.SQL("{} = ANY(%s)").format(sql.Identifier(f"column_{name}")) for name in wanted]
    return sql.SQL(" AND ").join(conditions or [sql.SQL("true")])
