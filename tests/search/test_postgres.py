"""The index in PostgreSQL: other users and programs, older versions, servers that go away or lack something."""

import json
import os
import re
import threading
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import psycopg
import pytest

from fashion_keras.search import pg_schema, postgres
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, assert_nearest, brute_force, names, records

VERSION_1 = """
CREATE SCHEMA "{0}";
CREATE TABLE "{0}".about (version int NOT NULL, spec jsonb NOT NULL);
CREATE TABLE "{0}".products (id bigint PRIMARY KEY, path text NOT NULL, vector halfvec(16) NOT NULL);
"""


@pytest.fixture
def index(database):
    index = PostgresIndex.create(database, SPEC)
    index.add(records(0, 30))
    return index


@pytest.fixture
def admin(server):
    """Run a statement as the owner of the server."""
    with psycopg.connect(server.address(), autocommit=True) as connection:
        yield connection.execute


def schema(url):
    return unquote(url.split("index=")[1])


def test_open_refuses_another_version_which_can_be_overwritten(database, admin):
    admin("CREATE EXTENSION IF NOT EXISTS vector")
    admin(VERSION_1.format(schema(database)))
    admin(f'INSERT INTO "{schema(database)}".about VALUES (1, %s)', [json.dumps({"fingerprint": "abc"})])
    with pytest.raises(
        InputError, match=r"tables of version 1; this version .* reads 4: build .* --overwrite`"
    ) as caught:
        PostgresIndex(database)
    assert len(str(caught.value).splitlines()) == 1
    index = PostgresIndex.create(database, SPEC, records(0, 30), overwrite=True)
    admin(f'UPDATE "{schema(database)}".about SET version = 9')
    for call in (lambda: PostgresIndex(database), lambda: index.delete(names(0)), lambda: len(index)):
        with pytest.raises(InputError, match="tables of version 9; this version"):
            call()


def test_size_counts_what_other_programs_change(index, admin):
    images = f'"{schema(index.name)}".images'
    admin(f"DELETE FROM {images} WHERE column_gender = 'Men'")
    admin(f"UPDATE {images} SET column_gender = 'Boys' WHERE id = '000010'")
    assert len(index) == 22
    assert index.nearest(records(0, 1).embeddings, 22, {"gender": "Boys"})[0].ids.tolist() == names(10)
    with pytest.raises(InputError, match="unknown value of gender 'Men'"):
        index.nearest(records(0, 1).embeddings, 3, {"gender": "Men"})
    index.compact()
    assert index.ids().tolist() == PostgresIndex(index.name).ids().tolist()


def test_connection_is_opened_again_when_the_server_closed_it(index, admin):
    def backend():
        return index._session._connection.info.backend_pid

    first = backend()
    index.add(records(30, 40))
    index.compact()
    index.nearest(records(0, 1).embeddings, 3)
    assert backend() == first
    admin("SELECT pg_terminate_backend(%s)", [first])
    assert index.nearest(records(0, 40).embeddings[7], 1)[0].ids.tolist() == names(70)
    assert backend() != first
    admin("SELECT pg_terminate_backend(%s)", [backend()])
    index.add(records(40, 50))
    assert len(index) == 50
    index.close()
    assert len(index) == 50


def test_connection_is_usable_after_a_refused_call(index):
    with pytest.raises(InputError, match="id 000000 is in the index already"):
        index.add(records(0, 3))
    index.delete(names(0))
    assert len(index) == 29


def test_index_is_shared_by_threads(index):
    failed = []

    def work(number):
        try:
            for turn in range(5):
                start = 100 * (number + 1) + 10 * turn
                index.add(records(start, start + 10))
                results = index.nearest(records(start, start + 10).embeddings, 1)
                assert [neighbors.ids[0] for neighbors in results] == records(start, start + 10).ids.tolist()
        except Exception as error:  # noqa: BLE001 - whatever a thread raises fails the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(index) == 330


