"""What the server refuses and how: no 5xx, no trace, nothing written, no file by a client's path."""

import json
import logging
import socket
import struct
import time
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_keras.web.config import ServeConfig
from tests.helpers.indexes import SPEC, records
from tests.helpers.servers import recorded_writes, running, send_raw


def post(client, image=None, path="/api/search", **fields):
    files = {"image": ("../../evil.py", image, "image/jpeg")} if image is not None else {"none": (None, "")}
    return client.post(path, files=files, data=fields)


def png(width, height, rows=b""):
    """A PNG file whose header names a size, whatever its pixels are."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(width, height, kind="JPEG"):
    file = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)).save(file, kind)
    return file.getvalue()


def assert_refused(reply, status, *parts):
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert "\n" not in error and "Traceback" not in reply.text and ".py" not in error
    for part in parts:
        assert part in error


@pytest.mark.parametrize(
    ("image", "status", "part"),
    [
        (b"GIF", 415, "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not an image"),
        (b"%PDF-1.7 \n", 415, "not an image"),
        (b"", 422, "empty file"),
        (b"\xff\xd8\xff\xe0 broken", 422, ""),
        (b"\x89PNG\r\n\x1a\n", 422, ""),
        (png(1001, 1000), 413, "1001x1000 pixels; at most 1000000"),
        (png(60_000, 60_000), 422, "above the cap"),
        (png(2**31 - 1, 2**31 - 1), 422, ""),
        (png(0, 5), 422, ""),
        (png(100, 100, b"\0" * 301)[:-20], 422, "truncated PNG"),
    ],
    ids=range(11),
)
def test_unusable_images_are_refused(client, image, status, part):
    assert_refused(post(client, image), status, part)


def test_truncated_jpeg_is_refused(client, photo):
    assert_refused(post(client, photo[: len(photo) // 2]), 422, "truncated")


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"k": "0"}, "k is a whole number"), ({"k": "101"}, "1 to 100"), ({"k": "x"}, "k is"),
        ({"k": "9" * 400}, "k is"),
        ({"k": "²"}, "k is"), ({"text": "shirt", "text_weight": "nan"}, "text_weight"),
        ({"text_weight": "2"}, "0 to 1"),
        ({"text_weight": "much"}, "number"), ({"hybrid": "perhaps"}, "true or false"), ({"hybrid": "true"}, "text"),
        ({"where": "gender=Women"}, "JSON"), ({"where": "[]"}, "JSON object"), ({"where": "[" * 9000}, "JSON"),
        ({"where": '{"gendr": "Women"}'}, "did you mean 'gender'"), ({"where": '{"gender": "Womn"}'}, "Women"),
        ({"where": '{"price": {"gte": NaN}}'}, "JSON"), ({"where": '{"price": {"above": 1}}'}, "operator"),
        ({"where": '{"price": {"gte": "x"}}'}, "no number"), ({"where": '{"gender": {"gte": 1}}'}, "no range"),
        ({"where": '{"gender": [["Women"]]}'}, "value"), ({"where": '{"gender": []}'}, "no value"),
        ({"where": '{"gender": "\\u0000"}'}, "control"), ({"where": '{"gender": "\\ud800"}'}, "unknown value"),
        ({"text": "x" * 501}, "501 characters"), ({"text": "a\0b"}, "control"), ({"text": "!!!"}, "no words"),
        ({"without": "blue"}, "without"), ({"sku": "1", "image_id": "1"}, "one of"), ({"text": "x" * 20_000}, "form"),
    ],
    ids=range(29),
)  # fmt: skip
def test_wrong_fields_are_refused_in_one_line(client, fields, part):
    assert_refused(post(client, **fields), 400, part)


@pytest.mark.parametrize("number", ["1e400", "1" + "0" * 400, "-1e400", "0.1"])
def test_any_number_is_a_bound(client, number):
    assert post(client, where=f'{{"price": {{"gte": {number}}}}}').status_code == 200


def test_an_image_field_without_a_file_is_no_image(client):
    assert_refused(client.post("/api/tag", data={"image": "x"}, files={"a": (None, "")}), 404)
    assert client.post("/api/search", data={"image": "text"}, files={"a": (None, "")}).status_code == 200


_FORM = {"content-type": "multipart/form-data; boundary=x"}
_PART = b"--x\r\nContent-Disposition: form-data"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "application/json"}, b"{}", 415),
        ({}, b"x", 415),
        ({"content-type": "multipart/form-data"}, b"x", 400),
        (_FORM, b"no form", 400),
        ({"content-type": "multipart/form-data; boundary=x; charset=unicode_escape"}, b"--x--", 400),
        (_FORM, _PART + b"\r\n\r\na\r\n--x--", 400),
        (_FORM, b"--x\r\n" + b"a" * 70_000, 400),
        (_FORM, _PART + b'; name="a"; filename="b"\r\n\r\na\r\n--x--\r\n', 400),
    ],
    ids=range(8),
)
def test_damaged_forms_are_refused(client, headers, body, status):
    assert_refused(client.post("/api/search", content=body, headers=headers), status)


def test_two_images_are_refused(client, photo):
    files = [("image", ("a", photo)), ("image", ("b", photo))]
    assert_refused(client.post("/api/search", files=files), 400, "Too many files")


def test_too_large_requests_are_refused_by_header_and_as_they_arrive(client):
    assert_refused(post(client, b"\xff\xd8\xff" + bytes(4_000_000)), 413, "larger than")

    def stream():
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="b"\r\n\r\n'
        for _ in range(60):
            yield bytes(100_000)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert_refused(client.post("/api/search", content=stream(), headers=headers), 413, "larger than")


@pytest.mark.parametrize(
    "path",
    [
        "/api/images/../../../../etc/passwd", "/api/images/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/api/images//etc/passwd",
        "/api/images/..%5c..%5cwindows", "/api/images/%00", "/api/images/%ff", "/static/../app.py",
        "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/api/products/..%2f..%2f", "/api/images/", "/nothing",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(client, path):
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head, _, body = send_raw(client, request.encode()).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"404") and b"root:" not in body and b"import" not in body
    assert b"content-security-policy" in head


def test_a_path_of_a_file_is_no_sku(client, rows):
    for name in (rows[2]["image"], "/etc/passwd", "data:image/png;base64,AAAA"):
        assert_refused(post(client, sku=name), 404)
        assert_refused(post(client, image_id=name), 404)


def test_every_response_carries_the_security_headers(client):
    replies = [client.get(path) for path in ("/", "/healthz", "/api/info", "/nothing", "/api/images/none", "/metrics")]
    replies += [client.put("/api/info"), post(client, b"x"), client.get("/healthz", headers={"host": "evil.example"})]
    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "server" not in reply.headers or "uvicorn" not in reply.headers["server"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:80", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("192.168.1.5:8000", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400), ("", 400), ("127.0.0.1.evil.example:80", 400),
    ],
)  # fmt: skip
def test_only_addresses_and_known_names_are_hosts(client, host, status):
    assert client.get("/healthz", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403), ({"sec-fetch-site": "same-origin"}, 200), ({}, 200),
        ({"origin": "http://localhost:9", "host": "localhost:9"}, 200),
        ({"origin": "http://localhost:8", "host": "localhost:9"}, 403),
    ],
)  # fmt: skip
def test_pages_of_other_sites_cannot_post(client, headers, status):
    assert client.post("/api/search", files={"k": (None, "1")}, headers=headers).status_code == status


def test_uploads_are_never_written_and_names_never_logged(client, photo, caplog):
    large = encoded(900, 900, "PNG")
    assert len(large) > 2**21
    with caplog.at_level(logging.DEBUG), recorded_writes() as files:
        assert post(client, large).status_code == 200
        assert post(client, photo, text="red").status_code == 200
        assert post(client, b"GIF").status_code == 415
        assert post(client, bytes(4_000_000)).status_code == 413
    assert files == []
    assert "evil" not in caplog.text


def test_a_thousand_damaged_uploads_give_no_server_error(client, photo):
    random = np.random.default_rng(7)
    seeds = [photo, encoded(60, 80, "PNG"), encoded(60, 80, "WEBP"), encoded(60, 80, "GIF"), encoded(60, 80, "TIFF"),
             encoded(60, 80, "BMP")]  # fmt: skip
    statuses = set()
    with recorded_writes() as files:
        for number in range(120):
            data = np.frombuffer(seeds[number % len(seeds)], np.uint8).copy()
            places = random.integers(0, len(data), random.integers(1, 40))
            data[places] = random.integers(0, 256, len(places))
            reply = post(client, data[: random.integers(1, len(data) + 1)].tobytes())
            statuses.add(reply.status_code)
            assert reply.status_code in (200, 413, 415, 422), reply.text
    assert {200, 422} <= statuses and files == []


def test_a_token_is_required_when_there_is_one(index):
    with running(ServeConfig(index=index, token="a secret")) as client, client:
        assert_refused(client.get("/api/info"), 401, "token")
        assert_refused(client.get("/"), 401)
        assert_refused(client.get("/metrics"), 401)
        assert client.get("/healthz").status_code == 200
        assert client.get("/api/info", headers={"authorization": "Bearer a secret"}).status_code == 200
        for wrong in ("Bearer a secreT", "Bearer", "Basic a secret", "Bearer a secret more", "Bearer ä"):
            headers = {"authorization": wrong.encode()}
            assert client.get("/api/info", headers=headers).status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/api/info?token=a+secret").status_code == 401
        login = client.get("/?token=a+secret")
        assert (login.status_code, login.headers["location"]) == (303, "/")
        cookie = login.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "secret" not in cookie
        assert client.get("/api/info").status_code == 200  # the client has kept the cookie


def test_a_full_queue_gives_429_and_slow_requests_504(index):
    body = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nblue'
    head = (
        b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 1000\r\n\r\n"
    )
    with running(ServeConfig(index=index, queue=1, max_seconds=2.0)) as client, client:
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as slow:
            slow.sendall(head + body)
            replies = [client.get("/api/info") for _ in range(5)]
            assert_refused(replies[-1], 429, "under way")
            assert replies[-1].headers["retry-after"] == "1"
            assert client.get("/healthz").status_code == 200
            assert slow.recv(65536).startswith(b"HTTP/1.1 504")
        assert client.get("/api/info").status_code == 200


def test_files_that_are_gone_or_damaged_are_reported_without_their_paths(rows, tmp_path):
    from fashion_keras.search.indexing import open_index
    from fashion_keras.search.local import LocalIndex

    (tmp_path / "images").mkdir()
    files = [tmp_path / "images" / f"{number}.jpg" for number in range(3)]
    files[0].write_bytes(b"\xff\xd8\xff damaged")
    files[1].write_bytes(Path(rows[2]["image"]).read_bytes())
    products = replace(records(0, 3), paths=np.array([str(file) for file in files], np.str_))
    LocalIndex.create(tmp_path / "index", replace(SPEC, image_spec=None), products)
    with running(ServeConfig(index=str(tmp_path / "index"))) as client, client:
        statuses = {}
        for name in open_index(tmp_path / "index").ids():
            reply = client.get(f"/api/images/{name}")
            statuses[name] = reply.status_code
            assert str(tmp_path) not in reply.text
        assert list(statuses.values()) == [422, 200, 404]
        assert_refused(post(client, files[1].read_bytes()), 400, "no encoder")
        (tmp_path / "index" / "manifest.json").unlink()
        time.sleep(1.2)
        reply = client.get("/api/info")
        assert_refused(reply, 503, "cannot be read")
        assert str(tmp_path) not in reply.text


def test_a_bug_gives_one_line_and_a_log_entry(client, monkeypatch, caplog):
    from fashion_keras.web.service import resources

    monkeypatch.setattr(resources.Resources, "current", lambda self: 1 / 0)
    reply = client.get("/api/info")
    assert_refused(reply, 500, "internal error")
    assert "ZeroDivisionError" not in reply.text and "ZeroDivisionError" in caplog.text


def test_a_body_is_json_for_every_error(client):
    for reply in (client.get("/nothing"), client.put("/api/search"), client.get("/api/images/x?size=large")):
        assert set(json.loads(reply.content)) == {"error"}
