"""Debian's Chromium, driven by Playwright, with what every test of the page checks: no error in its console."""

import shutil
from contextlib import contextmanager

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium():
    """A browser; without Chromium the test fails: a page that nobody looked at is not tested."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Console:
    """Errors of a page: exceptions, what it logs, what the content security policy refused."""

    def __init__(self, page):
        self.errors = []
        page.on("console", self._add)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _add(self, message):
        # Chromium itself logs each response with an error status: those the tests ask for.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)


def violations(page):
    """What axe-core finds on a page that is serious or critical: rule and places."""
    from axe_playwright_python.sync_playwright import Axe

    rules = Axe().run(page).response["violations"]
    return [
        (rule["id"], [node["target"] for node in rule["nodes"]][:5])
        for rule in rules
        if rule["impact"] in ("serious", "critical")
    ]