def test_writers_wait_for_each_other(index):
    other = PostgresIndex(index.name)
    waiting = threading.Thread(target=other.update, args=[records(0, 30, seed=1)])
    with index._transaction("FOR UPDATE"):
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join()
    np.testing.assert_allclose(index.lookup(names(0)).embeddings, records(0, 30, seed=1).embeddings[:1], atol=1e-3)


@pytest.fixture
def large(database, monkeypatch):
    monkeypatch.setattr(pg_schema, "HNSW_MIN_ROWS", 1000)
    index = PostgresIndex.create(database, SPEC)
    index.add(records(0, 2000))
    assert index.stats()["hnsw"]
    return index


def test_hnsw_of_a_large_index_has_a_recall_near_1(large):
    products, queries = records(0, 2000), records(9000, 9050).embeddings
    shared = [
        len({*neighbors.ids} & {*brute_force(products, query, 10)[0]})
        for query, neighbors in zip(queries, large.nearest(queries, 10), strict=True)
    ]
    assert np.mean(shared) / 10 > 0.98
    assert len(large.nearest(queries[0], 700)[0].ids) == 700


def test_nearest_of_a_small_index_is_exact_after_hnsw_searches(large, monkeypatch):
    products, queries = records(0, 2000), records(9000, 9010).embeddings
    for _ in range(3):
        large.nearest(queries, 10)
        monkeypatch.setattr(pg_schema, "HNSW_MIN_ROWS", 5000)
        for query, neighbors in zip(queries, large.nearest(queries, 10), strict=True):
            assert_nearest(neighbors, products, query, 10)
        monkeypatch.setattr(pg_schema, "HNSW_MIN_ROWS", 1000)


@pytest.mark.parametrize("where", [{"gender": "Girls"}, {"gender": ["Girls", "Men"], "base_colour": "Teal"}])
def test_hnsw_goes_on_until_a_filter_has_all_it_can_have(large, monkeypatch, where):
    monkeypatch.setattr(postgres, "MAX_EXACT", 0)
    rare = records(3000, 3003)
    columns = {"gender": np.array(["Girls"] * 3), "base_colour": np.array(["Teal"] * 3)}
    large.add(replace(rare, columns=columns))
    far = -rare.embeddings[0]
    assert sorted(large.nearest(far, 5, where)[0].ids) == rare.ids.tolist()


def test_open_without_a_server():
    with pytest.raises(InputError, match="no connection: ") as caught:
        PostgresIndex("postgresql://me:secret@/postgres?host=/nowhere&index=x")
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_open_without_an_index(database):
    with pytest.raises(InputError, match="no index here; `fashion-keras index"):
        PostgresIndex(database)


@pytest.fixture
def bare(server, admin):
    """A database of its own; its name."""
    admin("CREATE DATABASE bare")
    yield "bare"
    admin("DROP DATABASE bare WITH (FORCE)")


def test_open_without_pgvector(server, admin, bare):
    if not admin("SELECT 1 FROM pg_settings WHERE name = 'extension_control_path'").fetchone():
        pytest.skip("PostgreSQL below 18 finds extensions in one place alone")
    admin("ALTER DATABASE bare SET extension_control_path = '/nowhere'")
    for call in (PostgresIndex, lambda url: PostgresIndex.create(url, SPEC)):
        with pytest.raises(InputError, match="this server has no pgvector; install"):
            call(server.address(database=bare))


def test_open_with_too_old_a_pgvector(server, bare):
    with psycopg.connect(server.address(database=bare)) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    with pytest.raises(InputError, match=r"pgvector is 0\.7\.4 there; install 0\.8"):
        PostgresIndex(server.address(database=bare))


@pytest.fixture
def role(admin):
    """Somebody who may only log in."""
    admin("CREATE ROLE somebody LOGIN")
    yield "somebody"
    admin("DROP OWNED BY somebody")
    admin("DROP ROLE somebody")


def test_create_by_a_role_that_may_not_install_pgvector(server, bare, role):
    with pytest.raises(InputError, match='permission denied to create extension "vector"; ask'):
        PostgresIndex.create(server.address(user=role, database=bare), SPEC)


