"""Killed at any moment, with SIGKILL: every acknowledged change is there, and no half of another."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psycopg
import pytest

from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from tests.helpers.indexes import SPEC, records

pytestmark = pytest.mark.slow

STEPS = ("add", "update", "delete", "compact")
WRITER = """
import sys
from fashion_keras.search.{module} import {name}
from tests.helpers.indexes import records
index = {name}(sys.argv[1])
print("ready", flush=True)
for turn in range(10**6):
    start = 1000 + 50 * turn
    index.add(records(start, start + 50)); print("add", flush=True)
    index.update(records(start, start + 20, seed=turn + 1)); print("update", flush=True)
    index.delete(records(start + 40, start + 50).ids); print("delete", flush=True)
    index.compact(); print("compact", flush=True)
"""


def started(index):
    """A process that changes the index without end, and prints a line after each change."""
    program = WRITER.format(module=type(index).__module__.split(".")[-1], name=type(index).__name__)
    command = [sys.executable, "-c", program, index.name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PGAPPNAME": "writer"})
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for(process, changes):
    """Read so many acknowledgements and return the seconds that each took."""
    times = [time.perf_counter()]
    for number in range(changes):
        assert process.stdout.readline() == f"{STEPS[number % 4]}\n"
        times.append(time.perf_counter())
    return np.diff(times)


def wait_for_server(server):
    """Wait until the server has ended what killed writers began: it learns of their death after its statement."""
    with psycopg.connect(server.address(), autocommit=True) as connection:
        while connection.execute("SELECT FROM pg_stat_activity WHERE application_name = 'writer'").rowcount:
            time.sleep(0.01)


def assert_whole(index, done):
    """The index holds the acknowledged changes, and perhaps, as a whole, the next."""
    new = index.ids()[index.ids() >= "010000"]
    held = dict(zip(new.tolist(), index.lookup(new).embeddings, strict=True))
    assert any(same(held, expected(changes)) for changes in (done, done + 1))
    np.testing.assert_allclose(index.lookup(records(0, 30).ids).embeddings, records(0, 30).embeddings, atol=1e-3)


def same(held, wanted):
    close = all(np.allclose(held[name], wanted[name], atol=1e-3) for name in held if name in wanted)
    return held.keys() == wanted.keys() and close


def expected(changes):
    """Id -> embedding after so many changes."""
    held = {}
    for number in range(changes):
        turn, start = number // 4, 1000 + 50 * (number // 4)
        if number % 4 < 2:
            put = records(start, start + 50) if number % 4 == 0 else records(start, start + 20, seed=turn + 1)
            held |= dict(zip(put.ids.tolist(), put.embeddings, strict=True))
        elif number % 4 == 2:
            held = {name: row for name, row in held.items() if not start + 40 <= int(name) / 10 < start + 50}
    return held


@pytest.fixture(params=[LocalIndex, PostgresIndex])
def index(request, tmp_path):
    where = request.getfixturevalue("database") if request.param is PostgresIndex else tmp_path / "index"
    index = request.param.create(where, SPEC)
    index.add(records(0, 30))
    return index


def emptied(index):
    """The index, opened again, without what an earlier writer added."""
    reopened = type(index)(index.name)
    reopened.delete(reopened.ids()[reopened.ids() >= "010000"])
    return reopened


@pytest.mark.parametrize("step", range(4), ids=STEPS)
def test_index_after_its_writer_is_killed(index, step, server):
    random = np.random.default_rng(step)
    for _ in range(20):
        process = started(emptied(index))
        took = wait_for(process, 4 + step)
        time.sleep(random.uniform(0, 1.2) * took[step])
        process.send_signal(signal.SIGKILL)
        more = [line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
        wait_for_server(server)
        assert_whole(type(index)(index.name), len(took) + len(more))
    emptied(index).compact()


def test_index_after_its_server_is_killed(own_server):
    random = np.random.default_rng(0)
    index = PostgresIndex.create(own_server.address(), SPEC)
    index.add(records(0, 30))
    for _ in range(5):
        index.delete(index.ids()[index.ids() >= "010000"])
        process = started(index)
        wait_for(process, 4)
        time.sleep(random.uniform(0, 0.2))
        own_server.kill()
        more = process.communicate()[0].splitlines()
        own_server.start()
        # The connection is gone with the server; the index opens another.
        assert_whole(index, 4 + len(more))
