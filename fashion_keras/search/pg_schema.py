"""Tables of an index in PostgreSQL: made new, overwritten, brought to the current version; their products and HNSW."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from fashion_keras.search.base import IndexSpec, Records
from fashion_keras.search.filters import Filters
from fashion_keras.search.pg_connection import PostgresConnection, short_identifier
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json

# From so many products on an HNSW index is built.
HNSW_MIN_ROWS = 20_000
# KiB of memory that the server is asked for, at most, when it builds HNSW.
_MAX_MEMORY = 2**21
_SET_MEMORY = """SELECT set_config(
    'maintenance_work_mem', greatest(%s, pg_size_bytes(current_setting('maintenance_work_mem')) / 1024)::text, true)"""
SIZE = "SELECT coalesce(max(products), 0) FROM {counts} WHERE name = ''"
_TABLES = ("about", "counts", "products")
# Statements that bring an index of one version to the next; a new one runs them all.
_MIGRATIONS = (
    """
    CREATE TABLE {about} (version int NOT NULL, spec jsonb NOT NULL);
    CREATE TABLE {products} (
        id bigint PRIMARY KEY, path text NOT NULL, vector halfvec({width}) NOT NULL{definitions}
    );
    {column_indexes}
    """,
    # How many products have each value of a column, and under the name '' how many there are, whoever changes them.
    """
    LOCK TABLE {products} IN SHARE ROW EXCLUSIVE MODE;
    CREATE TABLE {counts} (name text, value text, products bigint NOT NULL, PRIMARY KEY (name, value));
    INSERT INTO {counts} SELECT name, value, count(*) FROM {products}, {pairs} GROUP BY name, value;
    CREATE FUNCTION {schema}.counted() RETURNS trigger LANGUAGE plpgsql AS {counted};
    CREATE TRIGGER added AFTER INSERT ON {products} REFERENCING NEW TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('1');
    CREATE TRIGGER removed AFTER DELETE ON {products} REFERENCING OLD TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('-1');
    CREATE TRIGGER was AFTER UPDATE ON {products} REFERENCING OLD TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('-1');
    CREATE TRIGGER became AFTER UPDATE ON {products} REFERENCING NEW TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('1');
    """,
    # An id, random, and the identifiers of the columns, which are not always their names.
    """
    ALTER TABLE {about} ADD COLUMN id text NOT NULL DEFAULT gen_random_uuid()::text;
    ALTER TABLE {about} ADD COLUMN identifiers jsonb NOT NULL DEFAULT {identifiers};
    ALTER TABLE {products} RENAME COLUMN vector TO embedding;
    ALTER INDEX IF EXISTS {schema}.graph RENAME TO hnsw;
    """,
)
VERSION = len(_MIGRATIONS)
_COUNTED = """BEGIN
    INSERT INTO {counts} AS stored
        SELECT name, value, TG_ARGV[0]::int * count(*) FROM changed, {pairs}
        GROUP BY name, value ORDER BY name, value
        ON CONFLICT (name, value) DO UPDATE SET products = stored.products + excluded.products;
    RETURN NULL;
END"""
_LIST_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v', 'm')"


@dataclass(frozen=True)
class PostgresTables:
    """Names in SQL of an index's own schema, its tables and columns (column -> identifier), and the index's id."""

    schema: str
    spec: IndexSpec
    identifiers: Mapping[str, str]
    id: str = ""

    def statement(self, query: str, **parts: sql.Composable) -> sql.Composed:
        """Return a statement with {about}, {counts}, {products}, {columns} (with a comma before each) and `parts`."""
        tables = {name: self.qualified(name) for name in _TABLES}
        columns = sql.SQL("").join(sql.SQL(", {}").format(self.column(name)) for name in self.spec.columns)
        return sql.SQL(query).format(**{**tables, "columns": columns, **parts})

    def qualified(self, name: str) -> sql.Identifier:
        """Return the name of a table or index in the schema."""
        return sql.Identifier(self.schema, name)

    def column(self, name: str) -> sql.Identifier:
        """Return the identifier of a column."""
        return sql.Identifier(self.identifiers[name])

    def matching(self, filters: Filters) -> sql.Composable:
        """Return the condition that products match filters, with a placeholder for each column's values."""
        conditions = [sql.SQL("{} = ANY(%s)").format(self.column(name)) for name in filters]
        return sql.SQL(" AND ").join(conditions or [sql.SQL("true")])


def create_schema(
    connection: psycopg.Connection, session: PostgresConnection, spec: IndexSpec, overwrite: bool
) -> PostgresTables:
    """Make the tables of an empty index; InputError when something is there that is not to be overwritten."""
    make_room(connection, session, overwrite)
    identifiers = {name: short_identifier(f"column_{name}") for name in spec.columns}
    tables = PostgresTables(session.schema, spec, identifiers)
    _migrate(connection, tables, 0)
    insert = tables.statement("INSERT INTO {about} (version, spec) VALUES (%s, %s)")
    connection.execute(insert, [VERSION, json.dumps(asdict(spec))])
    return tables


