"""The browser page of an export in ONNX, with onnxruntime-web from npm, in Chromium."""

import shutil
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
    if not shutil.which("npm") or not shutil.which("chromium"):
        pytest.skip("npm and Chromium are not installed")
    folder, _ = export({"model": str(run.folder), "format": "onnx", "out": str(tmp_path / "out")})
    installed = subprocess.run(
        ["npm", "install", "--ignore-scripts"], cwd=folder / "browser", capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"npm cannot install onnxruntime-web here: {installed.stderr.splitlines()[-1]}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/browser/"
    server.shutdown()


@pytest.mark.slow
def test_page_proves_its_resizer_and_predicts_what_the_run_does(address, run, sample):
    sync_api = pytest.importorskip("playwright.sync_api")
    path = sorted(sample.glob("images/*"))[3]
    errors = []
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*flags, "--disable-sync"])
        page = browser.new_page()
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
        browser.close()
    assert errors == []
