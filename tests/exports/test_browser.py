"""The browser page of an export in ONNX, with onnxruntime-web from npm, in Chromium."""

import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fashion_keras import export, load_classifier


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server without its log."""

    def log_message(self, *_):
        pass


@pytest.fixture
def address(run, tmp_path):
    """A server of an export whose page has its packages from npm."""
    folder, _ = export({"model": str(run.folder), "format": "onnx", "out": str(tmp_path / "out")})
    # The tests' proxy answers nothing.
    environment = {name: value for name, value in os.environ.items() if name.lower() != "https_proxy"}
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder / "browser", env=environment, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/browser/"
    server.shutdown()


@pytest.mark.slow
def test_page_proves_its_resizer_and_predicts_what_the_run_does(address, run, sample, browser):
    path = sorted(sample.glob("images/*"))[3]
    page, errors = browser.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.wait_for_function("!document.getElementById('status').textContent.startsWith('Loading')", timeout=240_000)
    status = page.text_content("#status")
    assert status == "Pixels and outputs of 5 golden images agree with Keras.", errors
    page.set_input_files("#image", path)
    page.wait_for_selector("#output li")
    predictions = load_classifier(run.folder).predict(path)
    expected = f"article_type: {predictions.names[0]} {predictions.probabilities.max():.3f}"
    assert page.text_content("#output li").startswith(expected)
    page.close()
    assert errors == []