def make_room(connection: psycopg.Connection, session: PostgresConnection, overwrite: bool) -> None:
    """Make an empty schema; InputError when one is there that is not to be overwritten, or holds more than an index."""
    schema = sql.Identifier(session.schema)
    if overwrite:
        names = {row[0] for row in connection.execute(_LIST_TABLES, [schema.as_string(connection)])}
        if names and names not in (set(_TABLES), set(_TABLES) - {"counts"}):
            raise InputError(f"{session.name}: the schema holds other tables; give another ?index=NAME")
        if names:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
    try:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    except psycopg.errors.DuplicateSchema:
        raise InputError(f"{session.name}: is there already; give another ?index=NAME, or --overwrite") from None


def open_schema(session: PostgresConnection) -> PostgresTables:
    """Read an index's contents, having brought its tables up to date; InputError when a later version made it."""
    table = sql.Identifier(session.schema, "about")
    query = sql.SQL("SELECT version, spec FROM {}").format(table)
    with session.transaction(query) as (connection, row):
        version, values = row or (0, {})
        check_version(session, version)
        if version < VERSION:
            connection.execute(sql.SQL("LOCK TABLE {}").format(table))
            # Another process may have done it while this one waited.
            version, values = connection.execute(query).fetchone() or (VERSION, {})
        if version < VERSION:
            values = {"encoder_identity": values.pop("fingerprint", ""), **values}
            spec = _read_spec(session, values)
            # Of versions 1 and 2; the server cut them off at 63 bytes itself.
            identifiers = {name: f"column_{name}" for name in spec.columns}
            _migrate(connection, PostgresTables(session.schema, spec, identifiers), version)
            update = sql.SQL("UPDATE {} SET version = %s, spec = %s").format(table)
            connection.execute(update, [VERSION, json.dumps(values)])
        names = sql.SQL("SELECT id, identifiers FROM {}").format(table)
        index_id, identifiers = connection.execute(names).fetchone() or ("", {})
        return PostgresTables(session.schema, _read_spec(session, values), identifiers, index_id)


def check_version(session: PostgresConnection, version: int) -> None:
    """Raise InputError for an index that a later version of this program made."""
    if version > VERSION:
        raise InputError(f"{session.name}: made by a later version; this one reads up to {VERSION}, not {version}")


def copy_products(connection: psycopg.Connection, tables: PostgresTables, records: Records) -> None:
    """Add products, and build HNSW when there are many; InputError for an id that is there already."""
    columns = [records.columns[name].tolist() for name in tables.spec.columns]
    embeddings = map(HalfVector, records.embeddings)
    rows = zip(records.ids.tolist(), records.paths.tolist(), embeddings, *columns, strict=True)
    copy_in = tables.statement("COPY {products} (id, path, embedding{columns}) FROM STDIN (FORMAT binary)")
    try:
        with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
            copy.set_types(["int8", "text", "halfvec", *(["text"] * len(columns))])
            for row in rows:
                copy.write_row(row)
    except psycopg.errors.UniqueViolation as error:
        taken = error.diag.message_detail.split("=(")[1].split(")")[0]
        raise InputError(f"id {taken} is in the index already; update replaces it") from None
    (products,) = connection.execute(tables.statement(SIZE)).fetchone()
    if products > HNSW_MIN_ROWS:
        # It takes many times as long when it does not fit into the server's memory.
        needed = min(_MAX_MEMORY, products * (2 * tables.spec.width + 500) // 1024)
        connection.execute(_SET_MEMORY, [needed])
        create = "CREATE INDEX IF NOT EXISTS hnsw ON {products} USING hnsw (embedding halfvec_cosine_ops)"
        connection.execute(tables.statement(create))


def remove_products(connection: psycopg.Connection, tables: PostgresTables, ids: NDArray[np.int64]) -> None:
    """Delete products; InputError for an id that is not there."""
    query = tables.statement("DELETE FROM {products} WHERE id = ANY(%s) RETURNING id")
    removed = {row[0] for row in connection.execute(query, [ids.tolist()])}
    for number in ids.tolist():
        if number not in removed:
            raise InputError(f"id {number} is not in the index")


def _read_spec(session: PostgresConnection, values: Mapping[str, Any]) -> IndexSpec:
    return dataclass_from_json(IndexSpec, values, f"{session.name}: table about", "spec")


def _migrate(connection: psycopg.Connection, tables: PostgresTables, version: int) -> None:
    names = [tables.column(name) for name in tables.spec.columns]
    # Each row's columns as rows (name, value), and one row ('', '') that stands for itself.
    values = [sql.SQL("({}, {})").format(sql.Literal(name), tables.column(name)) for name in tables.spec.columns]
    values = sql.SQL(", ").join([sql.SQL("('', '')"), *values])
    pairs = sql.SQL("LATERAL (VALUES {}) AS pair (name, value)").format(values)
    create_index = sql.SQL("CREATE INDEX ON {} ({});")
    parts = {
        "schema": sql.Identifier(tables.schema),
        "width": sql.Literal(tables.spec.width),
        "definitions": sql.SQL("").join(sql.SQL(", {} text NOT NULL").format(name) for name in names),
        "column_indexes": sql.SQL("").join(create_index.format(tables.qualified("products"), name) for name in names),
        "pairs": pairs,
        # As a literal: whatever a column is called, it cannot end the function's body.
        "counted": sql.Literal(tables.statement(_COUNTED, pairs=pairs).as_string(connection)),
        "identifiers": sql.Literal(json.dumps(dict(tables.identifiers))),
    }
    for step in _MIGRATIONS[version:]:
        connection.execute(tables.statement(step, **parts))
