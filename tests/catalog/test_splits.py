"""Splits: a product's part depends on its hash and the seed alone, every class in every part, no row lost."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.catalog.product_hashes import uniform_numbers
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sampling import hold_out, subsample
from fashion_keras.catalog.splits import k_folds, split
from fashion_keras.catalog.tasks import get_task
from fashion_keras.support.errors import InputError

NAMES = ("a", "b", "c")


def hashes_of(numbers):
    """Product hashes of product numbers."""
    return np.array([hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in np.asarray(numbers).tolist()])


def labeled_rows(seed=0):
    """Codes and product hashes of three classes of 600, 300 and 60 rows; up to four rows share a product."""
    random = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], [600, 300, 60])
    return codes, hashes_of(codes * 1000 + random.integers(0, np.array([400, 200, 40])[codes]))


def parts_of(result):
    return result.train, result.validation, result.test


def part_names(result, keys):
    """Return {key of a row: name of its part}."""
    named = zip(("train", "validation", "test"), parts_of(result), strict=True)
    return {key: name for name, rows in named for key in keys[rows].tolist()}


def test_split_puts_every_row_in_one_part():
    codes, hashes = labeled_rows()
    rows = np.concatenate(parts_of(split(codes, hashes, NAMES)))
    assert sorted(rows.tolist()) == list(range(len(codes)))


def test_split_follows_the_number_of_each_hash():
    """Test below 0.20, validation below 0.36, train above."""
    codes, hashes = labeled_rows()
    result, numbers = split(codes, hashes, NAMES, seed=8), uniform_numbers(hashes, 8, "split")
    assert result.test.tolist() == np.flatnonzero(numbers < 0.20).tolist()
    assert result.validation.tolist() == np.flatnonzero((numbers >= 0.20) & (numbers < 0.36)).tolist()
    assert result.train.tolist() == np.flatnonzero(numbers >= 0.36).tolist()


def test_split_keeps_products_together():
    codes, hashes = labeled_rows()
    train, validation, test = (set(hashes[rows]) for rows in parts_of(split(codes, hashes, NAMES)))
    assert not train & validation | train & test | validation & test


@pytest.mark.parametrize("order", [np.arange(960)[::-1], np.random.default_rng(1).permutation(960)])
def test_split_does_not_depend_on_row_order(order):
    codes, hashes = labeled_rows()
    first, other = split(codes, hashes, NAMES), split(codes[order], hashes[order], NAMES)
    assert part_names(first, hashes) == part_names(other, hashes[order])


def test_split_of_a_grown_catalog_moves_no_product():
    codes, hashes = labeled_rows()
    more_codes = np.concatenate([[2, 0, 0], codes, np.repeat([1, 2], 200)])
    more_hashes = np.concatenate([hashes_of([9001, 9002, 9003]), hashes, hashes_of(np.arange(10_000, 10_400))])
    before, after = part_names(split(codes, hashes, NAMES), hashes), part_names(
        split(more_codes, more_hashes, NAMES), more_hashes
    )  # fmt: skip
    assert {key: after[key] for key in before} == before


def test_split_of_another_task_moves_no_product():
    codes, hashes = labeled_rows()
    labeled = np.random.default_rng(1).random(len(codes)) < 0.9
    other = np.array([int(key, 16) % 2 for key in hashes[labeled]])
    before = part_names(split(codes, hashes, NAMES), hashes)
    after = part_names(split(other, hashes[labeled], NAMES[:2]), hashes[labeled])
    assert after == {key: before[key] for key in after}


def test_split_random_separates_rows_of_a_product():
    codes, hashes = labeled_rows()
    result = split(codes, hashes, NAMES, recipe="random")
    assert set(hashes[result.train]) & set(hashes[result.test])


@pytest.mark.parametrize(("size", "sizes"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (5, [3, 1, 1]), (10, [6, 2, 2])])
def test_split_random_gives_each_part_a_row_of_a_small_class(size, sizes):
    result = split(np.zeros(size, int), hashes_of(range(size)), ("a",), "random")
    assert [len(part) for part in parts_of(result)] == sizes


def test_split_random_is_the_one_of_earlier_versions():
    """The first rows of each part as version 0.1 drew them, seed 3."""
    codes, hashes = labeled_rows()
    result = split(codes, hashes, NAMES, recipe="random", seed=3)
    digest = hashlib.sha256(repr([rows.tolist() for rows in parts_of(result)]).encode()).hexdigest()
    assert (digest[:16], result.test[:5].tolist()) == ("4711aa793c730948", [0, 4, 7, 9, 20])


@pytest.mark.parametrize(("recipe", "tolerance"), [("product", 0.17), ("random", 0.01)])
def test_split_divides_every_class_64_16_20(recipe, tolerance):
    codes, hashes = labeled_rows()
    result = split(codes, hashes, NAMES, recipe)
    for code, size in enumerate((600, 300, 60)):
        shares = [(codes[rows] == code).sum() / size for rows in parts_of(result)]
        assert shares == pytest.approx([0.64, 0.16, 0.20], abs=tolerance)


def test_split_of_real_titles_is_64_16_20(real):
    catalog = read_catalog(real)
    labels = get_task("article_type").encode(catalog.columns, min_images=20)
    rows = np.flatnonzero(labels.known)
    codes, hashes = labels.codes[rows], catalog.product_groups[rows]
    result = split(codes, hashes, labels.classes)
    assert [len(part) / len(rows) for part in parts_of(result)] == pytest.approx([0.64, 0.16, 0.20], abs=0.01)
    order = np.random.default_rng(0).permutation(len(rows))
    assert part_names(split(codes[order], hashes[order], labels.classes), hashes[order]) == part_names(result, hashes)


@pytest.mark.parametrize("count", [1, 100])
def test_split_divides_rows_of_no_class_too(count):
    codes, hashes = labeled_rows()
    codes[:count] = len(NAMES)
    result = split(codes, hashes, NAMES)
    shares = [(codes[rows] == len(NAMES)).sum() / count for rows in parts_of(result)]
    assert sum(shares) == 1
    if count > 1:
        assert shares == pytest.approx([0.64, 0.16, 0.20], abs=0.1)


def test_split_follows_the_seed():
    codes, hashes = labeled_rows()
    assert split(codes, hashes, NAMES, seed=3).test.tolist() == split(codes, hashes, NAMES, seed=3).test.tolist()
    assert split(codes, hashes, NAMES, seed=3).test.tolist() != split(codes, hashes, NAMES, seed=4).test.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_split_of_a_class_of_three_products_fills_all_parts(seed):
    codes = np.array([0] * 60 + [1] * 3)
    result = split(codes, hashes_of(np.arange(63)), NAMES[:2], seed=seed)
    assert [(codes[rows] == 1).sum() for rows in parts_of(result)] == [1, 1, 1]


def test_split_moves_the_nearest_product_into_an_empty_part():
    """Class b has the numbers 0.41, 0.52, 0.75 and no other: the first two move, the lowest into the test part."""
    numbers = {key: uniform_numbers([key], 0, "split")[0] for key in hashes_of(np.arange(2000)).tolist()}
    first, second, third = (
        min(numbers, key=lambda key, place=place: abs(numbers[key] - place)) for place in (0.41, 0.52, 0.75)
    )
    others = hashes_of(np.arange(3000, 3100))
    codes, hashes = np.array([0] * 100 + [1] * 3), np.concatenate([others, [third, first, second]])
    placed = part_names(split(codes, hashes, NAMES[:2]), hashes)
    assert (placed[first], placed[second], placed[third]) == ("test", "validation", "train")


def test_split_names_classes_with_too_few_products():
    codes = np.array([0] * 60 + [1] * 2 + [2] * 5)
    hashes = hashes_of([*range(62), 70, 70, 70, 70, 70])
    with pytest.raises(InputError, match=r"b \(2 images, 2 products\), c \(5 images, 1 products\).*--min-images 6"):
        split(codes, hashes, NAMES)


def test_split_without_classes_refuses_an_empty_part():
    with pytest.raises(InputError, match="2 images are too few for train, validation and test"):
        split(np.zeros(2, int), hashes_of([1, 2]), ())


@pytest.mark.parametrize("recipe", ["title", "products"])
def test_split_refuses_an_unknown_recipe(recipe):
    with pytest.raises(InputError, match=rf"unknown split '{recipe}'.* Known: product, random"):
        split(np.zeros(9, int), hashes_of(np.arange(9)), NAMES, recipe=recipe)


@pytest.mark.parametrize(("recipe", "tolerance"), [("product", 0.2), ("random", 0.01)])
def test_k_folds_test_every_row_once(recipe, tolerance):
    codes, hashes = labeled_rows()
    folds = k_folds(codes, hashes, NAMES, 3, recipe)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(codes)))
    for fold in folds:
        assert sorted(np.concatenate(parts_of(fold)).tolist()) == list(range(len(codes)))
        for code, size in enumerate((600, 300, 60)):
            shares = [(codes[rows] == code).sum() / size for rows in parts_of(fold)]
            assert shares == pytest.approx([8 / 15, 2 / 15, 1 / 3], abs=tolerance)


def test_k_folds_keep_products_together():
    codes, hashes = labeled_rows()
    folds = k_folds(codes, hashes, NAMES, 4)
    tested = [set(hashes[fold.test]) for fold in folds]
    assert sum(map(len, tested)) == len(set(hashes))
    for fold, products in zip(folds, tested, strict=True):
        assert not products & set(hashes[fold.train]) | products & set(hashes[fold.validation])
        assert not set(hashes[fold.train]) & set(hashes[fold.validation])


def test_k_folds_do_not_depend_on_row_order_or_other_rows():
    codes, hashes = labeled_rows()
    order = np.random.default_rng(2).permutation(len(codes))
    more_codes, more_hashes = np.append(codes[order], [0, 1]), np.append(hashes[order], hashes_of([9001, 9002]))
    before, after = k_folds(codes, hashes, NAMES, 3), k_folds(more_codes, more_hashes, NAMES, 3)
    for fold, grown in zip(before, after, strict=True):
        names = part_names(fold, hashes)
        assert {key: part_names(grown, more_hashes)[key] for key in names} == names


def test_k_folds_validate_on_other_products_and_follow_the_seed():
    codes, hashes = labeled_rows()
    folds, again, other = (k_folds(codes, hashes, NAMES, 3, seed=seed) for seed in (5, 5, 6))
    assert [fold.train.tolist() for fold in folds] == [fold.train.tolist() for fold in again]
    assert folds[0].test.tolist() != other[0].test.tolist()
    assert np.isin(folds[2].validation, folds[1].validation).mean() < 0.5


@pytest.mark.parametrize("recipe", ["product", "random"])
def test_k_folds_of_five_begin_with_the_test_part_of_a_plain_split(recipe):
    codes, hashes = labeled_rows()
    plain = split(codes, hashes, NAMES, recipe)
    assert k_folds(codes, hashes, NAMES, 5, recipe)[0].test.tolist() == plain.test.tolist()


@pytest.mark.parametrize("sizes", [[1, 1, 5], [2, 1, 1]])
def test_k_folds_name_a_class_with_too_few_products(sizes):
    """Three products for four folds."""
    codes = np.array([0] * 60 + [1] * sum(sizes))
    hashes = hashes_of([*range(60), *np.repeat([60, 61, 62], sizes)])
    message = rf"b \({sum(sizes)} images, 3 products\).*--min-images {sum(sizes) + 1}, .*or take fewer --folds"
    with pytest.raises(InputError, match=message):
        k_folds(codes, hashes, NAMES[:2], 4)
    split(codes, hashes, NAMES[:2])


def test_subsample_keeps_proportions_and_whole_products():
    codes, hashes = labeled_rows()
    rows = subsample(codes, hashes, 480)
    assert len(rows) == pytest.approx(480, abs=10)
    assert np.bincount(codes[rows]).tolist() == pytest.approx([300, 150, 30], abs=5)
    assert not set(hashes[rows]) & set(np.delete(hashes, rows))


def test_subsample_does_not_depend_on_row_order():
    codes, hashes = labeled_rows()
    order = np.random.default_rng(2).permutation(len(codes))
    first, other = subsample(codes, hashes, 300), subsample(codes[order], hashes[order], 300)
    assert sorted(hashes[first].tolist()) == sorted(hashes[order][other].tolist())


def test_subsample_is_independent_of_the_parts():
    """A sample holds train, validation and test products in their proportions."""
    codes, hashes = labeled_rows()
    rows, whole = subsample(codes, hashes, 480), split(codes, hashes, NAMES)
    assert np.isin(rows, whole.test).mean() == pytest.approx(0.2, abs=0.05)


def test_subsample_of_many_classes_can_still_be_split():
    codes, hashes = np.repeat(np.arange(20), 50), hashes_of(np.arange(1000))
    rows = subsample(codes, hashes, 30)
    assert np.bincount(codes[rows]).tolist() == [3] * 20
    split(codes[rows], hashes[rows], [str(code) for code in range(20)])


def test_subsample_above_the_size_takes_all():
    codes, hashes = labeled_rows()
    assert subsample(codes, hashes, 10**6).tolist() == list(range(len(codes)))


def test_subsample_takes_a_share_below_one():
    codes, hashes = labeled_rows()
    assert subsample(codes, hashes, 0.5, seed=3).tolist() == subsample(codes, hashes, 480, seed=3).tolist()


def test_subsample_stops_at_the_floor():
    """schindler2018: a tenth of each class, but not fewer than 100 images; what has fewer stays whole."""
    codes = np.repeat([0, 1, 2], [2000, 500, 60])
    rows = subsample(codes, hashes_of(np.arange(2560)), 0.1, floor=100)
    assert np.bincount(codes[rows]).tolist() == [200, 100, 60]


def test_subsample_floor_counts_images_of_whole_products():
    codes, hashes = np.repeat([0, 1], [400, 80]), hashes_of(np.repeat(np.arange(120), 4))
    rows = subsample(codes, hashes, 0.1, floor=50)
    assert np.bincount(codes[rows]).tolist() == [52, 52]
    assert np.unique(hashes[rows], return_counts=True)[1].tolist() == [4] * 26


def test_hold_out_keeps_products_together(sample):
    catalog = read_catalog(sample)
    train, held_out = hold_out(catalog, 0.265, seed=1)
    assert sorted([*train, *held_out]) == list(range(len(catalog)))
    assert not set(catalog.product_groups[train]) & set(catalog.product_groups[held_out])
    assert len(held_out) / len(catalog) == pytest.approx(0.265, abs=0.03)
    assert hold_out(catalog, 0.265, seed=1)[1].tolist() == held_out.tolist() != hold_out(catalog, 0.265)[1].tolist()


def test_hold_out_depends_on_the_hash_alone(sample):
    """Row order, other rows and labels do not matter: today's shuffle held other products out."""
    catalog = read_catalog(sample)
    held_out = set(catalog.product_groups[hold_out(catalog, 0.265)[1]])
    some = catalog.take(np.random.default_rng(0).permutation(len(catalog))[:900])
    unlabeled = replace(some, columns={"product_display_name": some.columns["product_display_name"]})
    hashes = unlabeled.product_groups
    assert set(hashes[hold_out(unlabeled, 0.265)[1]]) == held_out & set(hashes)


def test_hold_out_of_a_smaller_fraction_is_nested(sample):
    catalog = read_catalog(sample)
    assert np.isin(hold_out(catalog, 0.1)[1], hold_out(catalog, 0.2)[1]).all()


@pytest.mark.parametrize("fraction", [0.0, 1.0, float("nan")])
def test_hold_out_refuses_a_fraction_beyond_0_and_1(sample, fraction):
    with pytest.raises(InputError, match="--hold-out must be above 0 and below 1"):
        hold_out(read_catalog(sample), fraction)


def test_hold_out_refuses_an_empty_side(sample):
    catalog = read_catalog(sample)
    with pytest.raises(InputError, match=r"of 1 images none is (held out|trained on) with --hold-out 0.5"):
        hold_out(catalog.take(np.array([3])), 0.5)
