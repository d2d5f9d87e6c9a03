"""Indexes in a folder and in PostgreSQL: the same behavior, whatever stores them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_keras.search.base import Records
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import COLORS, GENDERS, SPEC, assert_nearest, names, records, with_columns


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
    fields = ("ids", "skus", "embeddings", "paths")
    products = Records(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields), {})
    queries = records(900, 920).embeddings
    for query, neighbors in zip(queries, index.nearest(queries, 7), strict=True):
        assert_nearest(neighbors, products, query, 7)


def test_nearest_of_a_product_is_itself(index):
    index.add(records(0, 50))
    (neighbors,) = index.nearest(records(0, 50).embeddings[17], 1)
    assert neighbors.ids.tolist() == names(170)
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
    assert [sorted(neighbors.ids) for neighbors in results] == [names(300, 310)] * 3


def test_filter_refuses_a_value_that_no_product_has_any_more(index):
    index.add(records(0, 12))
    index.delete(records(0, 12).ids[records(0, 12).columns["gender"] == "Women"])
    for _ in range(2):
        with pytest.raises(InputError, match="unknown value of gender 'Women'; did you mean 'Men'"):
            index.nearest(records(0, 1).embeddings, 1, {"base_colour": "Red", "gender": ["Men", "Women"]})
        index.compact()
    index.add(records(1, 2))
    assert index.nearest(records(0, 1).embeddings, 5, {"gender": "Women"})[0].ids.tolist() == names(10)


def test_nearest_orders_equal_scores_by_id(index):
    products = records(0, 6)
    same = np.repeat(products.embeddings[:1], 6, axis=0)
    index.add(replace(products, ids=products.ids[::-1], embeddings=same))
    assert index.nearest(products.embeddings[0], 3)[0].ids.tolist() == names(0, 10, 20)


def test_index_after_add_update_delete_and_compact(index):
    index.add(records(0, 20))
    changed = records(5, 8, seed=1)
    index.update(changed)
    index.delete(names(0, 190))
    for _ in range(2):
        assert len(index) == 18
        np.testing.assert_allclose(index.lookup(names(60)).embeddings, changed.embeddings[1:2], atol=1e-3)
        assert "000000" not in index.nearest(records(0, 1).embeddings, 18)[0].ids
        with pytest.raises(InputError, match="id 000190 is not in the index"):
            index.lookup(names(10, 190))
        index.compact()
    assert index.stats()["products"] == 18
    index.add(records(0, 1))
    assert len(index) == 19


def test_lookup_returns_products_in_the_given_order(index):
    index.add(records(0, 20))
    index.add(records(20, 40))
    products, added = index.lookup(names(390, 0, 210)), records(20, 40)
    assert products.paths.tolist() == ["images/000390.jpg", "images/000000.jpg", "images/000210.jpg"]
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
    assert other.ids().tolist() == names(0, 10, 20, 30, 40, 70, 80)
    assert other.nearest(records(0, 2, seed=1).embeddings[1], 1)[0].ids.tolist() == names(10)


def test_create_refuses_an_index_that_is_there(kind, index, location):
    index.add(records(0, 5))
    for make in (kind.create, lambda place, _: kind.check_free(place)):
        with pytest.raises(InputError, match="give another"):
            make(location, SPEC)
    assert len(index) == 5


def changed(**changes):
    return replace(records(0, 3), **changes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"embeddings": np.ones((3, 8), np.float32)}, r"embeddings are \[n, 16\]"),
        ({"embeddings": np.ones((3, 16), np.float32)}, "embedding of 000000: length 4"),
        ({"embeddings": np.full((3, 16), np.nan, np.float32)}, "embedding of 000000: length nan"),
        ({"ids": np.array(["1", "2", "1"])}, "id 1 occurs 2 times"),
        ({"ids": np.array(["1", "2"])}, "differ in length"),
        ({"skus": np.array(["1", "2"])}, "differ in length"),
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
        (lambda index: index.add(records(9, 12)), "id 000090 is in the index already"),
        (lambda index: index.update(records(9, 12)), "id 000100 is not in the index"),
        (lambda index: index.delete(names(5)), "id 000005 is not in the index"),
    ],
)
def test_index_refuses_wrong_calls_and_is_unchanged(index, call, message):
    index.add(records(0, 10))
    with pytest.raises(InputError, match=message):
        call(index)
    assert len(index) == 10
    assert index.lookup(names(90)).paths == ["images/000090.jpg"]


def test_create_gives_every_index_another_id(kind, index, location):
    index.add(records(0, 5))
    rebuilt = kind.create(location, SPEC, records(5, 9), overwrite=True)
    assert rebuilt.id != index.id
    assert kind(location).id == rebuilt.id
    assert rebuilt.refresh()
    assert not index.refresh()
    with pytest.raises(InputError, match="another index was built here meanwhile"):
        index.add(records(20, 21))
    assert kind(location).ids().tolist() == names(50, 60, 70, 80)


def test_create_makes_the_index_with_its_records_or_not_at_all(kind, location):
    wrong = changed(ids=np.array(["1", "2", "1"]))
    with pytest.raises(InputError, match="id 1 occurs"):
        kind.create(location, SPEC, wrong)
    assert len(kind.create(location, SPEC, records(0, 3))) == 3


def test_nearest_with_k_above_the_size_returns_all(index):
    index.add(records(0, 10))
    (neighbors,) = index.nearest(records(900, 901).embeddings, np.int64(1000))
    assert sorted(neighbors.ids.tolist()) == records(0, 10).ids.tolist()


def test_index_without_products_has_no_neighbors(index):
    assert [len(neighbors.ids) for neighbors in index.nearest(records(0, 2).embeddings, 3)] == [0, 0]
    assert len(index.lookup([])) == 0
    assert index.ids().tolist() == []
    with pytest.raises(InputError, match="unknown value of gender 'Men'"):
        index.nearest(records(0, 1).embeddings, 3, {"gender": "Men"})


def test_index_without_columns(kind, location):
    index = kind.create(location, replace(SPEC, columns=()), with_columns(records(0, 30)))
    index.add(with_columns(records(30, 40)))
    index.update(with_columns(records(3, 4, seed=1)))
    index.delete(names(0))
    index.compact()
    assert kind(location).nearest(records(30, 40).embeddings[4], 1)[0].ids.tolist() == names(340)
    assert dict(index.lookup(names(340)).columns) == {}
    with pytest.raises(InputError, match="unknown column 'gender'"):
        index.nearest(records(0, 1).embeddings, 1, {"gender": "Men"})


def test_index_with_columns_of_any_name(kind, location):
    columns = [
        "50 % off",
        'a "quoted" {name}',
        "x" * 80 + "1",
        "x" * 80 + "2",
        "$$; DROP TABLE products; --",
        "größe" * 15,
    ]
    products = with_columns(records(0, 12), **{name: GENDERS[np.arange(12) % 4] for name in columns})
    index = kind.create(location, replace(SPEC, columns=tuple(columns)), products)
    for name in columns:
        assert len(kind(location).nearest(products.embeddings[0], 9, {name: "Women"})[0].ids) == 3
    assert index.lookup(names(10)).columns[columns[3]].tolist() == ["Women"]


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (2012, [0, 30]),
        (np.int64(2012), [0, 30]),
        (2012.0, [0, 30]),
        (np.array([2012, 2013]), [0, 10, 30]),
        ({2013}, [10]),
        (None, [20]),
        (float("nan"), [20]),
        ((None, "2013"), [10, 20]),
        (Path("2013"), [10]),
    ],
)
def test_where_takes_numbers_lists_and_none(kind, location, value, numbers):
    products = with_columns(records(0, 4), year=np.array(["2012", "2013", "", "2012"]))
    index = kind.create(location, replace(SPEC, columns=("year",)), products)
    assert sorted(index.nearest(products.embeddings[0], 9, {"year": value})[0].ids.tolist()) == names(*numbers)


def test_repr_names_place_encoder_and_no_password(index):
    assert index.name in repr(index)
    assert "fashion_small" in repr(index)
    assert "secret" not in repr(index)
