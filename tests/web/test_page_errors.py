"""What the page shows for files, servers and addresses that fail, driven in Chromium."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.helpers.page import change, skus
from tests.helpers.server_process import serving

pytestmark = pytest.mark.slow


def test_bad_files_are_refused_in_one_line(open_page, served, tmp_path):
    page = open_page(served.url)
    skus(page)
    (tmp_path / "notes.txt").write_text("not an image")
    page.set_input_files("#file", tmp_path / "notes.txt")
    assert "notes.txt is not an image" in page.text_content("#banner")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    page.set_input_files("#file", tmp_path / "broken.jpg")
    error = page.wait_for_selector("#message .error")
    assert "This photo cannot be used" in error.text_content() and "JPEG" in error.text_content()
    assert not page.locator("#banner").is_visible()
    assert len(change(page, page.get_by_role("button", name="Remove the photo").click)) == 24


def test_too_large_files_are_refused(open_page, served, tmp_path):
    page = open_page(served.url)
    skus(page)
    (tmp_path / "heavy.jpg").write_bytes(b"\xff\xd8\xff" + bytes(11 * 2**20))
    page.set_input_files("#file", tmp_path / "heavy.jpg")
    assert re.search(r"heavy.jpg is too large: 11.5 MB, and the server accepts 10.5 MB", page.text_content("#banner"))
    Image.fromarray(np.zeros((7000, 6000), np.uint8)).save(tmp_path / "wide.png")
    with page.expect_response("**/api/search") as response:
        page.set_input_files("#file", tmp_path / "wide.png")
    assert response.value.status == 413
    assert "6000x7000 pixels" in page.wait_for_selector("#message .error").text_content()


def test_a_busy_server_is_asked_again(open_page, served):
    page = open_page(served.url)
    skus(page)
    replies = []

    def busy(route):
        replies.append(route)
        if len(replies) > 1:
            return route.continue_()
        return route.fulfill(status=429, headers={"retry-after": "1"}, json={"error": "busy"})

    page.route("**/api/search", busy)
    page.fill("#text", "dress")
    page.press("#text", "Enter")
    expect(page.locator("#status")).to_contain_text("Trying again in 1 s")
    expect(page.locator("#status")).to_contain_text("24 products")
    assert len(replies) == 2


def test_no_product_is_a_page_of_its_own(open_page, served):
    page = open_page(f"{served.url}/?is.price=1..2")
    assert "No products" in page.wait_for_selector("#message .notice").text_content()
    assert len(change(page, page.get_by_role("button", name="Remove the filters").click)) == 24


def test_an_unknown_product_is_reported(open_page, served):
    page = open_page(f"{served.url}/?product=nothing")
    assert "SKU" in page.wait_for_selector("#product .error").text_content()


def test_a_stopped_server_is_reported(open_page, index):
    with serving("--index", index) as server:
        page = open_page(server.url)
        skus(page)
        server.stop()
        page.fill("#text", "dress")
        page.press("#text", "Enter")
        error = page.wait_for_selector("#message .error").text_content()
        assert "The server does not respond" in error and "fashion-keras serve" in error
