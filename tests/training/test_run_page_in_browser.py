"""Page of a run in headless Chromium: it sorts, asks for nothing, reports no error, fits a phone."""

import pytest

from fashion_keras.training.run_page import write_run_page
from tests.helpers.finished_runs import SCRIPT, write_finished_run


@pytest.fixture
def open_page(browser):
    """Open a file; return the page, its console messages and errors, and the addresses that it asked for."""
    contexts = []

    def open_file(path, **options):
        contexts.append(browser.new_context(**options))
        page, messages, requests = contexts[-1].new_page(), [], []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page, messages, requests

    yield open_file
    for context in contexts:
        context.close()


def column(page, table, place):
    return page.locator(f"{table} tbody tr td:nth-child({place})").all_inner_texts()


@pytest.mark.slow
def test_page_of_a_trained_run_loads_without_errors_or_requests(run, open_page):
    path = run.folder / "report.html"
    page, messages, requests = open_page(path, viewport={"width": 375, "height": 800})
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("[...document.images].every(image => image.alt)")


@pytest.mark.slow
def test_tables_sort_by_click_and_keyboard_and_hostile_labels_do_nothing(tmp_path, open_page):
    path = write_run_page(write_finished_run(tmp_path / "run"), images=False)
    page, messages, _ = open_page(path)
    assert page.title() == "article_type with efficientnet_lite0, frozen"  # the label's script did not run
    table = "section:has(h2:text-is('Per class')) table >> nth=0"
    images = page.locator(table).locator("th button", has_text="test images")
    images.click()
    assert page.locator(table).locator("th[aria-sort=ascending]").inner_text().startswith("test images")
    table = "section:has(h2:text-is('Per class')) .scroll:nth-of-type(1) table"
    assert column(page, table, 2) == ["2", "2", "3"]
    images.click()
    assert column(page, table, 2) == ["3", "2", "2"]
    page.locator(table).locator("th button", has_text="class").first.focus()
    page.keyboard.press("Enter")
    assert column(page, table, 1) == [SCRIPT, "Shirts", "Tops"]
    assert messages == []


@pytest.mark.slow
def test_page_follows_the_color_scheme_and_prints(tmp_path, open_page):
    path = write_run_page(write_finished_run(tmp_path / "run"), images=False)
    shade = "getComputedStyle(document.body).backgroundColor"
    assert open_page(path, color_scheme="light")[0].evaluate(shade) == "rgb(255, 255, 255)"
    page, *_ = open_page(path, color_scheme="dark")
    assert page.evaluate(shade) == "rgb(18, 24, 30)"
    page.emulate_media(media="print")
    assert page.evaluate(shade) == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
