"""What tests of the page do again and again: search, change a filter, read cards and the address."""

from urllib.parse import parse_qs, urlsplit

PHONE = {"viewport": {"width": 375, "height": 812}, "is_mobile": True, "has_touch": True}
CARD = "#grid .card"


def skus(page):
    """SKUs of the cards, in their order, when the search is over."""
    page.wait_for_selector("#grid:not([aria-busy])")
    page.wait_for_selector(CARD)
    return page.eval_on_selector_all(CARD, "cards => cards.map((card) => card.dataset.sku)")


def search(page, words):
    """Search for words and return the SKUs."""
    page.fill("#text", words)
    with page.expect_response("**/api/search"):
        page.press("#text", "Enter")
    return skus(page)


def change(page, action):
    """Do what starts another search, and return its SKUs."""
    with page.expect_response("**/api/search"):
        action()
    return skus(page)


def column(rows, names, name):
    """The values of a column of the table for SKUs."""
    values = {row["id"]: row[name] for row in rows}
    return [values[sku] for sku in names]


def address(page):
    """The parameters of the page's URL."""
    return parse_qs(urlsplit(page.url).query)
