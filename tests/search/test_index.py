"""Indexes in a folder and in PostgreSQL: the same behavior, whatever stores them."""

import numpy as np
import pytest

from fashion_keras.search.base import Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import COLORS, GENDERS, SPEC, assert_nearest, records, with_columns


@pytest.fixture(params=[LocalIndex, PostgresIndex], ids=["local", "postgres"])
def kind(request):
    return request.param


@pytest.fixture
def location(kind, request, tmp_path):
    return request.getfixturevalue("database") if kind is PostgresIndex else tmp_path / "index"


@pytest.fixture
def index(kind, location):
    return kind.create(location, SPEC)


@pytest.fixture
def reopen(kind, location):
    """Open the index a second time."""
    return lambda: kind(location)


def test_nearest_equals_brute_force(index):
    index.add(records(0, 300))
    index.add(records(300, 500))
    parts = [records(0, 300), records(300, 500)]
    names = ("ids", "embeddings", "paths")
    products = Records(*(np.concatenate([getattr(part, name) for part in parts]) for name in names), {})
    queries = records(900, 920).embeddings
    for query, neighbors in zip(queries, index.nearest(queries, 7), strict=True):
        assert_nearest(neighbors, products, query, 7)


def test_nearest_of_a_product_is_itself(index):
    index.add(records(0, 50))
    (neighbors,) = index.nearest(records(0, 50).embeddings[17], 1)
    assert neighbors.ids.tolist() == [170]
    assert neighbors.scores[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({"gender": "Women"}, lambda number: number % 4 == 1),
        (
            {"gender": ["Women", "Unisex"], "base_colour": "Grün"},
            lambda number: number % 4 in (1, 2) and number % 3 == 2,
        ),
        ({"gender": ""}, lambda number: number % 4 == 3),
    ],
)
def test_nearest_with_a_filter_is_exact(index, where, matches):
    index.add(records(0, 400))
    rows = np.flatnonzero([matches(number) for number in range(400)])
    query = records(900, 901).embeddings[0]
    assert_nearest(index.nearest(query, 9, where)[0], records(0, 400).take(rows), query, 9)


def test_nearest_with_a_rare_filter_returns_all_that_match(index):
    index.add(records(0, 30))
    index.add(with_columns(records(30, 32), gender=np.array(["Girls"] * 2), base_colour=COLORS[:2]))
    results = index.nearest(records(0, 3).embeddings, 5, {"gender": "Girls"})
    assert [sorted(neighbors.ids) for neighbors in results] == [[300, 310]] * 3


def test_filter_refuses_a_value_that_no_product_has_any_more(index):
    index.add(records(0, 12))
    index.delete(records(0, 12).ids[records(0, 12).columns["gender"] == "Women"])
    for _ in range(2):
        with pytest.raises(InputError, match="unknown value of gender 'Women'; did you mean 'Men'"):
            index.nearest(records(0, 1).embeddings, 1, {"base_colour": "Red", "gender": ["Men", "Women"]})
        index.compact()
    index.add(records(1, 2))
    assert index.nearest(records(0, 1).embeddings, 5, {"gender": "Women"})[0].ids.tolist() == [10]


def test_nearest_orders_equal_scores_by_id(index):
    products = records(0, 6)
    same = np.repeat(products.embeddings[:1], 6, axis=0)
    index.add(Records(products.ids[::-1], same, products.paths, products.columns))
    assert index.nearest(products.embeddings[0], 3)[0].ids.tolist() == [0, 10, 20]


def test_index_after_add_update_delete_and_compact(index):
    index.add(records(0, 20))
    changed = records(5, 8, seed=1)
    index.update(changed)
    index.delete(np.array([0, 190]))
    for _ in range(2):
        assert len(index) == 18
        np.testing.assert_allclose(index.lookup(np.array([60])).embeddings, changed.embeddings[1:2], atol=1e-3)
        assert 0 not in index.nearest(records(0, 1).embeddings, 18)[0].ids
        with pytest.raises(InputError, match="id 190 is not in the index"):
            index.lookup(np.array([10, 190]))
        index.compact()
    assert index.stats()["products"] == 18
    index.add(records(0, 1))
    assert len(index) == 19


