"""Addresses of indexes in PostgreSQL: what is read of a URL, and that no password is ever shown."""

import logging
import traceback

import pytest
from psycopg.conninfo import conninfo_to_dict

from fashion_keras.search.indexing import build_index, open_index
from fashion_keras.search.pg_connection import parse_address, short_identifier
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC


@pytest.mark.parametrize(
    ("url", "name", "schema"),
    [
        ("postgresql://me@host/shop", "postgresql://me@host/shop?index=fashion_keras", "fashion_keras"),
        ("postgres://me:pw@host:5433/shop?index=a", "postgresql://me@host:5433/shop?index=a", "a"),
        ("postgresql://me:p%40w@host/shop?index=a%26b", "postgresql://me@host/shop?index=a%26b", "a&b"),
        ("postgresql://me:p?w#x@host/shop?index=a", "postgresql://me@host/shop?index=a", "a"),
        ("postgresql://host/shop?password=pw&index=a b", "postgresql://host/shop?index=a%20b", "a b"),
        (
            "postgresql://me:pw@/shop?host=/run/pg",
            "postgresql://me@/shop?host=/run/pg&index=fashion_keras",
            "fashion_keras",
        ),
        ("postgresql://me@/s?host=/run/pg&port=5433&index=a", "postgresql://me@:5433/s?host=/run/pg&index=a", "a"),
    ],
)
def test_parse_address_gives_a_name_without_password(url, name, schema):
    address = parse_address(url)
    assert (address.name, address.schema) == (name, schema)
    assert "pw" not in repr(address)


def test_the_name_reaches_the_same_server():
    address = parse_address("postgresql://me:pw@/shop?host=/run/pg&port=5433&index=a b")
    parts = conninfo_to_dict(parse_address(address.name).conninfo)
    assert parts == {"user": "me", "host": "/run/pg", "port": "5433", "dbname": "shop"}
    assert parse_address(address.name).schema == "a b"


def test_parse_address_leaves_the_other_options_to_libpq():
    address = parse_address("postgresql://me:p%40w@host/shop?sslmode=require&index=a&options=-c%20x%3D1")
    assert address.conninfo == "postgresql://me:p%40w@host/shop?sslmode=require&options=-c%20x%3D1"


def test_short_identifier_has_at_most_63_bytes_and_stays_different():
    names = ["x" * 64, "x" * 65, "ä" * 40, "ä" * 41, "100%", "100_"]
    identifiers = [short_identifier(name) for name in names]
    assert max(len(identifier.encode()) for identifier in identifiers) <= 63
    assert len(set(identifiers)) == len(names)
    assert short_identifier("x" * 63) == "x" * 63


ADDRESSES = [
    "postgresql://me:hunter2@127.0.0.1:1/shop",
    "postgresql://me:hun%74er2@127.0.0.1:1/shop",
    "postgresql://me@127.0.0.1:1/shop?password=hunter2",
    "postgresql://me:hunter2@127.0.0.1:1/shop?index=",
    "postgresql://me:x@hunter2@127.0.0.1:1/shop",
    "postgresql://me:hunter2/x@127.0.0.1:1/shop",
    "postgresql://me:hunter2%zz@127.0.0.1:1/shop",
    "postgresql://me@127.0.0.1:1/shop?pasword=hunter2",
    "postgresql://me@127.0.0.1:hunter2/shop",
    "host=127.0.0.1 port=1 dbname=shop password=hunter2",
    "dbname=shop password='hunter2'",
]


def everything_shown(error):
    """The text of an error, of those it is chained to, and of its traceback without source lines."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), *traceback.format_exception_only(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("call", [open_index, lambda address: build_index("sample", "custom_cnn", address, "none")])
def test_errors_show_no_password(address, call, caplog, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "hunter2-of-the-environment")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(InputError) as caught:
        call(address)
    assert "hunter2" not in everything_shown(caught.value) + caplog.text
    assert "hun%74er2" not in everything_shown(caught.value) + caplog.text
    assert len(str(caught.value).splitlines()) == 1


def test_open_index_shows_no_password(database):
    PostgresIndex.create(database, SPEC)
    index = open_index(database)
    assert "secret" in database
    assert "secret" not in f"{index.name} {index!r} {index._session._address!r}"
    with pytest.raises(InputError) as caught:
        PostgresIndex.create(database, index.spec)
    assert "secret" not in everything_shown(caught.value)
