"""A served shop, a browser, and pages that fail their test for an error in the console."""

import pytest

from tests.helpers.browser import Console
from tests.helpers.page_shop import write_shop
from tests.helpers.server_process import serving


@pytest.fixture(scope="session")
def shop(sample, tmp_path_factory):
    """The folder of a shop of 240 products and 280 images, and its rows."""
    folder = tmp_path_factory.mktemp("shop") / "boutique"
    return folder, write_shop(sample, folder)


@pytest.fixture(scope="session")
def rows(shop):
    """The rows of the shop's table."""
    return shop[1]


@pytest.fixture(scope="session")
def photo(shop):
    """The image of the shop's first product, a black dress."""
    folder, rows = shop
    return folder / "images" / f"{rows[0]['id']}.jpg"


@pytest.fixture(scope="session")
def index(shop, tmp_path_factory):
    """The index of the shop."""
    from fashion_keras import build_index

    out = tmp_path_factory.mktemp("index") / "boutique"
    build_index(str(shop[0]), out=str(out))
    return out


@pytest.fixture(scope="session")
def served(index):
    """The server of the shop's index."""
    with serving("--index", index) as server:
        yield server


@pytest.fixture
def open_page(browser):
    """Open an address in a page of its own: URL, options of the browser's context -> page."""
    contexts, consoles = [], []

    def opened(url, **options):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        consoles.append(Console(page))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [error for console in consoles for error in console.errors] == []
