"""The command `serve`: its address, its end, its errors in one line, and the sample without an index."""

import re
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from fashion_keras.search.indexing import open_index
from fashion_keras.search.similar import search_similar
from fashion_keras.web.config import ServeConfig, is_loopback
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.runs import start_command
from tests.helpers.server_process import serving


def started(process):
    """Wait for the address that a server prints."""
    for line in process.stdout:
        if match := re.match(r"serving on (http://\S+/)", line):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return match[1]
    raise AssertionError(process.stderr.read())


def test_it_prints_its_address_and_ends_with_130_at_ctrl_c(index, tmp_path):
    process = start_command("serve", "--index", index, "--port", 0, "--corrections", tmp_path / "corrections.csv")
    url = started(process)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    assert httpx.get(f"{url}healthz", timeout=60).json() == {"status": "ok"}
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert process.stderr.read().splitlines()[-1] == "interrupted"


@pytest.mark.slow
def test_the_sample_is_served_without_an_index(cache):
    for _ in range(2):  # the second start finds the index in the cache
        process = start_command("serve", "--data", "sample", "--limit", 200, "--port", 0)
        url = started(process)
        info = httpx.get(f"{url}api/info", timeout=120).json()
        assert info["name"] == "sample" and 190 <= info["images"] <= 210
        process.send_signal(signal.SIGINT)
        process.wait(120)
    assert len(list((cache / "served").iterdir())) == 1


@pytest.mark.slow
def test_eight_servers_of_one_index_answer_alike_while_products_are_deleted(index, photo, tmp_path):
    def first_skus(place):
        return [match.sku for match in search_similar(photo, k=5, index=place, exclude_self=False)]

    served, copy = (shutil.copytree(index, tmp_path / name) for name in ("served", "copy"))
    states, writer = [first_skus(copy)], open_index(served)
    deleted = [match.image_id for match in search_similar(photo, k=5, index=copy, exclude_self=False)]
    for image in deleted:
        open_index(copy).delete([image])
        states.append(first_skus(copy))

    def results(client):
        reply = client.post("/api/search", files={"image": ("photo.jpg", photo)}, data={"k": 5})
        return [result["sku"] for result in reply.raise_for_status().json()["results"]]

    def replies(client):
        """All that a server answers until it has the last state."""
        seen = [results(client)]
        until = time.monotonic() + 120
        while seen[-1] != states[-1] and time.monotonic() < until:
            seen.append(results(client))
        return [states.index(skus) for skus in seen]

    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        servers = [*pool.map(lambda _: stack.enter_context(serving("--index", served)), range(8))]
        clients = [stack.enter_context(httpx.Client(base_url=server.url, timeout=60)) for server in servers]
        assert [results(client) for client in clients] == [states[0]] * 8
        running = [pool.submit(replies, client) for client in clients]
        for image in deleted:
            writer.delete([image])
        for seen in running:
            assert seen.result() == sorted(seen.result()) and seen.result()[-1] == len(deleted)


def test_a_port_that_is_taken_is_refused_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line(run_cli("serve", "--index", "none", "--port", port), f"127.0.0.1:{port}: address", "--port")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--index", "none-here"), ("none-here", "no index here")),
        (("--host", "0.0.0.0"), ("--host 0.0.0.0", "--token")),
        (("--token", "ä"), ("--token", "ASCII")),
        (("--host", "no.such.host.invalid", "--token", "t"), ("no.such.host.invalid", "--host")),
        (("--max-bytes", "5"), ("--max-bytes", "at least 1024")),
    ],
)
def test_wrong_calls_are_refused_in_one_line(arguments, parts):
    assert_one_line(run_cli("serve", *arguments, *(() if "--index" in arguments else ("--index", "x"))), *parts)


def test_the_token_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_TOKEN", "from there")
    assert ServeConfig(host="0.0.0.0").token == "from there"
    assert ServeConfig(token="given").token == "given"


@pytest.mark.parametrize(
    ("host", "own"), [("127.5.5.5", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_is_loopback(host, own):
    assert is_loopback(host) is own
