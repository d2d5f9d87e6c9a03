"""The page of the server, driven in Chromium as people use it."""

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import violations
from tests.helpers.page import CARD, PHONE, address, change, column, search, skus

pytestmark = pytest.mark.slow


def test_it_starts_with_the_products_of_the_catalog(open_page, served, rows):
    page = open_page(served.url)
    assert len(skus(page)) == 24
    assert page.text_content("#catalog-facts") == "240 products, 280 images"
    assert page.locator("#facet-article_type").is_visible()
    page.click("#more")
    expect(page.locator(CARD)).to_have_count(48)


def test_words_find_products_and_stay_in_the_address(open_page, served, rows):
    page = open_page(served.url)
    skus(page)
    matches = search(page, "watch")
    assert column(rows, matches[:5], "articleType").count("Watches") >= 3
    assert address(page)["text"] == ["watch"]
    assert search(page, "blue bag") != matches
    page.go_back()
    expect(page.locator("#text")).to_have_value("watch")
    expect(page.locator(CARD).first).to_have_attribute("data-sku", matches[0])
    again = open_page(page.url)
    assert skus(again) == matches


def test_a_photo_finds_its_product_and_words_change_it(open_page, served, rows, photo):
    page = open_page(served.url)
    skus(page)
    matches = change(page, lambda: page.set_input_files("#file", photo))
    assert matches[0] == rows[0]["id"]
    assert page.locator("#photo-panel img").first.is_visible()
    guess = page.locator("#guesses button", has_text="Gender: Women")
    assert guess.is_visible()
    assert not page.locator("#weight-field").is_visible()
    assert search(page, "blue") != matches
    assert page.locator("#weight-field").is_visible()
    words_alone = change(page, lambda: page.locator("#weight").fill("1"))
    assert words_alone[0] != rows[0]["id"]
    change(page, lambda: page.get_by_role("button", name="Remove: “blue”").click())
    filtered = change(page, guess.click)
    assert set(column(rows, filtered, "gender")) == {"Women"}
    change(page, lambda: page.get_by_role("button", name="Remove: Your photo").click())
    assert not page.locator("#photo-panel").is_visible()


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_photo_can_be_pasted_and_dropped(open_page, served, rows, photo, event):
    page = open_page(served.url)
    skus(page)
    program = """([event, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "photo.jpg", {type: "image/jpeg"}));
        const options = {bubbles: true, cancelable: true};
        document.dispatchEvent(event === "paste" ? new ClipboardEvent("paste", {...options, clipboardData: data})
            : new DragEvent("drop", {...options, dataTransfer: data}));
    }"""
    matches = change(page, lambda: page.evaluate(program, [event, list(photo.read_bytes())]))
    assert matches[0] == rows[0]["id"]


def test_a_phone_has_a_camera_button(open_page, served):
    page = open_page(served.url, **PHONE)
    page.locator("#take").wait_for(state="visible")
    assert page.locator("#camera").get_attribute("capture") == "environment"


def test_more_like_this(open_page, served, rows):
    page = open_page(served.url)
    first = skus(page)[0]
    matches = change(page, lambda: page.locator(CARD).first.get_by_role("button", name="More like this").click())
    assert first not in matches
    assert address(page)["like"] == [first]
    own = next(row for row in rows if row["id"] == first)
    shared = page.locator(f"{CARD} .tag.shared").all_text_contents()
    assert shared
    assert all(text.removeprefix("shared ").partition(": ")[2] in own.values() for text in shared)


def test_a_card_shows_the_other_images(open_page, served, rows):
    page = open_page(f"{served.url}/?is.price=..15")
    skus(page)
    card = page.locator(f"{CARD}[data-sku='{rows[0]['id']}']")
    button = card.get_by_role("button", name="2 images of")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert card.locator(".strip button").count() == 2
    before = card.locator(".shot img").get_attribute("src")
    card.locator(".strip button").nth(1).click()
    assert card.locator(".shot img").get_attribute("src") != before


def test_a_product_opens_and_closes_with_the_address(open_page, served, rows):
    page = open_page(served.url)
    first = skus(page)[0]
    page.locator(f"{CARD} .product-link").first.click()
    page.wait_for_selector("#product dl")
    title = page.text_content("#product h2")
    assert title == column(rows, [first], "productDisplayName")[0]
    assert address(page)["product"] == [first]
    assert page.locator("#product .grid .card").count() > 3
    page.locator("#product .grid .product-link").first.click()
    expect(page.locator("#product h2")).not_to_have_text(title)
    page.keyboard.press("Escape")
    page.wait_for_selector("#product", state="hidden")
    assert "product" not in address(page)
    page.go_back()
    page.wait_for_selector("#product dl")


