"""Tables of an index in PostgreSQL: made new, overwritten, opened; their images and HNSW."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from fashion_keras.search.base import IndexSpec, Records
from fashion_keras.search.filters import Condition, Filters
from fashion_keras.search.pg_connection import PostgresConnection, short_identifier
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json

# From so many images on an HNSW index is built.
HNSW_MIN_ROWS = 20_000
# KiB of memory that the server is asked for, at most, when it builds HNSW.
_MAX_MEMORY = 2**21
_SET_MEMORY = """SELECT set_config(
    'maintenance_work_mem', greatest(%s, pg_size_bytes(current_setting('maintenance_work_mem')) / 1024)::text, true)"""
SIZE = "SELECT coalesce(max(images), 0) FROM {counts} WHERE name = ''"
VERSION = 4
_TABLES = ("about", "counts", "images")
# Tables of an index of any version, which may be overwritten.
_OVERWRITTEN = ({*_TABLES}, {"about", "counts", "products"}, {"about", "products"})
# Texts are indexed and counted by their first characters: PostgreSQL indexes none above 2,704 bytes.
KEY_LENGTH = 200
_SQL_OPERATORS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
# Ids and SKUs are in the order of their characters, whatever the language of the database. In {counts} stands how many
# images have each value of a text column, and under the name '' how many there are, whoever changes them.
_CREATE = """
    CREATE TABLE {about} (
        version int NOT NULL, id text NOT NULL DEFAULT gen_random_uuid()::text, spec jsonb NOT NULL,
        identifiers jsonb NOT NULL
    );
    CREATE TABLE {images} (
        id text COLLATE "C" PRIMARY KEY, sku text COLLATE "C" NOT NULL, path text NOT NULL,
        embedding halfvec({width}) NOT NULL{definitions}
    );
    CREATE TABLE {counts} (name text, value text, images bigint NOT NULL, PRIMARY KEY (name, value));
    CREATE FUNCTION {schema}.counted() RETURNS trigger LANGUAGE plpgsql AS {counted};
    CREATE TRIGGER added AFTER INSERT ON {images} REFERENCING NEW TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('1');
    CREATE TRIGGER removed AFTER DELETE ON {images} REFERENCING OLD TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('-1');
    CREATE TRIGGER was AFTER UPDATE ON {images} REFERENCING OLD TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('-1');
    CREATE TRIGGER became AFTER UPDATE ON {images} REFERENCING NEW TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('1');
"""
_COUNTED = """BEGIN
    INSERT INTO {counts} AS stored
        SELECT name, value, TG_ARGV[0]::int * count(*) FROM changed, {pairs}
        GROUP BY name, value ORDER BY name, value
        ON CONFLICT (name, value) DO UPDATE SET images = stored.images + excluded.images;
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
        """Return a statement with {about}, {counts}, {images}, {columns} (with a comma before each) and `parts`."""
        tables = {name: self.qualified(name) for name in _TABLES}
        columns = sql.SQL("").join(sql.SQL(", {}").format(self.column(name)) for name in self.spec.columns)
        return sql.SQL(query).format(**{**tables, "columns": columns, **parts})

    def qualified(self, name: str) -> sql.Identifier:
        """Return the name of a table or index in the schema."""
        return sql.Identifier(self.schema, name)

    def column(self, name: str) -> sql.Identifier:
        """Return the identifier of a column."""
        return sql.Identifier(self.identifiers[name])

    def key(self, name: str) -> sql.Composable:
        """Return what a column is indexed by."""
        column = self.column(name)
        return column if name in self.spec.numbers else sql.SQL("left({}, {})").format(column, KEY_LENGTH)

    def matching(self, filters: Filters) -> tuple[sql.Composable, list[Any]]:
        """Return the condition that images match filters, and the values of its placeholders."""
        conditions, values = [sql.SQL("true")], []
        for name, condition in filters.items():
            for template, value in _comparisons(condition, name in self.spec.numbers):
                conditions.append(sql.SQL(template).format(column=self.column(name), key=self.key(name)))
                values.append(value)
        return sql.SQL(" AND ").join(conditions), values


def _comparisons(condition: Condition, is_number: bool) -> Iterator[tuple[str, Any]]:
    """Yield comparisons of {column} or {key}, all of which must hold, each with the value of its placeholder."""
    for name, bound in condition.bounds.items():
        yield f"{{column}} {_SQL_OPERATORS[name]} %s", bound
    values = [*condition.values]
    if values and is_number:
        missing = " OR {column} IS NULL" if any(map(isnan, values)) else ""
        yield f"({{column}} = ANY(%s){missing})", values
    elif values:
        yield "{key} = ANY(%s)", [value[:KEY_LENGTH] for value in values]
        yield "{column} = ANY(%s)", values


def create_schema(
    connection: psycopg.Connection, session: PostgresConnection, spec: IndexSpec, overwrite: bool
) -> PostgresTables:
    """Make the tables of an empty index; InputError when something is there that is not to be overwritten."""
    make_room(connection, session, overwrite)
    identifiers = {name: short_identifier(f"column_{name}") for name in spec.columns}
    tables = PostgresTables(session.schema, spec, identifiers)
    _create(connection, tables)
    insert = tables.statement("INSERT INTO {about} (version, spec, identifiers) VALUES (%s, %s, %s)")
    connection.execute(insert, [VERSION, json.dumps(asdict(spec)), json.dumps(identifiers)])
    return tables


