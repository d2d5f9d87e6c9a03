"""What every index promises, whatever stores it."""

import numpy as np
import pytest

from fashion_keras.images.decode import ImageSpec
from fashion_keras.search.base import IndexSpec, Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.support.errors import InputError

SPEC = IndexSpec("fashion_small", "abc", ImageSpec(80, 60), 16, ("gender", "base_colour"))
GENDERS = np.array(["Men", "Women", "Unisex", ""])
COLOURS = np.array(["Navy Blue", "Red", "Grün"])


def records(start, stop, seed=0):
    random = np.random.default_rng((seed, start))
    vectors = random.normal(size=(stop - start, 16)).astype(np.float32)
    ids = np.arange(start, stop) * 10
    return Records(
        ids,
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        np.array([f"images/{number}.jpg" for number in ids]),
        {"gender": GENDERS[ids // 10 % 4], "base_colour": COLOURS[ids // 10 % 3]},
    )


def assert_nearest(found, kept, query, k):
    """The k best of all, up to what half precision can tell apart."""
    scores = dict(zip(kept.ids.tolist(), (kept.vectors @ query).tolist(), strict=True))
    assert len(set(found.ids.tolist())) == k
    np.testing.assert_allclose(found.scores, [scores[number] for number in found.ids.tolist()], atol=1e-3)
    np.testing.assert_allclose(found.scores, sorted(scores.values(), reverse=True)[:k], atol=1e-3)


def brute_force(kept, query, k):
    scores = kept.vectors @ query
    order = np.lexsort((kept.ids, -scores))[:k]
    return kept.ids[order], scores[order]


@pytest.fixture(params=[LocalIndex, PostgresIndex])
def index(request, tmp_path):
    where = request.getfixturevalue("database") if request.param is PostgresIndex else tmp_path / "index"
    return request.param.create(where, SPEC)


@pytest.fixture
def again(index):
    """Open the index a second time."""
    return lambda: type(index)(getattr(index, "url", None) or index.folder)


def test_the_nearest_are_those_of_brute_force(index):
    index.add(records(0, 300))
    index.add(records(300, 500))
    both = [records(0, 300), records(300, 500)]
    kept = Records(*(np.concatenate([getattr(one, name) for one in both]) for name in ("ids", "vectors", "paths")), {})
    queries = records(900, 920).vectors
    for query, found in zip(queries, index.nearest(queries, 7), strict=True):
        assert_nearest(found, kept, query, 7)


def test_a_product_is_its_own_nearest(index):
    index.add(records(0, 50))
    (found,) = index.nearest(records(0, 50).vectors[17], 1)
    assert found.ids.tolist() == [170]
    assert found.scores[0] == pytest.approx(1, abs=1e-5)


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
def test_a_filter_gives_the_true_nearest_of_all_that_match(index, where, matches):
    index.add(records(0, 400))
    every = records(0, 400)
    kept = np.array([matches(number) for number in range(400)])
    query = records(900, 901).vectors[0]
    every = Records(every.ids[kept], every.vectors[kept], every.paths[kept], {})
    assert_nearest(index.nearest(query, 9, where)[0], every, query, 9)


def test_a_rare_filter_returns_what_there_is(index):
    index.add(records(0, 30))
    rare = records(30, 32)
    index.add(
        Records(rare.ids, rare.vectors, rare.paths, {"gender": np.array(["Girls"] * 2), "base_colour": COLOURS[:2]})
    )
    found = index.nearest(records(0, 3).vectors, 5, {"gender": "Girls"})
    assert [sorted(one.ids) for one in found] == [[300, 310]] * 3


def test_a_value_that_no_product_has_any_more_is_unknown(index):
    index.add(records(0, 12))
    index.delete(records(0, 12).ids[records(0, 12).columns["gender"] == "Women"])
    for _ in range(2):
        with pytest.raises(InputError, match="unknown value of gender 'Women'; did you mean 'Men'"):
            index.nearest(records(0, 1).vectors, 1, {"base_colour": "Red", "gender": ["Men", "Women"]})
        index.compact()
    index.add(records(1, 2))
    assert index.nearest(records(0, 1).vectors, 5, {"gender": "Women"})[0].ids.tolist() == [10]


def test_equal_scores_come_by_id(index):
    one = records(0, 6)
    same = Records(one.ids[::-1], np.repeat(one.vectors[:1], 6, axis=0), one.paths, one.columns)
    index.add(same)
    assert index.nearest(one.vectors[0], 3)[0].ids.tolist() == [0, 10, 20]


def test_add_update_delete_and_compact(index):
    index.add(records(0, 20))
    changed = records(5, 8, seed=1)
    index.update(changed)
    index.delete(np.array([0, 190]))
    for _ in range(2):
        assert len(index) == 18
        np.testing.assert_allclose(index.lookup(np.array([60])).vectors, changed.vectors[1:2], atol=1e-3)
        assert 0 not in index.nearest(records(0, 1).vectors, 18)[0].ids
        with pytest.raises(InputError, match="id 190 is not in the index"):
            index.lookup(np.array([10, 190]))
        index.compact()
    assert index.stats()["products"] == 18
    index.add(records(0, 1))
    assert len(index) == 19


def test_lookup_gives_back_what_was_put_in_in_the_order_asked_for(index):
    index.add(records(0, 20))
    index.add(records(20, 40))
    found, every = index.lookup(np.array([390, 0, 210])), records(20, 40)
    assert found.paths.tolist() == ["images/390.jpg", "images/0.jpg", "images/210.jpg"]
    np.testing.assert_allclose(found.vectors[[0, 2]], every.vectors[[19, 1]], atol=1e-3)
    assert found.columns["gender"].tolist() == ["", "Men", "Women"]


def test_an_index_is_opened_again_with_its_spec(index, again):
    index.add(records(0, 5))
    assert again().spec == SPEC
    assert len(again()) == 5


def test_what_others_add_is_there_after_a_refresh(index, again):
    index.add(records(0, 5))
    other = again()
    index.update(records(0, 2, seed=1))
    index.add(records(7, 9))
    other.refresh()
    assert other.ids().tolist() == [0, 10, 20, 30, 40, 70, 80]
    assert other.nearest(records(0, 2, seed=1).vectors[1], 1)[0].ids.tolist() == [10]


def test_an_index_that_is_there_is_not_made_again(index):
    index.add(records(0, 5))
    with pytest.raises(InputError, match="give another"):
        type(index).create(getattr(index, "url", None) or index.folder, SPEC)
    assert len(index) == 5


def changed(**changes):
    base = records(0, 3)
    return Records(**{**{name: getattr(base, name) for name in ("ids", "vectors", "paths", "columns")}, **changes})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vectors": np.ones((3, 8), np.float32)}, r"vectors are \[n, 16\]"),
        ({"vectors": np.ones((3, 16), np.float32)}, "vector of 0: length 4"),
        ({"vectors": np.full((3, 16), np.nan, np.float32)}, "vector of 0: length nan"),
        ({"ids": np.array([1, 2, 1])}, "id 1 stands there 2 times"),
        ({"ids": np.array([1, 2])}, "differ in length"),
        ({"fingerprint": "abd"}, r"another encoder \(abd\) than the index's fashion_small \(abc\)"),
        ({"columns": {"gender": GENDERS[:3]}}, "column base_colour is missing"),
        ({"columns": {"gender": GENDERS[:3], "base_color": COLOURS}}, "did you mean 'base_colour'"),
    ],
)
def test_wrong_records_are_refused(index, wrong, message):
    with pytest.raises(InputError, match=message):
        index.add(changed(**wrong))
    assert len(index) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.nearest(records(0, 1).vectors, 0), "k is from 1 to the 10 products"),
        (lambda index: index.nearest(records(0, 1).vectors, -1), "k is from 1 to the 10 products of the index, not -1"),
        (lambda index: index.nearest(records(0, 1).vectors, 11), "k is from 1 to the 10 products"),
        (lambda index: index.nearest(np.ones((1, 5)), 1), r"vectors are \[q, 16\]"),
        (lambda index: index.nearest(np.zeros((1, 16)), 1), "length 0"),
        (lambda index: index.nearest(records(0, 1).vectors, 1, {"sex": "Men"}), "unknown column 'sex'"),
        (lambda index: index.nearest(records(0, 1).vectors, 1, {"gender": "Woman"}), "did you mean 'Women'"),
        (lambda index: index.nearest(records(0, 1).vectors, 1, {"gender": []}), "no value of gender to filter by"),
        (lambda index: index.add(records(9, 12)), "id 90 is in the index already"),
        (lambda index: index.update(records(9, 12)), "id 100 is not in the index"),
        (lambda index: index.delete(np.array([5])), "id 5 is not in the index"),
    ],
)
def test_wrong_calls_are_refused_and_change_nothing(index, call, message):
    index.add(records(0, 10))
    with pytest.raises(InputError, match=message):
        call(index)
    assert len(index) == 10
    assert index.lookup(np.array([90])).paths == ["images/90.jpg"]