def test_filters_count_and_narrow(open_page, served, rows):
    page = open_page(served.url)
    skus(page)
    women = page.locator("#facets label", has=page.locator("[data-value=Women]"))
    expected = sum(row["gender"] == "Women" for row in rows)
    assert women.locator(".count").text_content() == str(expected)
    matches = change(page, women.click)
    assert set(column(rows, matches, "gender")) == {"Women"}
    assert address(page)["is.gender"] == ["Women"]
    men = page.locator("#facets label", has=page.locator("[data-value=Men]")).locator(".count")
    assert men.text_content() == str(240 - expected)  # without the facet's own condition
    kind = rows[0]["articleType"]
    box = page.locator("#facets label", has=page.locator(f"[data-value='{kind}']"))
    assert int(box.locator(".count").text_content()) == sum(
        row["articleType"] == kind and row["gender"] == "Women" for row in rows
    )
    change(page, page.get_by_role("button", name="Remove: Gender: Women").click)
    assert "is.gender" not in address(page)


def test_a_range_narrows(open_page, served, rows):
    page = open_page(served.url)
    skus(page)
    prices = page.locator("details", has=page.locator("#facet-price"))
    assert prices.locator(".histogram .in").count() == 20
    page.fill("#facet-price-from", "20")
    change(page, lambda: page.press("#facet-price-from", "Enter"))
    page.fill("#facet-price-to", "29.5")
    matches = change(page, lambda: page.press("#facet-price-to", "Enter"))
    assert sorted(column(rows, matches, "price")) == list(range(20, 30))
    assert address(page)["is.price"] == ["20..29.5"]
    assert 0 < prices.locator(".histogram .in").count() < 20
    change(page, page.get_by_role("button", name="Remove: Price 20 to 29.5").click)
    matches = change(page, prices.locator(".histogram").click)  # in its middle
    (least, most) = map(float, address(page)["is.price"][0].split(".."))
    assert 100 < least < most < 160


def test_options(open_page, served, rows):
    page = open_page(served.url)
    skus(page)
    words = search(page, "women dress")
    page.click("#options-toggle")
    page.fill("#without", "stripes")
    assert change(page, lambda: page.press("#without", "Enter")) != words
    sku = rows[7]["id"]
    change(page, page.get_by_role("button", name="Remove: Without").click)
    change(page, page.locator("label", has=page.locator("#hybrid")).click)
    assert search(page, sku)[0] == sku
    assert address(page) == {"text": [sku], "hybrid": ["1"]}


def test_a_phone_shows_two_columns_and_a_drawer(open_page, served, rows):
    page = open_page(served.url, **PHONE)
    skus(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    left = {round(card.bounding_box()["x"]) for card in page.locator(CARD).all()}
    assert len(left) == 2
    assert not page.locator("#facets").is_visible()
    page.click("#open-filters")
    change(page, page.locator("#drawer label", has=page.locator("[data-value=Men]")).click)
    assert page.text_content("#open-filters").strip() == "Filters (1)"
    page.get_by_role("button", name="Show products").click()
    assert not page.locator("#drawer").is_visible()
    assert set(column(rows, skus(page), "gender")) == {"Men"}


@pytest.mark.parametrize("width", [375, 768, 1024, 1440])
def test_nothing_is_wider_than_the_screen(open_page, served, rows, width):
    address = f"{served.url}/?text=dress&is.gender=Women&is.price=10..200&without=stripes&like={rows[0]['id']}"
    page = open_page(address, viewport={"width": width, "height": 800})
    skus(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {}], ids=["phone", "desktop"])
def test_axe_finds_no_serious_violation(open_page, served, photo, scheme, size):
    page = open_page(f"{served.url}/?text=dress&is.gender=Women", color_scheme=scheme, **size)
    skus(page)
    assert violations(page) == []
    page.locator(f"{CARD} .product-link").first.click()
    page.wait_for_selector("#product dl")
    assert violations(page) == []
    page.keyboard.press("Escape")
    if size:
        page.click("#open-filters")
        assert violations(page) == []
        page.keyboard.press("Escape")
    change(page, lambda: page.set_input_files("#file", photo))
    page.wait_for_selector("#guesses button")
    page.click("#options-toggle")
    assert violations(page) == []
    page.goto(f"{served.url}/?is.price=1..2")
    page.wait_for_selector("#message .notice")
    assert violations(page) == []


def test_everything_works_by_keyboard(open_page, served, rows):
    page = open_page(served.url)
    skus(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.focus("#text")
    page.keyboard.type("dress")
    change(page, lambda: page.keyboard.press("Enter"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    page.focus("#facet-gender")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "checkbox"
    focused = page.evaluate("document.activeElement.id")
    change(page, lambda: page.keyboard.press("Space"))
    assert page.evaluate("document.activeElement.id") == focused
    page.locator(f"{CARD} .product-link").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#product dl")
    assert page.evaluate("document.activeElement.closest('#product') !== null")
    page.keyboard.press("Escape")
    page.wait_for_selector("#product", state="hidden")
    assert page.evaluate("document.activeElement.className") == "product-link"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#results-heading")).to_be_focused()
    assert "like" in address(page)