def make_room(connection: psycopg.Connection, session: PostgresConnection, overwrite: bool) -> None:
    """Make an empty schema; InputError when one is there that is not to be overwritten, or holds more than an index."""
    schema = sql.Identifier(session.schema)
    if overwrite:
        names = {row[0] for row in connection.execute(_LIST_TABLES, [schema.as_string(connection)])}
        if names and names not in _OVERWRITTEN:
            raise InputError(f"{session.name}: the schema holds other tables; give another ?index=NAME")
        if names:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
    try:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    except psycopg.errors.DuplicateSchema:
        raise InputError(f"{session.name}: is there already; give another ?index=NAME, or --overwrite") from None


def open_schema(session: PostgresConnection) -> PostgresTables:
    """Read an index's contents; InputError when there is none, or another version of this program made it."""
    query = sql.SQL("SELECT to_jsonb(about) FROM {} AS about").format(sql.Identifier(session.schema, "about"))
    with session.transaction(query) as (_, row):
        (values,) = row or ({"version": 0},)
    check_version(session, values["version"])
    spec = dataclass_from_json(IndexSpec, values["spec"], f"{session.name}: table about", "spec")
    return PostgresTables(session.schema, spec, values["identifiers"], values["id"])


def check_version(session: PostgresConnection, version: int) -> None:
    """Raise InputError for tables that another version of this program made."""
    if version != VERSION:
        raise InputError(
            f"{session.name}: tables of version {version}; this version of fashion_keras reads {VERSION}: "
            "build the index again with `fashion-keras index --overwrite`"
        )


def copy_images(
    connection: psycopg.Connection,
    tables: PostgresTables,
    records: Records,
    taken: str = "is in the index already; update replaces it",
) -> None:
    """Add images; InputError for an id that is there already, which ends with `taken`."""
    spec = tables.spec
    columns = [_cells(records.columns[name], name in spec.numbers) for name in spec.columns]
    types = ["float8" if name in spec.numbers else "text" for name in spec.columns]
    own = (records.ids.tolist(), records.skus.tolist(), records.paths.tolist(), map(HalfVector, records.embeddings))
    copy_in = tables.statement("COPY {images} (id, sku, path, embedding{columns}) FROM STDIN (FORMAT binary)")
    try:
        with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
            copy.set_types(["text", "text", "text", "halfvec", *types])
            for row in zip(*own, *columns, strict=True):
                copy.write_row(row)
    except psycopg.errors.UniqueViolation as error:
        name = error.diag.message_detail.split("=(", 1)[1].rpartition(")")[0]
        raise InputError(f"id {name} {taken}") from None


def build_indexes(connection: psycopg.Connection, tables: PostgresTables) -> None:
    """Build all indexes of a new table: after its images, which is faster than with each of them."""
    create = "CREATE INDEX ON {images} ({key})"
    connection.execute(tables.statement(create, key=sql.SQL("sku")))
    for name in tables.spec.columns:
        connection.execute(tables.statement(create, key=sql.SQL("({})").format(tables.key(name))))
    build_hnsw(connection, tables)


def build_hnsw(connection: psycopg.Connection, tables: PostgresTables) -> None:
    """Build HNSW where there are many images and it is not there yet."""
    (images,) = connection.execute(tables.statement(SIZE)).fetchone()
    if images > HNSW_MIN_ROWS:
        # It takes many times as long when it does not fit into the server's memory.
        needed = min(_MAX_MEMORY, images * (2 * tables.spec.width + 500) // 1024)
        connection.execute(_SET_MEMORY, [needed])
        create = "CREATE INDEX IF NOT EXISTS hnsw ON {images} USING hnsw (embedding halfvec_cosine_ops)"
        connection.execute(tables.statement(create))


def remove_images(connection: psycopg.Connection, tables: PostgresTables, ids: NDArray[np.str_]) -> None:
    """Delete images; InputError for an id that is not there."""
    query = tables.statement("DELETE FROM {images} WHERE id = ANY(%s) RETURNING id")
    removed = {row[0] for row in connection.execute(query, [ids.tolist()])}
    for name in ids.tolist():
        if name not in removed:
            raise InputError(f"id {name} is not in the index")


def _cells(values: NDArray[Any], is_number: bool) -> list[Any]:
    """Return a column as Python values, None for a missing number."""
    return [None if value != value else float(value) for value in values.tolist()] if is_number else values.tolist()


def _create(connection: psycopg.Connection, tables: PostgresTables) -> None:
    spec = tables.spec
    # Each row's text columns as rows (name, value), and one row ('', '') that stands for itself.
    texts = [name for name in spec.columns if name not in spec.numbers]
    values = [sql.SQL("({}, {})").format(sql.Literal(name), tables.key(name)) for name in texts]
    values = sql.SQL(", ").join([sql.SQL("('', '')"), *values])
    pairs = sql.SQL("LATERAL (VALUES {}) AS pair (name, value)").format(values)
    definitions = [
        sql.SQL(", {} double precision" if name in spec.numbers else ", {} text NOT NULL").format(tables.column(name))
        for name in spec.columns
    ]
    parts = {
        "schema": sql.Identifier(tables.schema),
        "width": sql.Literal(spec.width),
        "definitions": sql.SQL("").join(definitions),
        # As a literal: whatever a column is called, it cannot end the function's body.
        "counted": sql.Literal(tables.statement(_COUNTED, pairs=pairs).as_string(connection)),
    }
    connection.execute(tables.statement(_CREATE, **parts))
