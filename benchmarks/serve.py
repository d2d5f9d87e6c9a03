"""Load of `fashion-keras serve`: concurrent clients for a while, then hostile uploads; prints one JSON object.

    python benchmarks/serve.py --index INDEX [--clients 50] [--seconds 60] [--uploads 1000]

Each client sends one request after the other on its own connection: six of ten are searches by an uploaded photo of the
index, two by words, one lists products by a filter, one loads a thumbnail. After status 429 it waits as long as
Retry-After names, as the page does. Hostile uploads are damaged, truncated, oversized and no images.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen as Server
from typing import Any, TypeAlias

import numpy as np
import psutil
from measure import slope_with_interval

import fashion_keras

TEXTS = ("blue shirt", "black shoes", "red dress", "brown bag", "watch with a leather strap", "striped top")
HEAD = "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n"
# Kind of request, status, seconds.
Result: TypeAlias = tuple[str, int, float]
KIND = "Content-Type: multipart/form-data; boundary=xxx\r\n"


def form(image: bytes | None = None, **fields: str) -> bytes:
    """The bytes of a multipart form."""
    parts = [f'--xxx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in fields.items()]  # fmt: skip
    if image is not None:
        head = b'--xxx\r\nContent-Disposition: form-data; name="image"; filename="p.jpg"\r\n\r\n'
        parts.append(head + image + b"\r\n")
    return b"".join(parts) + b"--xxx--\r\n"


def post(body: bytes, path: str = "/api/search") -> bytes:
    """The bytes of a POST of a form."""
    return HEAD.format("POST", path, len(body), KIND).encode() + body


async def exchange(reader: Reader, writer: Writer, request: bytes) -> tuple[int, dict[str, str], float]:
    """Send a request; return status, headers and seconds."""
    started = time.perf_counter()
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(status.split()[1]), headers, time.perf_counter() - started


def next_request(chooser: random.Random, images: list[bytes], ids: list[str]) -> tuple[str, bytes]:
    """A request of the mix, and its kind."""
    kind = chooser.choices(("photo", "words", "filter", "thumbnail"), (6, 2, 1, 1))[0]
    if kind == "photo":
        return kind, post(form(chooser.choice(images)))
    if kind == "words":
        return kind, post(form(text=chooser.choice(TEXTS)))
    if kind == "filter":
        return kind, post(form(where='{"gender": "Women"}'))
    return kind, HEAD.format("GET", f"/api/images/{chooser.choice(ids)}?size=240", 0, "").encode()


async def run_client(
    number: int, port: int, images: list[bytes], ids: list[str], end: float, results: list[Result]
) -> None:
    """Send requests until `end`; append (kind, status, seconds) of each to `results`."""
    chooser = random.Random(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < end:
        kind, request = next_request(chooser, images, ids)
        status, headers, seconds = await exchange(reader, writer, request)
        results.append((kind, status, seconds))
        if headers.get("connection") == "close":
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if status == 429:
            await asyncio.sleep(int(headers["retry-after"]) * chooser.uniform(0.5, 1.5))
    writer.close()


async def measure_load(
    server: Server, port: int, clients: int, seconds: float, images: list[bytes], ids: list[str]
) -> dict[str, Any]:
    """Run the clients and return the table of what they saw, with the server's memory and CPU time."""
    results: list[Result] = []
    readings: list[tuple[float, float, int]] = []
    process = psutil.Process(server.pid)
    began, cpu = time.monotonic(), sum(process.cpu_times()[:2])
    end = began + seconds
    running = [asyncio.create_task(run_client(n, port, images, ids, end, results)) for n in range(clients)]
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        minutes = (time.monotonic() - began) / 60
        readings.append((minutes, process.memory_info().rss / 2**20, process.num_fds()))
    await asyncio.gather(*running)
    accepted = [row[2] for row in results if row[1] == 200]
    minutes, memory, descriptors = zip(*readings[len(readings) // 3 :], strict=True)
    by_kind = {kind: [row[2] for row in results if row[:2] == (kind, 200)] for kind in {row[0] for row in results}}
    return {
        "clients": clients,
        "seconds": seconds,
        "statuses": dict(Counter(row[1] for row in results)),
        "accepted_per_second": round(len(accepted) / seconds, 1),
        **{f"p{share}_ms": milliseconds(accepted, share) for share in (50, 95, 99)},
        "p95_ms_of": {kind: milliseconds(values, 95) for kind, values in sorted(by_kind.items())},
        "server_cpu_ms_per_accepted": round(1000 * (sum(process.cpu_times()[:2]) - cpu) / max(1, len(accepted)), 1),
        "server_cpu_cores": round((sum(process.cpu_times()[:2]) - cpu) / seconds, 2),
        "rss_mib": [round(readings[0][1]), round(readings[-1][1])],
        "rss_mib_per_minute": [round(end, 2) for end in slope_with_interval(minutes, memory)],
        "descriptors": [readings[0][2], readings[-1][2]],
        "descriptors_per_minute": [round(end, 2) for end in slope_with_interval(minutes, descriptors)],
    }


def milliseconds(values: list[float], share: int) -> float | None:
    """A percentile in milliseconds; None of nothing."""
    return round(float(np.percentile(values, share)) * 1000, 1) if values else None


def png(width: int, height: int) -> bytes:
    """A PNG file of zeros, small whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(min(height, 4000) * (3 * min(width, 4000) + 1)), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def hostile_requests(count: int, images: list[bytes]) -> Iterator[bytes]:
    """Requests that a server must refuse or survive."""
    chooser = random.Random(1)
    bombs = [png(3000, 3000), png(5600, 5700), png(30_000, 30_000), png(2**31 - 1, 1)]
    others = [b"", b"GIF89a", b"<svg/>", b"%PDF-1.4", os.urandom(5000), b"MZ" + bytes(3000), b"PK\x03\x04" * 50]
    for number in range(count):
        image = bytearray(chooser.choice(images))
        for _ in range(chooser.randint(1, 30)):
            image[chooser.randrange(len(image))] = chooser.randrange(256)
        kind = number % 10
        if kind < 5:
            yield post(form(bytes(image[: chooser.randint(1, len(image))])))
        elif kind < 8:
            yield post(form(chooser.choice(others)))
        elif kind == 8:
            yield post(form(chooser.choice(bombs)) if number % 100 < 20 else form(bytes(11 * 2**20)))
        else:
            yield post(bytes(image), chooser.choice(("/api/search", "/api/tag", "/api/explain", "/api/review")))


async def send_hostile(port: int, count: int, images: list[bytes], parallel: int = 8) -> dict[Any, int]:
    """Send hostile requests on a connection each; return how often each status came back."""
    statuses: Counter[Any] = Counter()
    requests = hostile_requests(count, images)

    async def worker() -> None:
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                status, headers, _ = await exchange(reader, writer, request)
                statuses[status] += 1
                if status == 429:
                    await asyncio.sleep(int(headers["retry-after"]))
            except (ConnectionError, asyncio.IncompleteReadError):
                statuses["connection closed"] += 1
            writer.close()

    await asyncio.gather(*(worker() for _ in range(parallel)))
    return dict(statuses)


def snapshot(*folders: str | Path) -> set[tuple[str, int, int]]:
    """Every file in folders, with size and time of change."""
    files = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def start_server(index: str, folder: Path, options: list[str]) -> tuple[Server, int]:
    """Start a server in an empty folder with temporary files of its own; return its process and port."""
    command = [sys.executable, "-m", "fashion_keras", "serve", "--index", index, "--port", "0", *options]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    line = server.stdout.readline()
    return server, int(line.split()[2].rstrip("/").rpartition(":")[2])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", required=True)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("options", nargs="*", help="further flags of serve, after --")
    options = parser.parse_args()
    index = fashion_keras.open_index(options.index)
    chosen = index.ids()[:: max(1, len(index) // 200)]
    images = [Path(path).read_bytes() for path in index.lookup(chosen).paths.tolist()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, port = start_server(str(Path(options.index).absolute()), folder, options.options)
        ids = chosen.tolist()
        asyncio.run(measure_load(server, port, min(4, options.clients), 3, images, ids))  # warm
        report = asyncio.run(measure_load(server, port, options.clients, options.seconds, images, ids))
        before = snapshot(folder, options.index)
        report["hostile_statuses"] = asyncio.run(send_hostile(port, options.uploads, images))
        report["files_written_by_uploads"] = len(snapshot(folder, options.index) - before)
        server.send_signal(signal.SIGINT)
        report["exit_code_at_ctrl_c"] = server.wait(20)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