def test_create_by_a_role_that_may_not(server, index, role):
    with pytest.raises(InputError, match="permission denied for database postgres; ask"):
        PostgresIndex.create(f"{server.address(user=role)}&index=mine", SPEC)


def test_delete_by_a_role_that_may_only_read(server, index, role, admin):
    admin(f'GRANT USAGE ON SCHEMA "{schema(index.name)}" TO {role}')
    admin(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema(index.name)}" TO {role}')
    reader = PostgresIndex(f"{server.address(user=role)}&index={schema(index.name)}")
    assert reader.nearest(records(0, 30).embeddings[7], 1, {"gender": ""})[0].ids.tolist() == names(70)
    with pytest.raises(InputError, match="permission denied for table about; ask"):
        reader.delete(names(0))


def test_add_that_the_server_ends(index, admin):
    rows = records(100, 110)

    class Ended(np.ndarray):
        """Paths that end the connection when they are read."""

        def tolist(self):
            admin("SELECT pg_terminate_backend(%s)", [index._session._connection.info.backend_pid])
            return super().tolist()

    broken = replace(rows, paths=rows.paths.view(Ended))
    with pytest.raises(InputError, match=r"the server ended the call .* as a whole or not at all"):
        index.add(broken)
    assert len(index) == 30


@pytest.mark.parametrize("name", ["a b", "50%25", "%25s", "caf%C3%A9+x", "a%26b", "%22quoted%22.name", "#1", "x" * 100])
def test_index_name_may_hold_any_character(server, name):
    places = [f"{server.address()}&index={name}{suffix}" for suffix in ("", "-2")]
    for place in places:
        PostgresIndex.create(place, SPEC, records(0, 3))
    index = PostgresIndex(places[0])
    index.add(records(3, 4))
    assert index.nearest(records(0, 4).embeddings[3], 1)[0].ids.tolist() == names(30)
    assert (len(index), len(PostgresIndex(places[1]))) == (4, 3)
    assert index.stats()["products"] == 4
    index.compact()


@pytest.mark.parametrize("name", ["pg_mine", "", "a%00b"])
def test_index_name_that_postgresql_refuses(server, name):
    with pytest.raises(InputError, match=r"\?index=") as caught:
        PostgresIndex.create(f"{server.address()}&index={name}", SPEC)
    assert len(str(caught.value).splitlines()) == 1


def test_overwrite_refuses_a_schema_with_other_tables(index, admin):
    admin(f'CREATE TABLE "{schema(index.name)}".mine (id int)')
    with pytest.raises(InputError, match="the schema holds other tables"):
        PostgresIndex.create(index.name, SPEC, overwrite=True)
    assert len(index) == 30


@pytest.mark.parametrize("path", ["a\0b.jpg", "a\udce9.jpg"])
def test_add_refuses_text_that_postgresql_cannot_store(index, path):
    products = records(50, 51)
    with pytest.raises(InputError, match="a value that PostgreSQL cannot store") as caught:
        index.add(replace(products, paths=np.array([path])))
    assert len(str(caught.value).splitlines()) == 1
    assert len(index) == 30


def test_every_subquery_has_an_alias(index, monkeypatch):
    """PostgreSQL before 16 needs it."""
    statements = []
    execute = psycopg.Connection.execute

    def record(self, query, *arguments, **options):
        statements.append(query if isinstance(query, str) else query.as_string(self))
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", record)
    monkeypatch.setattr(postgres, "MAX_EXACT", 0)
    index.nearest(records(0, 1).embeddings, 3, {"gender": ["Men", "Women"], "base_colour": "Red"})
    subqueries = [statement for statement in statements if re.search(r"FROM \(SELECT", statement)]
    assert subqueries
    assert all(re.search(r"\) AS \w+$", statement) for statement in subqueries)


def test_forked_process_opens_its_own_connection(index):
    code = os.fork()
    if not code:
        os._exit(0 if len(index) == 30 else 1)
    assert os.waitpid(code, 0)[1] == 0
    assert len(index) == 30
