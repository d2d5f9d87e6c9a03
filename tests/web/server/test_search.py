"""Searches of the server: what comes back for images, words, products, filters and nothing, on real images."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fashion_keras.search.similar import search_similar


def search(client, image=None, **fields):
    files = {"image": ("../../photo.exe", image, "text/html")} if image is not None else {"none": (None, "")}
    return client.post("/api/search", files=files, data=fields)


def skus(reply):
    return [result["sku"] for result in reply.json()["results"]]


def test_info_names_what_the_server_has(client, rows):
    info = client.get("/api/info").json()
    assert (info["images"], info["products"]) == (len(rows), len(rows) - 1)
    assert (info["encoder"], info["has_text"], info["tagger"], info["run"]) == ("fashion_encoder", True, False, False)
    assert info["limits"] == {"bytes": 3_000_000, "pixels": 1_000_000, "seconds": 120}
    facets = {facet["name"]: (facet["label"], facet["kind"]) for facet in info["facets"]}
    assert facets["base_colour"] == ("Color", "values") and facets["price"] == ("Price", "number")
    assert "product_display_name" not in facets


def test_search_by_image_returns_what_the_package_returns(client, index, photo, rows):
    reply = search(client, photo, k=5)
    assert reply.status_code == 200
    results = reply.json()["results"]
    matches = search_similar(photo, k=5, index=index, exclude_self=False)
    assert [result["sku"] for result in results] == [match.sku for match in matches]
    assert results[0]["sku"] == rows[2]["sku"] and results[0]["score"] == pytest.approx(1, abs=1e-3)
    for result, match in zip(results, matches, strict=True):
        assert result["score"] == pytest.approx(match.score, abs=1e-3)
        assert (result["rank"], set(result["shared"])) == (match.rank, set(match.shared_attributes))
        assert result["title"] == match.attributes["product_display_name"]


def test_search_by_image_guesses_what_most_of_ten_neighbors_have(client, index, photo):
    options = {"exclude_self": False, "collapse_duplicates": False, "group_by_product": False}
    neighbors = search_similar(photo, k=10, index=index, **options)
    total = sum(match.score for match in neighbors)
    guessed = search(client, photo).json()["guessed"]
    for name in ("gender", "article_type", "base_colour"):
        votes = Counter()
        for match in neighbors:
            votes[match.attributes.get(name, "")] += match.score / total
        value, share = votes.most_common(1)[0]
        expected = {"value": value, "share": pytest.approx(share, abs=0.01)} if value and share > 0.5 else None
        assert guessed.get(name) == expected
    assert guessed and "price" not in guessed
    assert search(client, text="blue shirt").json()["guessed"] == {}


def test_search_by_words_and_by_both(client, index, photo):
    reply = search(client, text="blue bag", k=4)
    assert skus(reply) == [match.sku for match in search_similar(text="blue bag", k=4, index=index)]
    both = search(client, photo, text="red", text_weight="0.7", without="striped", k=4)
    options = {"text": "red", "text_weight": 0.7, "without": "striped", "index": index, "exclude_self": False}
    assert skus(both) == [match.sku for match in search_similar(photo, k=4, **options)]


def test_hybrid_search_matches_words_of_titles(client, index, rows):
    for row in rows[2:12]:
        found = skus(search(client, text=row["title"], hybrid="true", k=5))
        matches = search_similar(text=row["title"], k=5, index=index, hybrid=True)
        assert found == [match.sku for match in matches] and row["sku"] in found


def test_more_like_a_product_leaves_it_out(client, index, rows):
    sku = rows[4]["sku"]
    reply = search(client, sku=sku, k=6)
    assert skus(reply) == [match.sku for match in search_similar(sku, k=6, index=index)]
    assert sku not in skus(reply)
    assert skus(search(client, image_id=sku, k=6)) == skus(reply)


def test_a_product_with_two_images_is_one_card(client, rows):
    sku = rows[0]["sku"]
    results = search(client, k=100).json()["results"]
    (card,) = [result for result in results if result["sku"] == sku]
    assert len(card["images"]) == card["matched"] == 2
    assert len({result["sku"] for result in results}) == len(results)


def test_browsing_lists_products_that_match(client, rows):
    reply = search(client, where=json.dumps({"gender": "Women"}), k=100)
    women = {row["sku"] for row in rows if row["gender"] == "Women"}
    assert set(skus(reply)) == women
    assert all(result["score"] is None and result["shared"] == [] for result in reply.json()["results"])


def test_filters_and_ranges_hold_together(client, rows):
    where = {"base_colour": ["Blue", "Black"], "price": {"gte": 50, "lt": 400}}
    reply = search(client, text="shirt", where=json.dumps(where), k=100)
    expected = {row["sku"] for row in rows if row["base_colour"] in ("Blue", "Black") and 50 <= row["price"] < 400}
    assert set(skus(reply)) == expected and expected


def products_by(name, rows):
    """Value -> number of products with it."""
    return Counter(value for _, value in {(row["sku"], row[name]) for row in rows if row[name] != ""})


def counted(facet):
    return {value["value"]: value["count"] for value in facet["values"]}


def test_facets_count_products_without_their_own_condition(client, rows):
    assert counted(search(client).json()["facets"]["gender"]) == products_by("gender", rows)
    where = {"gender": "Women", "price": {"gte": 300}}
    facets = search(client, where=json.dumps(where)).json()["facets"]
    dear, women = [row for row in rows if row["price"] >= 300], [row for row in rows if row["gender"] == "Women"]
    assert counted(facets["gender"]) == products_by("gender", dear)
    colors = products_by("base_colour", [row for row in dear if row in women])
    assert counted(facets["base_colour"]) == colors
    counts = [value["count"] for value in facets["base_colour"]["values"]]
    assert counts == sorted(colors.values(), reverse=True)


def test_the_histogram_counts_a_product_once_in_a_bin(client, rows):
    price = search(client, where=json.dumps({"gender": "Women"})).json()["facets"]["price"]
    women = [row for row in rows if row["gender"] == "Women"]
    assert (price["min"], price["max"]) == (women[0]["price"], women[-1]["price"])
    bins = [np.searchsorted(price["edges"][1:-1], row["price"], "right") for row in women]
    expected = Counter(place for _, place in {(row["sku"], place) for row, place in zip(women, bins, strict=True)})
    assert price["counts"] == [expected[place] for place in range(len(price["edges"]) - 1)]


def test_a_product_has_its_images_attributes_and_neighbors(client, rows):
    reply = client.get(f"/api/products/{rows[0]['sku']}").json()
    assert (reply["sku"], reply["title"], len(reply["images"])) == (rows[0]["sku"], rows[0]["title"], 2)
    assert reply["attributes"]["gender"] == rows[0]["gender"]
    assert len(reply["neighbours"]) == 12 and rows[0]["sku"] not in [row["sku"] for row in reply["neighbours"]]
    assert client.get("/api/products/none").status_code == 404


def test_thumbnails_are_encoded_again_and_cached(client, rows):
    original = Image.open(rows[3]["image"])
    for size in (96, 240, 480, 960):
        reply = client.get(f"/api/images/{rows[3]['sku']}?size={size}")
        image = Image.open(BytesIO(reply.content))
        assert (image.format, reply.headers["content-type"]) == ("JPEG", "image/jpeg")
        assert max(image.size) == min(size, max(original.size))
        assert image.width / image.height == pytest.approx(original.width / original.height, abs=0.02)
    tag = reply.headers["etag"]
    again = client.get(f"/api/images/{rows[3]['sku']}?size=960", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in reply.headers["cache-control"]
    assert client.get(f"/api/images/{rows[3]['sku']}?size=100").status_code == 400


def test_the_map_has_every_image_in_the_unit_square(client, rows):
    while (reply := client.get("/api/map")).status_code == 202:
        assert int(reply.headers["retry-after"]) > 0
        time.sleep(0.1)
    points = reply.json()["points"]
    assert len(points) == reply.json()["of"] == len(rows)
    assert all(0 <= point[axis] <= 1 for point in points for axis in "xy")
    types = {row["sku"]: row["article_type"] for row in rows[2:]}
    assert all(types.get(point["sku"], point["label"]) == point["label"] for point in points)
    assert set(reply.json()["labels"]) == {row["article_type"] for row in rows}


def test_concurrent_searches_share_forward_passes_and_return_the_same(client, rows):
    images = [open(row["image"], "rb").read() for row in rows[2:26]]  # noqa: SIM115, PTH123
    single = [search(client, image, k=5).json()["results"] for image in images]
    before = batches(client)
    with ThreadPoolExecutor(24) as threads:
        together = list(threads.map(lambda image: search_patiently(client, image), images))
    assert [[result["sku"] for result in results] for results in together] == [
        [result["sku"] for result in results] for results in single
    ]
    for results, expected in zip(together, single, strict=True):
        scores = [[result["score"] for result in ranked] for ranked in (results, expected)]
        np.testing.assert_allclose(*scores, atol=1e-3)
    passes, embedded = (after - earlier for after, earlier in zip(batches(client), before, strict=True))
    assert embedded == 24 and passes < 24


def search_patiently(client, image):
    """Search again while the server is busy, as on a slow machine."""
    while (reply := search(client, image, k=5)).status_code == 429:
        time.sleep(float(reply.headers["retry-after"]))
    return reply.json()["results"]


def batches(client):
    """Number of forward passes, and of images in them."""
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    return float(lines["fashion_keras_batch_images_count"]), float(lines["fashion_keras_batch_images_sum"])


def test_metrics_count_requests_by_route_and_status(client):
    client.get("/api/products/not-there")
    client.get("/healthz")
    text = client.get("/metrics").text
    assert 'fashion_keras_requests_total{method="GET",route="/api/products/{sku:path}",status="404"}' in text
    assert 'fashion_keras_request_seconds_bucket{route="/healthz",le="+Inf"}' in text
    assert "fashion_keras_queue_length 0" in text and "not-there" not in text


def test_openapi_describes_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {
        "/api/info", "/api/search", "/api/tag", "/api/explain", "/api/map", "/healthz", "/metrics",
        "/api/images/{image_id}", "/api/products/{sku}",
    } <= set(paths)  # fmt: skip
    assert (
        "image" in paths["/api/search"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    )
