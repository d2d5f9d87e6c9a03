"""The page's map, its review and its tags of a photo, driven in Chromium as people use them."""

import csv

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import violations
from tests.helpers.page import PHONE, address
from tests.helpers.server_process import serving

pytestmark = pytest.mark.slow

MINUTE = 60_000  # milliseconds: what the server computes first


@pytest.fixture(scope="module")
def corrections(tmp_path_factory):
    """The file that gets the decisions of a review."""
    return tmp_path_factory.mktemp("review") / "corrections.csv"


@pytest.fixture(scope="module")
def reviewing(index, run, corrections):
    """A server with a run and a file for corrections."""
    options = ("--run", run.folder, "--corrections", corrections, "--max-seconds", 120)  # of a busy machine
    with serving("--index", index, *options) as server:
        yield server


def open_map(open_page, served, **options):
    page = open_page(f"{served.url}/?view=map", **options)
    page.wait_for_selector("#map .nearby a", timeout=3 * MINUTE)
    return page


def open_review(open_page, served, query="", **options):
    page = open_page(f"{served.url}/?view=review{query}", **options)
    page.wait_for_selector("#review .item", timeout=3 * MINUTE)
    return page


def decisions(corrections):
    """The rows of the corrections file."""
    with corrections.open() as file:
        return list(csv.DictReader(file))


def test_the_map_zooms_highlights_and_opens_products(open_page, served):
    page = open_map(open_page, served)
    heading = page.locator("#map h2")
    expect(heading).to_have_text("The 24 in the middle of 280 in view")
    label = page.locator("#map .legend button").first
    label.click()
    shown = int(label.locator(".count").text_content())
    expect(heading).to_contain_text(str(shown))
    label.click()
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    expect(heading).not_to_contain_text("280")
    page.get_by_role("button", name="Show all").click()
    expect(heading).to_contain_text("280")
    box = page.locator("canvas").bounding_box()
    places = ((x, y) for y in range(10, 600, 12) for x in range(10, 1000, 12))
    for x, y in places:
        page.mouse.move(box["x"] + x, box["y"] + y)
        if page.locator("canvas.over").count():
            break
    assert page.locator("#map .tip").is_visible()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#product dl")
    assert page.locator("#product dl").is_visible()


def test_the_map_works_by_keyboard(open_page, served):
    page = open_map(open_page, served)
    page.focus("canvas")
    page.keyboard.press("ArrowRight")
    status = page.locator("#map [role=status]")
    expect(status).to_contain_text("product")
    first = status.text_content()
    page.keyboard.press("ArrowRight")
    expect(status).not_to_have_text(first)
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#map h2")).not_to_contain_text("280")
    sku = status.text_content().rpartition(" ")[2]
    page.keyboard.press("Enter")
    page.wait_for_selector("#product dl")
    assert address(page)["product"] == [sku]
    page.keyboard.press("Escape")
    page.locator("#map .nearby a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#product dl")


@pytest.mark.parametrize("size", [PHONE, {}], ids=["phone", "desktop"])
def test_axe_finds_no_serious_violation(open_page, reviewing, size):
    page = open_map(open_page, reviewing, **size)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page = open_review(open_page, reviewing, **size)
    assert violations(page) == []
    page.fill("#who", "Ada")
    page.get_by_role("button", name="Correct…").click()
    page.wait_for_selector("#label-list li")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_decisions_are_written(open_page, reviewing, corrections):
    """One label is accepted, one corrected and one skipped, by keys; each is in the file when the next one is shown."""
    before = len(decisions(corrections)) if corrections.exists() else 0
    page = open_review(open_page, reviewing)
    item = page.locator("#review .item")
    first = item.get_attribute("data-id")
    page.keyboard.press("a")
    expect(page.locator("#who-problem")).to_contain_text("Enter your name")
    page.keyboard.type("Ada")
    page.keyboard.press("Tab")
    page.locator("h1:visible").focus()
    assert not corrections.exists() or len(decisions(corrections)) == before
    page.keyboard.press("s")
    expect(item).not_to_have_attribute("data-id", first)
    (skipped,) = decisions(corrections)[before:]
    assert (skipped["who"], skipped["action"]) == ("Ada", "skip")
    second = item.get_attribute("data-id")
    current = page.locator(".comparison dd").first.text_content()
    page.keyboard.press("c")
    page.wait_for_selector("#label-list li")
    labels = page.locator("#label-list li").all_text_contents()
    wanted = next(label for label in labels if label != current)
    page.keyboard.type(wanted)
    page.keyboard.press("Enter")
    expect(item).not_to_have_attribute("data-id", second)
    corrected = decisions(corrections)[-1]
    assert (corrected["action"], corrected["from"], corrected["to"]) == ("correct", current, wanted)
    third = item.get_attribute("data-id")
    page.keyboard.press("a")
    expect(item).not_to_have_attribute("data-id", third)
    accepted = decisions(corrections)[-1]
    assert accepted["action"] == "accept" and accepted["from"]
    assert len(decisions(corrections)) == before + 3
    expect(page.locator("#progress-text")).to_contain_text("3 items of")
    again = open_review(open_page, reviewing)
    assert again.locator("#review .item").get_attribute("data-id") not in (first, second, third)
    page.reload()
    assert page.input_value("#who") == "Ada"


def test_a_decision_that_cannot_be_written_is_reported(open_page, reviewing):
    page = open_review(open_page, reviewing)
    page.route("**/api/review", lambda route: route.fulfill(status=400, json={"error": "the disk is full"}))
    page.fill("#who", "Ada")
    page.get_by_role("button", name="Skip").click()
    expect(page.locator("#decision")).to_have_text("Not written: The disk is full")


def test_tags_of_a_photo_and_where_the_network_looked(open_page, reviewing, photo):
    page = open_page(reviewing.url)
    page.set_input_files("#file", photo)
    row = page.locator("#tags .row").first
    expect(row).to_contain_text("Article type", timeout=MINUTE)
    assert 0 < int(row.locator(".share").text_content().removesuffix(" %")) <= 100
    expect(row.locator(".badge")).to_have_text("Released")
    assert violations(page) == []
    page.locator("label.switch", has_text="Where the network looked").click()
    page.wait_for_selector(".overlay:not([hidden])", timeout=3 * MINUTE)
    assert page.evaluate("document.querySelector('.overlay').naturalHeight") == 480
    page.locator("label.switch", has_text="Where the network looked").click()
    assert not page.locator(".overlay").is_visible()
