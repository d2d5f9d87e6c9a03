"""A real server of this process on a free loopback port, and what it writes to the disk."""

import os
import socket
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn

_WRITES = []


@contextmanager
def running(config):
    """Serve a config; yield an httpx client of the server."""
    from fashion_keras.web.app import create_app
    from fashion_keras.web.server import uvicorn_config

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn_config(create_app(config)))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            yield httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def recorded_writes():
    """Yield the list of files that this process opens to write, or makes, while the block runs."""
    if not hasattr(recorded_writes, "hooked"):
        sys.addaudithook(_record)
        recorded_writes.hooked = True
    recorded_writes.active, files = True, _WRITES
    files.clear()
    try:
        yield files
    finally:
        recorded_writes.active = False


recorded_writes.active = False


def _record(event, arguments):
    if not recorded_writes.active:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = (mode and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and path != os.devnull:
            _WRITES.append(path)
    elif event in ("os.mkdir", "os.rename", "tempfile.mkstemp", "tempfile.mkdtemp"):
        _WRITES.append(arguments)


def send_raw(client, data, seconds=10):
    """Send bytes as they are to a client's server; return all that comes back until it closes or is silent."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
        return received
