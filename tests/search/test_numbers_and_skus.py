"""What retailers bring: SKUs to the letter, several images of a product, prices, long texts; alike in both indexes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fashion_keras.cli import main
from fashion_keras.search.base import Records
from fashion_keras.search.indexing import build_index, open_index, update_index
from fashion_keras.search.similar import search_similar
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, assert_nearest, records

SKUS = [
    "AB-123/4", "00123", "123", "0", "Größe Ä", "カテゴリ/7", "é", "e\u0301", "it's \"so\"", "50 % {x} \\n", "a", "A",
    "x" * 300, "..", "1.0", "NULL",
]  # fmt: skip
PRICED = replace(SPEC, columns=("gender", "price", "stock"), numbers=("price", "stock"))


def priced(count):
    """Images with a price, which every seventh lacks, and a whole number."""
    products = records(0, count)
    prices = np.random.default_rng(1).uniform(1, 900, count).round(2)
    prices[::7] = np.nan
    prices[3] = 100
    columns = {"gender": products.columns["gender"], "price": prices, "stock": np.arange(count) % 50}
    return replace(products, columns=columns)


def test_skus_and_ids_are_stored_to_the_letter(kind, location):
    count = len(SKUS)
    ids = np.array([f"{sku}:front/1" for sku in SKUS])
    products = replace(records(0, 2 * count), ids=np.concatenate([ids, SKUS]), skus=np.array(SKUS * 2))
    index = kind.create(location, SPEC, products.take(np.arange(count)))
    index.add(products.take(np.arange(count, 2 * count)))
    index.update(products.take(np.arange(3)))
    for _ in range(2):
        opened = kind(location)
        assert opened.ids().tolist() == sorted([*ids, *SKUS])
        stored = opened.lookup(products.ids)
        assert (stored.ids.tolist(), stored.skus.tolist()) == (products.ids.tolist(), SKUS * 2)
        for sku in SKUS:
            assert opened.find(sku).tolist() == [sku]
        index.compact()
    index.delete(SKUS)
    assert [index.find(sku).tolist() for sku in SKUS] == [[f"{sku}:front/1"] for sku in SKUS]
    assert (index.find("00123:front/1").tolist(), index.find("0123").tolist()) == (["00123:front/1"], [])
    assert {name: index.stats()[name] for name in ("images", "products")} == {"images": count, "products": count}


RANGES = [
    ({"price": {"gte": 100, "lt": 500}}, lambda price, _: (price >= 100) & (price < 500)),
    ({"price": {"gt": 100.0}}, lambda price, _: price > 100),
    ({"Price": {"lte": "100"}}, lambda price, _: price <= 100),
    ({"price": 100}, lambda price, _: price == 100),
    ({"price": [100, None]}, lambda price, _: (price == 100) | np.isnan(price)),
    ({"stock": [3, 7.0, "11"]}, lambda _, stock: np.isin(stock, [3, 7, 11])),
    (
        {"stock": {"gte": 10, "lte": 12}, "price": {"lt": 400}},
        lambda price, stock: (abs(stock - 11) <= 1) & (price < 400),
    ),
]


@pytest.mark.parametrize(("where", "matches"), RANGES, ids=[str(where) for where, _ in RANGES])
def test_range_equals_brute_force(kind, location, where, matches):
    products = priced(500)
    index = kind.create(location, PRICED, products.take(np.arange(300)))
    index.add(products.take(np.arange(300, 500)))
    rows = np.flatnonzero(matches(products.columns["price"], products.columns["stock"]))
    query = records(900, 901).embeddings[0]
    k = min(20, len(rows))
    assert k
    assert_nearest(index.nearest(query, k, where)[0], products.take(rows), query, k)
    assert len(index.nearest(query, 500, where)[0].ids) == len(rows)


def test_range_that_nothing_is_in_is_empty(kind, location):
    index = kind.create(location, PRICED, priced(20))
    assert len(index.nearest(records(0, 1).embeddings, 5, {"price": {"gt": 1000}})[0].ids) == 0
    assert len(index.nearest(records(0, 1).embeddings, 5, {"stock": 77})[0].ids) == 0


def test_numbers_are_stored_as_they_are(kind, location):
    products = priced(40)
    index = kind.create(location, PRICED, products)
    for _ in range(2):
        columns = kind(location).lookup(products.ids).columns
        assert columns["price"].tobytes() == products.columns["price"].tobytes()
        assert (columns["stock"].dtype, columns["stock"].tolist()) == (np.int64, list(range(40)))
        index.compact()
    # Whole numbers so far, then some that are missing or have decimals.
    changed = replace(
        products.take(np.arange(2)), columns={**products.take(np.arange(2)).columns, "stock": [1.5, np.nan]}
    )
    index.update(replace(changed, columns={name: np.array(values) for name, values in changed.columns.items()}))
    np.testing.assert_array_equal(index.lookup(products.ids[:3]).columns["stock"], [1.5, np.nan, 2])
    match = search_similar(products.ids[5], 40, index=location, where={"stock": 7})[0]
    assert match.attributes == {"stock": 7}
    assert type(match.attributes["stock"]) is int


@pytest.mark.parametrize(
    "where",
    [
        {"gender": "women"},
        {"Gender": " WOMEN "},
        {"gender": ["womeN", "Women"]},
        {"base colour": "gru\u0308n", "gender": "women"},
    ],
)
def test_texts_and_columns_are_matched_loosely(kind, location, where):
    products = records(0, 24)
    index = kind.create(location, SPEC, products)
    expected = (products.columns["gender"] == "Women") & ((np.arange(24) % 3 == 2) | (len(where) == 1))
    ids = index.nearest(products.embeddings[0], 24, where)[0].ids
    assert sorted(ids) == products.ids[expected].tolist()


def test_text_in_two_spellings_is_found_as_written_or_loosely(kind, location):
    products = replace(
        records(0, 3), columns={"gender": np.array(["Men", "men", "Women"]), "base_colour": np.array(["a"] * 3)}
    )
    index = kind.create(location, SPEC, products)
    for text, count in [("Men", 1), ("men", 1), ("MEN", 2), ("Mén", 0)]:
        if count:
            assert len(index.nearest(products.embeddings[0], 3, {"gender": text})[0].ids) == count
        else:
            with pytest.raises(InputError, match="unknown value of gender 'Mén'; did you mean 'M"):
                index.nearest(products.embeddings[0], 3, {"gender": text})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"price": {"ge": 1}}, "unknown operator of the range of price 'ge'; did you mean 'gte'"),
        ({"price": {"gte": "cheap"}}, "filter on price: 'cheap' is no number"),
        ({"price": {"gte": None}}, "filter on price: gte needs a number, not None"),
        ({"price": "cheap"}, "filter on price: 'cheap' is no number"),
        ({"price": {}}, "no value of price to filter by"),
        ({"gender": {"gte": 1}}, "filter on gender: it holds texts, which have no range; give a value"),
        ({"prize": {"gte": 1}}, "unknown column 'prize'; did you mean 'price'"),
        ({"price": 1, "Price": 2}, "two filters on price: give one"),
    ],
)
def test_filter_refuses_in_one_line(kind, location, where, message):
    index = kind.create(location, PRICED, priced(8))
    with pytest.raises(InputError, match=message) as caught:
        index.nearest(records(0, 1).embeddings, 3, where)
    assert len(str(caught.value).splitlines()) == 1


def test_add_refuses_texts_where_the_index_has_numbers(kind, location):
    index = kind.create(location, PRICED, priced(8))
    columns = {"gender": np.array(["", ""]), "price": np.array(["9", "POA"]), "stock": np.arange(2)}
    with pytest.raises(
        InputError, match=r"column price holds numbers in this index, not texts; build .* --overwrite`$"
    ):
        index.add(replace(records(10, 12), columns=columns))


def test_texts_of_any_length(kind, location):
    long = np.array(["word " * 100_000 + end for end in ("a", "b", "a")] + ["", "short"], object)
    products = replace(records(0, 5), columns={"gender": long, "base_colour": np.array(["Red"] * 5)})
    index = kind.create(location, SPEC, products)
    assert kind(location).lookup(products.ids).columns["gender"].tolist() == long.tolist()
    assert sorted(index.nearest(products.embeddings[0], 5, {"gender": long[0]})[0].ids) == products.ids[[0, 2]].tolist()
    assert index.nearest(products.embeddings[0], 5, {"gender": "SHORT"})[0].ids.tolist() == products.ids[[4]].tolist()
    with pytest.raises(InputError, match="unknown value of gender 'shirt'; did you mean 'short'") as caught:
        index.nearest(products.embeddings[0], 5, {"gender": "shirt"})
    assert len(str(caught.value)) < 200


def on_a_fan(cosines):
    """Unit vectors [n, 16] with these cosines to the first axis, each in a plane of its own."""
    embeddings = np.zeros((len(cosines), 16), np.float32)
    embeddings[:, 0] = cosines
    embeddings[np.arange(len(cosines)), 1 + np.arange(len(cosines))] = np.sqrt(1 - np.square(cosines))
    return embeddings


@pytest.fixture
def fan(kind, location):
    """An index of product Q, the query, and of products A, B and C with several images."""
    images = {"Q": 1.0, "A:1": 0.9, "A:2": 0.8, "B/1": 0.7, "A:3": 0.6, "C": 0.5, "B/2": 0.4}
    ids = np.array([*images])
    columns = {"gender": np.array(["Men"] * 7), "price": np.array([9, 1, 2, 3, 4.5, 5, 6]), "stock": np.arange(7)}
    kind.create(
        location,
        PRICED,
        Records(ids, np.array([name[0] for name in images]), on_a_fan([*images.values()]), ids, columns),
    )
    return location


def results(matches):
    return [(match.rank, match.sku, match.image_id, match.matched) for match in matches]


def test_group_by_product_returns_the_best_image_and_how_many_matched(fan):
    # With k = 2 the first product left out is C, at 0.5: B/2 ranks behind it.
    assert results(search_similar("Q", 2, index=fan)) == [(1, "A", "A:1", 3), (2, "B", "B/1", 1)]
    every = [(1, "A", "A:1", 3), (2, "B", "B/1", 2), (3, "C", "C", 1)]
    assert results(search_similar("Q", 3, index=fan)) == results(search_similar("Q", 50, index=fan)) == every
    assert results(search_similar("Q", 1, index=fan)) == [(1, "A", "A:1", 2)]
    assert [match.score for match in search_similar("Q", 3, index=fan)] == pytest.approx([0.9, 0.7, 0.5], abs=1e-3)


def test_group_by_product_false_returns_every_image(fan):
    matches = search_similar("Q", 4, index=fan, group_by_product=False)
    assert results(matches) == [(1, "A", "A:1", 1), (2, "A", "A:2", 1), (3, "B", "B/1", 1), (4, "A", "A:3", 1)]


def test_group_by_product_with_a_range(fan):
    assert results(search_similar("Q", 3, index=fan, where={"price": {"gte": 2, "lt": 6}})) == [
        (1, "A", "A:2", 2), (2, "B", "B/1", 1), (3, "C", "C", 1),
    ]  # fmt: skip
    assert search_similar("Q", 1, index=fan, where={"stock": 4})[0].attributes == {
        "gender": "Men",
        "price": 4.5,
        "stock": 4,
    }


def test_query_by_a_product_is_by_the_mean_of_its_images(fan):
    embeddings = on_a_fan([0.9, 0.8, 0.6])
    embeddings[2, [3, 5]] = embeddings[2, [5, 3]]  # A:3 is the fifth of the fan
    query = embeddings.mean(axis=0) / np.linalg.norm(embeddings.mean(axis=0))
    matches = search_similar("A", 2, index=fan)
    assert [match.sku for match in matches] == ["Q", "B"]
    assert matches[0].score == pytest.approx(query[0], abs=1e-3)
    # Of one image the product's other images are left out, too.
    assert [match.sku for match in search_similar("A:2", 5, index=fan)] == ["Q", "B", "C"]
    assert results(search_similar("A:2", 1, index=fan, exclude_self=False)) == [(1, "A", "A:2", 1)]


def test_query_is_a_file_then_an_image_id_then_a_sku(kind, location, tmp_path, monkeypatch):
    kind.create(
        location, SPEC, replace(records(0, 3), ids=np.array(["7", "8", "9"]), skus=np.array(["8", "007", "007"]))
    )
    monkeypatch.chdir(tmp_path)
    assert (
        results(search_similar(8, 5, index=location))
        == results(search_similar("8", 5, index=location))
        == [(1, "8", "7", 1)]
    )
    assert [match.sku for match in search_similar("007", 5, index=location)] == ["8"]
    with pytest.raises(InputError, match=r"^12: no image id or SKU that is in the index$"):
        search_similar([8, 12], 5, index=location)
    for name in ("07", "x" * 5000, "a\udce9.jpg"):
        with pytest.raises(InputError, match=r"no such file, and no image id or SKU that is in the index$"):
            search_similar(name, 5, index=location)
    (tmp_path / "8").write_text("no image")
    with pytest.raises(InputError, match="not an image"):
        search_similar("8", 5, index=location)


ROWS = [
    "AB-1/4,front.png,Women,19.5", "AB-1/4,back.png,Women,19.5", "00123,shoe.png,men,250", "0123,hat.png,Men,",
    "Ä 7,belt.png,Men,900",
]  # fmt: skip


def write_shop(folder, rows):
    folder.mkdir(exist_ok=True)
    for number, row in enumerate(rows):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 6, 3), np.uint8)
        Image.fromarray(pixels).resize((48, 64)).save(folder / row.split(",")[1])
    (folder / "products.csv").write_text("\n".join(["sku,image,gender,price", *rows]) + "\n", "utf-8")
    return folder


def test_index_and_search_commands_on_a_shop(location, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop", ROWS)
    build = [
        "index",
        "--data",
        shop,
        "--encoder",
        "custom_cnn",
        "--weights",
        "none",
        "--image-size",
        "32",
        "--out",
        location,
    ]
    assert main([str(argument) for argument in build]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [f"{'images':12}5", f"{'products':12}4"]
    search = ["search", "00123", "--index", str(location), "--json"]
    assert main([*search, "--where", "price>=19", "--where", "price<900", "--where", "Gender=WOMEN"]) == 0
    (match,) = json.loads(capsys.readouterr().out)["matches"]
    assert (match["sku"], match["matched"], match["rank"]) == ("AB-1/4", 2, 1)
    assert match["image_id"] in ("AB-1/4:front", "AB-1/4:back")
    assert match["attributes"] == {"gender": "Women", "price": 19.5}
    assert main([*search, "--no-group-by-product", "-k", "9"]) == 0
    skus = [match["sku"] for match in json.loads(capsys.readouterr().out)["matches"]]
    assert sorted(skus) == ["0123", "AB-1/4", "AB-1/4", "Ä 7"]
    sheet = tmp_path / "sheet.png"
    assert main(["search", "AB-1/4", "--index", str(location), "--out", str(sheet)]) == 0
    output = capsys.readouterr().out
    assert all(sku in output for sku in ("00123", "0123", "Ä 7"))
    assert "AB-1/4" not in output
    assert sheet.is_file()
    assert main([*search, "--where", "gender>=1"]) == 2
    assert "it holds texts, which have no range" in capsys.readouterr().err


def test_update_index_follows_skus_and_prices(location, tmp_path):
    shop = write_shop(tmp_path / "shop", ROWS)
    build_index(shop, "custom_cnn", location, weights="none", image_size=32)
    changes = [
        (ROWS, (0, 0, 0)),
        ([*ROWS[:2], "00123,shoe.png,Men,249.99", *ROWS[3:]], (0, 1, 0)),
        ([*ROWS[:2], "00123,shoe.png,Men,", *ROWS[3:]], (0, 1, 0)),
        ([*ROWS[:2], "124,shoe.png,Men,", *ROWS[3:]], (1, 0, 1)),
        ([",".join([*row.split(",")[:3], ""]) for row in ROWS], (1, 3, 1)),
    ]
    for rows, expected in changes:
        summary = update_index(open_index(location), write_shop(shop, rows))
        assert (summary.added, summary.updated, summary.deleted) == expected
    index = open_index(location)
    assert np.isnan(index.lookup(index.ids()).columns["price"]).all()
    with pytest.raises(InputError, match="column price holds numbers in this index, not texts"):
        update_index(index, write_shop(shop, [*ROWS, "X,new.png,Men,on request"]))
