"""Writing products to PostgreSQL: COPY, DELETE, and the HNSW index."""

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector

from fashion_keras.search.base import Records
from fashion_keras.search.pg_schema import PostgresTables
from fashion_keras.support.errors import InputError

# From so many products on an HNSW index is built.
HNSW_MIN_ROWS = 20_000
# KiB of memory that the server is asked for, at most, when it builds HNSW.
_MAX_MEMORY = 2**21
SIZE = "SELECT coalesce(max(products), 0) FROM {counts} WHERE name = ''"


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
        _build_hnsw(connection, tables, products)


def remove_products(connection: psycopg.Connection, tables: PostgresTables, ids: NDArray[np.int64]) -> None:
    """Delete products; InputError for an id that is not there."""
    query = tables.statement("DELETE FROM {products} WHERE id = ANY(%s) RETURNING id")
    removed = {row[0] for row in connection.execute(query, [ids.tolist()])}
    for number in ids.tolist():
        if number not in removed:
            raise InputError(f"id {number} is not in the index")


def _build_hnsw(connection: psycopg.Connection, tables: PostgresTables, products: int) -> None:
    """Build HNSW unless it is there; one that does not fit into the server's memory takes many times as long."""
    needed = min(_MAX_MEMORY, products * (2 * tables.spec.width + 500) // 1024)
    connection.execute(
        "SELECT set_config('maintenance_work_mem', greatest(%s, pg_size_bytes(current_setting("
        "'maintenance_work_mem')) / 1024)::text, true)",
        [needed],
    )
    connection.execute(
        tables.statement("CREATE INDEX IF NOT EXISTS hnsw ON {products} USING hnsw (embedding halfvec_cosine_ops)")
    )
