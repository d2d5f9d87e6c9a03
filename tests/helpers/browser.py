"""Headless Chromium by Playwright: an installed one, or the one that Playwright has downloaded."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def open_browser():
    """Yield a browser; the test is skipped where Playwright or a browser is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as api:
        try:
            browser = api.chromium.launch(executable_path=installed, args=FLAGS)
        except playwright.Error as error:
            pytest.skip(f"no Chromium here: {error}")
        yield browser
        browser.close()
