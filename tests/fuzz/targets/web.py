"""The web API: whole requests, as bytes, to the application without a socket."""

import asyncio
import csv
import json
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tests.fuzz.target import Check, Target
from tests.fuzz.targets.documents import JSON_TOKENS
from tests.fuzz.targets.images import drawn, encoded

_FINE = (503, 504)  # busy, or too slow for the limit


def _form(**parts: str | bytes) -> bytes:
    lines = []
    for name, value in parts.items():
        file = b'; filename="a.jpg"' if isinstance(value, bytes) else b""
        data = value if isinstance(value, bytes) else value.encode()
        lines.append(
            b'--x\r\ncontent-disposition: form-data; name="'
            + name.encode()
            + b'"'
            + file
            + b"\r\n\r\n"
            + data
            + b"\r\n"
        )
    return b"".join(lines) + b"--x--\r\n"


def _request(line: str, body: bytes = b"", kind: str = "multipart/form-data; boundary=x") -> bytes:
    return f"{line}\nhost: 127.0.0.1\ncontent-type: {kind}\n\n".encode() + body


def _seeds() -> list[bytes]:
    image = encoded(drawn(), "JPEG")
    where = '{"gender": ["Men"], "price": {"gte": 1, "lt": 50.5}}'
    decision = json.dumps({"id": "1", "action": "correct", "to": "Men", "who": "me"}).encode()
    return [
        _request("POST /api/search", _form(text="blue shirt", k="5", where=where, hybrid="true")),
        _request("POST /api/search", _form(sku="1", k="3", without="red", text_weight="0.25")),
        _request("POST /api/search", _form(image_id="2", where='{"gender": "Women"}')),
        _request("POST /api/search", _form(where=where)),
        _request("POST /api/search", _form(image=image, k="2")),
        _request("POST /api/tag", _form(image=image)),
        _request("POST /api/explain", _form(image=image, attribute="gender")),
        _request("GET /api/info"),
        _request("GET /api/images/1?size=240"),
        _request("GET /api/products/1"),
        _request("GET /api/review?kind=a&offset=0&limit=2"),
        _request("GET /healthz"),
        _request("GET /metrics"),
        _request("POST /api/review", decision, "application/json"),
        _request("GET /static/../app.py"),
        _request("GET /openapi.json"),
    ]


def _prepare(folder: Path) -> Check:
    from fashion_keras.search.indexing import build_index
    from fashion_keras.web.app import create_app
    from fashion_keras.web.config import ServeConfig

    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("sku", "image", "gender", "article_type", "price", "title"))
        for number in range(1, 9):
            drawn((20 + number, 30)).rotate(9 * number).save(folder / f"{number}.png")
            writer.writerow(
                (number, f"{number}.png", ("Men", "Women")[number % 2], "Shirts", 5 * number, f"Blue shirt {number}")
            )
    build_index(str(folder / "products.csv"), out=str(folder / "index"))
    config = ServeConfig(
        index=str(folder / "index"),
        corrections=str(folder / "corrections.csv"),
        max_pixels=1_000_000,
        max_bytes=200_000,
    )
    app, loop = create_app(config), asyncio.new_event_loop()

    def check(data: bytes) -> None:
        status, body = loop.run_until_complete(_call(app, *_parse(data)))
        assert status < 500 or status in _FINE, f"status {status}: {body[:300]!r}"
        if status >= 400:
            message = json.loads(body)["error"] if body else ""
            assert len(message.splitlines()) <= 1, message

    return check


def _parse(data: bytes) -> tuple[dict, bytes]:
    """Return the ASGI scope and the body of a request."""
    head, _, body = data.partition(b"\n\n")
    line, *lines = head.split(b"\n")
    method, _, target = line.partition(b" ")
    path, _, query = target.partition(b"?")
    headers = [tuple(part.strip() for part in text.partition(b":")[::2]) for text in lines if b":" in text]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode("latin-1").upper(),
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace") or "/",
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    return scope, body


async def _call(app, scope: dict, body: bytes) -> tuple[int, bytes]:
    """Return status and body of the response."""
    chunks = [body[: len(body) // 2], body[len(body) // 2 :]]
    received: list[dict] = []

    async def receive() -> dict:
        if not chunks:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: dict) -> None:
        received.append(message)

    await app(scope, receive, send)
    return received[0]["status"], b"".join(part.get("body", b"") for part in received[1:])


TOKENS = (
    *JSON_TOKENS,
    b"--x\r\n",
    b"--x--",
    b"\r\n\r\n",
    b"content-disposition: form-data; name=",
    b'filename="',
    b"../",
    b"%2e%2e/",
    b"%00",
    b"\n",
    b"content-length: -1\n",
    b"content-length: 99999999999\n",
    b"charset=utf-7",
    b"boundary=",
    b"sku",
    b"image",
    b"where",
    b"text",
    b"host: evil\n",
    b"origin: http://evil\n",
    b"/api/",
    b"?token=",
    b"\xff",
    b"transfer-encoding: chunked\n",
)
TARGETS = (Target("web API", _seeds, _prepare, TOKENS, weight=0.6, in_child=True),)
