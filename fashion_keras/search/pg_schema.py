"""The tables of an index in PostgreSQL: made, and brought from one version to the next."""

import json
from collections.abc import Sequence

import psycopg
from psycopg import sql

from fashion_keras.search.base import IndexSpec
from fashion_keras.search.pg_connection import PostgresConnection
from fashion_keras.support.errors import InputError

# Statements that bring an index of one version to the next; a new one runs them all.
_MIGRATIONS = (
    """
    CREATE TABLE {schema}.about (version int NOT NULL, spec jsonb NOT NULL);
    CREATE TABLE {schema}.products (
        id bigint PRIMARY KEY, path text NOT NULL, vector halfvec({width}) NOT NULL{columns}
    );
    {filters}
    """,
    # How many products have each value of a column, and under the name '' how many there are, whoever changes them.
    """
    LOCK TABLE {schema}.products IN SHARE ROW EXCLUSIVE MODE;
    CREATE TABLE {schema}.counts (name text, value text, products bigint NOT NULL, PRIMARY KEY (name, value));
    INSERT INTO {schema}.counts SELECT name, value, count(*) FROM {schema}.products, {pairs} GROUP BY name, value;
    CREATE FUNCTION {schema}.counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO {schema}.counts AS kept
            SELECT name, value, TG_ARGV[0]::int * count(*) FROM changed, {pairs}
            GROUP BY name, value ORDER BY name, value
            ON CONFLICT (name, value) DO UPDATE SET products = kept.products + excluded.products;
        RETURN NULL;
    END $$;
    CREATE TRIGGER added AFTER INSERT ON {schema}.products REFERENCING NEW TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('1');
    CREATE TRIGGER removed AFTER DELETE ON {schema}.products REFERENCING OLD TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('-1');
    CREATE TRIGGER was AFTER UPDATE ON {schema}.products REFERENCING OLD TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('-1');
    CREATE TRIGGER became AFTER UPDATE ON {schema}.products REFERENCING NEW TABLE AS changed
        EXECUTE FUNCTION {schema}.counted('1');
    """,
)


def create_schema(session: PostgresConnection, spec: IndexSpec) -> None:
    """Make the tables of an empty index; InputError when they are there already."""
    with session.transaction(sql.SQL("SELECT 1")) as (connection, _):
        try:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(session.schema)))
        except psycopg.errors.DuplicateSchema:
            raise InputError(f"{session.name}: {session.schema} is there already; give another ?index=NAME") from None
        _migrate(connection, session.schema, spec, 0)
        about = sql.SQL("INSERT INTO {} VALUES (%s, %s)").format(sql.Identifier(session.schema, "about"))
        connection.execute(about, [len(_MIGRATIONS), json.dumps(spec.to_dict())])


def open_schema(session: PostgresConnection) -> IndexSpec:
    """Read what an index holds, having brought its tables up to date; InputError when a later version made it."""
    about = sql.Identifier(session.schema, "about")
    query = sql.SQL("SELECT version, spec FROM {}").format(about)
    with session.transaction(query) as (connection, (version, spec)):
        check_version(session, version)
        spec = IndexSpec.from_dict(spec)
        if version < len(_MIGRATIONS):
            connection.execute(sql.SQL("LOCK TABLE {}").format(about))
            # Another process may have done it while this one waited.
            (version, _) = connection.execute(query).fetchone()
            _migrate(connection, session.schema, spec, version)
            connection.execute(sql.SQL("UPDATE {} SET version = %s").format(about), [len(_MIGRATIONS)])
    return spec


def check_version(session: PostgresConnection, version: int) -> None:
    """Raise InputError for an index that a later version of this program made."""
    if version > len(_MIGRATIONS):
        ours = len(_MIGRATIONS)
        raise InputError(f"{session.name}: made by a later version; this one reads up to {ours}, not {version}")


def _migrate(connection: psycopg.Connection, schema: str, spec: IndexSpec, version: int) -> None:
    products, names = sql.Identifier(schema, "products"), [sql.Identifier(f"column_{name}") for name in spec.columns]
    parts = {
        "schema": sql.Identifier(schema),
        "width": sql.Literal(spec.width),
        "columns": sql.SQL("").join(sql.SQL(", {} text NOT NULL").format(name) for name in names),
        "pairs": _pairs(spec.columns),
        "filters": sql.SQL("").join(sql.SQL("CREATE INDEX ON {} ({});").format(products, name) for name in names),
    }
    for step in _MIGRATIONS[version:]:
        connection.execute(sql.SQL(step).format(**parts))


def _pairs(columns: Sequence[str]) -> sql.Composable:
    """Each row's columns as rows (name, value), and one row ('', '') that stands for itself."""
    pairs = [sql.SQL("({}, {})").format(sql.Literal(name), sql.Identifier(f"column_{name}")) for name in columns]
    return sql.SQL("LATERAL (VALUES {}) AS pair (name, value)").format(
        sql.SQL(", ").join([sql.SQL("('', '')"), *pairs])
    )
