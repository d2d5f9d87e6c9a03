"""An index in PostgreSQL with pgvector, for teams that outgrow one machine: the same promises as the local one.

Vectors are kept as halfvec. Where at most `EXACT` products match, every one is compared; above that an HNSW graph
answers, and goes on looking until a filter has its k (pgvector's iterative scans).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql

from fashion_keras.search.records import IndexSpec, Neighbours, Records, Where, check_query, check_where
from fashion_keras.support.errors import InputError

EXACT = 50_000
# Candidates that the graph looks at for each query.
_SEARCHED = 100
# Statements that bring an index of one version to the next; a new one runs them all.
_MIGRATIONS = (
    """
    CREATE TABLE {schema}.about (version int NOT NULL, spec jsonb NOT NULL);
    CREATE TABLE {schema}.products (
        id bigint PRIMARY KEY, path text NOT NULL, vector halfvec({width}) NOT NULL{columns}
    );
    {filters}
    """,
)


class PostgresIndex:
    """The index in one schema of a database; see `Index`."""

    def __init__(self, url: str) -> None:
        """Open postgresql://...[?index=NAME], bringing an older one up to date.

        Raises:
            InputError: when no server answers, it has no pgvector, no such index is there, or a later version made it.
        """
        self.url = url
        self._address, self._schema = _parse(url)
        with self._connected() as connection:
            if connection.execute("SELECT to_regclass(%s)", [f'"{self._schema}".about']).fetchone()[0] is None:
                raise InputError(f"{url}: no index here; `fashion-keras index --data DIR --out {url}` makes one")
            about = sql.Identifier(self._schema, "about")
            query = sql.SQL("SELECT version, spec FROM {} FOR UPDATE").format(about)
            version, spec = connection.execute(query).fetchone()
            if version > len(_MIGRATIONS):
                raise InputError(
                    f"{url}: made by a later version; this one reads up to {len(_MIGRATIONS)}, not {version}"
                )
            self.spec = IndexSpec.from_dict(spec)
            _migrate(connection, self._schema, self.spec, version)

    @classmethod
    def create(cls, url: str, spec: IndexSpec) -> "PostgresIndex":
        """Begin an empty index; InputError when one is there already, and as above."""
        address, schema = _parse(url)
        with _connection(address, url) as connection:
            try:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            except psycopg.errors.DuplicateSchema:
                raise InputError(f"{url}: {schema} is there already; give another ?index=NAME") from None
            _migrate(connection, schema, spec, 0)
            about = sql.Identifier(schema, "about")
            values = [len(_MIGRATIONS), json.dumps(spec.to_dict())]
            connection.execute(sql.SQL("INSERT INTO {} VALUES (%s, %s)").format(about), values)
        return cls(url)

    def __len__(self) -> int:
        with self._connected() as connection:
            return connection.execute(self._sql("SELECT count(*) FROM {products}")).fetchone()[0]

    def add(self, records: Records) -> None:
        """See `Index`."""
        records.check(self.spec)
        with self._connected() as connection:
            self._copy(connection, records)

    def update(self, records: Records) -> None:
        """See `Index`."""
        records.check(self.spec)
        with self._connected() as connection:
            self._remove(connection, records.ids)
            self._copy(connection, records)

    def delete(self, ids: NDArray[np.int64]) -> None:
        """See `Index`."""
        with self._connected() as connection:
            self._remove(connection, np.asarray(ids, np.int64))

    def compact(self) -> None:
        """Give back the room of what was replaced and removed, and refresh what the planner knows."""
        with self._connected() as connection:
            connection.commit()
            connection.autocommit = True
            connection.execute(self._sql("VACUUM ANALYZE {products}"))

    def stats(self) -> dict[str, Any]:
        """Return products, bytes with all that the server keeps beside them, whether there is a graph, the spec."""
        query = "SELECT count(*), pg_total_relation_size(%s::regclass), to_regclass(%s) IS NOT NULL FROM {products}"
        names = [f'"{self._schema}".products', f'"{self._schema}".graph']
        with self._connected() as connection:
            products, size, graph = connection.execute(self._sql(query), names).fetchone()
        return {"products": products, "bytes": size, "graph": graph, **self.spec.to_dict()}

    def lookup(self, ids: NDArray[np.int64]) -> Records:
        """See `Index`."""
        query = self._sql("SELECT id, path, vector, {columns} FROM {products} WHERE id = ANY(%s)")
        with self._connected() as connection:
            found = {row[0]: row for row in connection.execute(query, [np.asarray(ids).tolist()])}
        for number in np.asarray(ids).tolist():
            if number not in found:
                raise InputError(f"id {number} is not in the index")
        rows = [found[number] for number in np.asarray(ids).tolist()]
        vectors = np.array([row[2].to_numpy() for row in rows], np.float32).reshape(len(rows), self.spec.width)
        columns = {name: np.array([row[3 + at] for row in rows], np.str_) for at, name in enumerate(self.spec.columns)}
        return Records(np.asarray(ids, np.int64), vectors, np.array([row[1] for row in rows], np.str_), columns)

    def nearest(self, vectors: NDArray[np.float32], k: int, where: Where | None = None) -> list[Neighbours]:
        """See `Index`; exact where at most `EXACT` products match."""
        vectors = check_query(vectors, k, self.spec, len(self))
        with self._connected() as connection:
            wanted = check_where(where, self._values(connection, where))
            matching = sql.SQL(" AND ").join(
                [sql.SQL("{} = ANY(%s)").format(sql.Identifier(f"column_{name}")) for name in wanted]
                or [sql.SQL("true")]
            )
            choices = [list(values) for values in wanted.values()]
            self._plan(connection, matching, choices, k)
            query = self._sql(
                "SELECT id, vector <=> %s FROM {products} WHERE {matching} ORDER BY vector <=> %s, id LIMIT %s",
                matching=matching,
            )
            return [self._ask(connection, query, vector, choices, k) for vector in vectors]

    def _ask(
        self, connection: psycopg.Connection, query: sql.Composed, vector: NDArray[np.float32], choices: list, k: int
    ) -> Neighbours:
        half = HalfVector(vector)
        rows = connection.execute(query, [half, *choices, half, k]).fetchall()
        ids, distances = (np.array([row[at] for row in rows]) for at in (0, 1))
        return Neighbours(ids.astype(np.int64), 1 - distances.astype(np.float32))

    def _plan(self, connection: psycopg.Connection, matching: sql.Composable, choices: list, k: int) -> None:
        """Compare every product where few match; else let the graph look until it has k."""
        count = self._sql("SELECT count(*) FROM (SELECT FROM {products} WHERE {matching} LIMIT %s)", matching=matching)
        few = connection.execute(count, [*choices, EXACT + 1]).fetchone()[0] <= EXACT
        connection.execute(f"SET LOCAL enable_indexscan = {'off' if few else 'on'}")
        connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        connection.execute(f"SET LOCAL hnsw.ef_search = {min(1000, max(_SEARCHED, 2 * k))}")

    def _values(self, connection: psycopg.Connection, where: Where | None) -> dict[str, list[str]]:
        query = "SELECT DISTINCT {column} FROM {products}"
        return {
            name: [row[0] for row in connection.execute(self._sql(query, column=sql.Identifier(f"column_{name}")))]
            if name in (where or {})
            else []
            for name in self.spec.columns
        }

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
        count = connection.execute(self._sql("SELECT count(*) FROM {products}")).fetchone()[0]
        if count > EXACT:
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
        columns = sql.SQL(", ").join(sql.Identifier(f"column_{name}") for name in self.spec.columns)
        return {"products": sql.Identifier(self._schema, "products"), "columns": columns}

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        """A transaction: committed at its end, rolled back when anything is raised."""
        with _connection(self._address, self.url) as connection:
            yield connection


@contextmanager
def _connection(address: str, url: str) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(address, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise InputError(f"{url}: no server answers: {str(error).strip().splitlines()[-1]}") from None
    with connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            raise InputError(f"{url}: this server has no pgvector; install it there (postgresql-NN-pgvector)") from None
        register_vector(connection)
        yield connection


def _migrate(connection: psycopg.Connection, schema: str, spec: IndexSpec, version: int) -> None:
    products, names = sql.Identifier(schema, "products"), [sql.Identifier(f"column_{name}") for name in spec.columns]
    parts = {
        "schema": sql.Identifier(schema),
        "width": sql.Literal(spec.width),
        "columns": sql.SQL("").join(sql.SQL(", {} text NOT NULL").format(name) for name in names),
        "filters": sql.SQL("").join(sql.SQL("CREATE INDEX ON {} ({});").format(products, name) for name in names),
    }
    for step in _MIGRATIONS[version:]:
        connection.execute(sql.SQL(step).format(**parts))
    if version:
        about = sql.Identifier(schema, "about")
        connection.execute(sql.SQL("UPDATE {} SET version = %s").format(about), [len(_MIGRATIONS)])


def _parse(url: str) -> tuple[str, str]:
    """Split a URL into what the server takes and the name of the index, by default fashion_keras."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    name = options.pop("index", "fashion_keras")
    return urlunsplit(parts._replace(query=urlencode(options))), name
