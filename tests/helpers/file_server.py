"""An HTTP server of files on a free loopback port, which sends parts of files if asked, and can be stopped."""

import hashlib
import os
import re
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO


class _Quiet(SimpleHTTPRequestHandler):
    """Python's own handler, without a log and without parts of files."""

    def log_message(self, *_):
        pass


class _Parts(_Quiet):
    """As a store of objects: parts of files, and an ETag of their content."""

    def send_head(self):
        path = self.translate_path(self.path)
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
            return None
        if os.path.isdir(path):  # noqa: PTH112
            return super().send_head()
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - as the base class
                data = file.read()
        except OSError:
            self.send_error(404)
            return None
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(asked[1]), int(asked[2] or len(data) - 1) + 1) if asked else (0, len(data))
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{min(end, len(data)) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", hashlib.sha256(data).hexdigest()[:16])
        self.send_header("Content-Length", str(len(data[start:end])))
        self.end_headers()
        return BytesIO(data[start:end])


@contextmanager
def file_server(folder, port=0, has_parts=True):
    """Serve a folder until the block ends; yield the server, whose address is `server.url`."""
    handler = partial(_Parts if has_parts else _Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.failures = 0  # of the next requests, so many
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