def test_lookup_returns_products_in_the_given_order(index):
    index.add(records(0, 20))
    index.add(records(20, 40))
    products, added = index.lookup(np.array([390, 0, 210])), records(20, 40)
    assert products.paths.tolist() == ["images/390.jpg", "images/0.jpg", "images/210.jpg"]
    np.testing.assert_allclose(products.embeddings[[0, 2]], added.embeddings[[19, 1]], atol=1e-3)
    assert products.columns["gender"].tolist() == ["", "Men", "Women"]


def test_index_is_opened_again_with_its_spec(index, reopen):
    index.add(records(0, 5))
    assert reopen().spec == SPEC
    assert len(reopen()) == 5


def test_refresh_loads_what_others_changed(index, reopen):
    index.add(records(0, 5))
    other = reopen()
    index.update(records(0, 2, seed=1))
    index.add(records(7, 9))
    other.refresh()
    assert other.ids().tolist() == [0, 10, 20, 30, 40, 70, 80]
    assert other.nearest(records(0, 2, seed=1).embeddings[1], 1)[0].ids.tolist() == [10]


def test_create_refuses_an_index_that_is_there(kind, index, location):
    index.add(records(0, 5))
    for make in (kind.create, lambda place, _: kind.check_free(place)):
        with pytest.raises(InputError, match="give another"):
            make(location, SPEC)
    assert len(index) == 5


def changed(**changes):
    base = records(0, 3)
    return Records(**{**{name: getattr(base, name) for name in ("ids", "embeddings", "paths", "columns")}, **changes})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"embeddings": np.ones((3, 8), np.float32)}, r"embeddings are \[n, 16\]"),
        ({"embeddings": np.ones((3, 16), np.float32)}, "embedding of 0: length 4"),
        ({"embeddings": np.full((3, 16), np.nan, np.float32)}, "embedding of 0: length nan"),
        ({"ids": np.array([1, 2, 1])}, "id 1 occurs 2 times"),
        ({"ids": np.array([1, 2])}, "differ in length"),
        ({"encoder_identity": "abd"}, r"another encoder \(abd\) than the index's fashion_small \(abc\)"),
        ({"columns": {"gender": GENDERS[:3]}}, "column base_colour is missing"),
        ({"columns": {"gender": GENDERS[:3], "base_color": COLORS}}, "did you mean 'base_colour'"),
    ],
)
def test_add_refuses_wrong_records(index, wrong, message):
    with pytest.raises(InputError, match=message):
        index.add(changed(**wrong))
    assert len(index) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.nearest(records(0, 1).embeddings, 0), "k is a whole number of at least 1, not 0"),
        (lambda index: index.nearest(records(0, 1).embeddings, -1), "at least 1, not -1"),
        (lambda index: index.nearest(records(0, 1).embeddings, 2.5), r"at least 1, not 2\.5"),
        (lambda index: index.nearest(np.ones((1, 5)), 1), r"embeddings are \[q, 16\]"),
        (lambda index: index.nearest(np.zeros((1, 16)), 1), "length 0"),
        (lambda index: index.nearest(records(0, 1).embeddings, 1, {"sex": "Men"}), "unknown column 'sex'"),
        (lambda index: index.nearest(records(0, 1).embeddings, 1, {"gender": "Woman"}), "did you mean 'Women'"),
        (lambda index: index.nearest(records(0, 1).embeddings, 1, {"gender": []}), "no value of gender to filter by"),
        (lambda index: index.add(records(9, 12)), "id 90 is in the index already"),
        (lambda index: index.update(records(9, 12)), "id 100 is not in the index"),
        (lambda index: index.delete(np.array([5])), "id 5 is not in the index"),
    ],
)
def test_index_refuses_wrong_calls_and_is_unchanged(index, call, message):
    index.add(records(0, 10))
    with pytest.raises(InputError, match=message):
        call(index)
    assert len(index) == 10
    assert index.lookup(np.array([90])).paths == ["images/90.jpg"]
