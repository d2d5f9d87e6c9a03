"""Review by the API: the queue of an index, decisions on the disk, and what is refused."""

import csv
import time

import pytest

from fashion_keras.catalog.corrections import read_corrections
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.search.indexing import build_index
from fashion_keras.web.config import ServeConfig
from tests.helpers.servers import running
from tests.web.server.conftest import HEADER


@pytest.fixture(scope="module")
def doubled(rows, tmp_path_factory):
    """An index of 25 products; two of other names have the same image."""
    folder = tmp_path_factory.mktemp("doubled")
    first = rows[10] | {"sku": "copy", "title": "Another product by its name"}
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows([*rows[2:26], first])
    build_index(read_catalog(folder / "products.csv", allow_outside=True), out=folder / "index")
    return str(folder / "index")


@pytest.fixture
def served(doubled, tmp_path):
    """A server with a review, and its file of corrections."""
    file = tmp_path / "corrections.csv"
    with running(ServeConfig(index=doubled, corrections=str(file), max_seconds=120.0)) as client, client:
        yield client, file


def queue(client, **parameters):
    while (reply := client.get("/api/review", params=parameters)).status_code == 202:
        assert int(reply.headers["retry-after"]) > 0
        time.sleep(0.2)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_decisions_are_on_the_disk_before_the_reply(served, rows):
    client, file = served
    listed = queue(client, kind="duplicate")
    assert listed["kinds"]["duplicate"] == len(listed["items"]) > 0 and listed["done"] == 0
    item = listed["items"][0]
    assert {item["sku"], *item["others"]} == {"copy", rows[10]["sku"]}
    assert not file.exists()
    decision = {"id": item["id"], "action": "correct", "to": "-Teal", "who": "Ada"}
    reply = client.post("/api/review", json=decision)
    assert reply.json() == {"done": 1, "total": listed["total"]}
    (correction,), malformed = read_corrections(file)
    assert malformed == []
    assert (correction.sku, correction.column, correction.before) == (item["sku"], item["attribute"], item["current"])
    assert (correction.after, correction.action, correction.who) == ("-Teal", "correct", "Ada")
    assert item["id"] not in [left["id"] for left in queue(client)["items"]]


def test_wrong_decisions_are_refused_and_not_stored(served):
    client, file = served
    item = queue(client)["items"][0]
    for decision in (
        {"id": "0" * 16, "action": "accept"}, {"id": item["id"], "action": "delete"}, {"id": item["id"]}, [], "x",
        {"id": item["id"], "action": "correct"}, {"id": item["id"], "action": "correct", "to": ["a"]},
        {"id": item["id"], "action": "accept", "path": "/etc"}, {"id": item["id"], "action": "skip", "who": "x" * 501},
        {"id": item["id"], "action": "skip", "who": "a\0"}, {"id": item["id"], "action": None},
        {"id": None, "action": "skip"},
    ):  # fmt: skip
        reply = client.post("/api/review", json=decision)
        assert reply.status_code == 400 and "\n" not in reply.json()["error"], decision
    assert client.post("/api/review", data={"id": item["id"]}).status_code == 415
    assert (
        client.post("/api/review", content=b"{" * 20_000, headers={"content-type": "application/json"}).status_code
        == 413
    )
    foreign = {"origin": "http://evil.example"}
    assert client.post("/api/review", json={"id": item["id"], "action": "skip"}, headers=foreign).status_code == 403
    for parameters in ({"kind": "all"}, {"limit": "-1"}, {"offset": "x"}):
        assert client.get("/api/review", params=parameters).status_code in (400, 422)
    assert not file.exists()
