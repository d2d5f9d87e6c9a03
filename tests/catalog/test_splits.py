"""Splits: no title in two parts, every class in every part, nothing lost."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import hold_out, k_folds, split, subsample
from fashion_keras.support.errors import InputError


def catalogue(seed=0):
    """Three classes of 600, 300 and 60 products; titles shared by up to four of them."""
    random = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], [600, 300, 60])
    groups = codes * 1000 + random.integers(0, np.array([400, 200, 40])[codes])
    return codes, groups


NAMES = ("a", "b", "c")


def test_parts_cover_every_row_once():
    codes, groups = catalogue()
    parts = split(codes, groups, NAMES)
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(rows.tolist()) == list(range(len(codes)))


def test_no_title_stands_in_two_parts():
    codes, groups = catalogue()
    parts = split(codes, groups, NAMES)
    titles = [set(groups[rows]) for rows in (parts.train, parts.validation, parts.test)]
    assert not titles[0] & titles[1] | titles[0] & titles[2] | titles[1] & titles[2]


def test_random_split_lets_titles_leak():
    codes, groups = catalogue()
    parts = split(codes, groups, NAMES, recipe="random")
    assert set(groups[parts.train]) & set(groups[parts.test])


@pytest.mark.parametrize("recipe", ["title", "random"])
def test_every_class_is_divided_64_16_20(recipe):
    codes, groups = catalogue()
    parts = split(codes, groups, NAMES, recipe)
    for code, size in enumerate((600, 300, 60)):
        shares = [(codes[rows] == code).sum() / size for rows in (parts.train, parts.validation, parts.test)]
        assert shares == pytest.approx([0.64, 0.16, 0.20], abs=0.05)


@pytest.mark.parametrize("count", [1, 100])
def test_products_of_no_class_are_divided_too_however_few(count):
    codes, groups = catalogue()
    codes[:count] = len(NAMES)
    parts = split(codes, groups, NAMES)
    shares = [(codes[rows] == len(NAMES)).sum() / count for rows in (parts.train, parts.validation, parts.test)]
    assert sum(shares) == 1
    if count > 1:
        assert shares == pytest.approx([0.64, 0.16, 0.20], abs=0.1)


def test_same_seed_same_split_other_seed_another():
    codes, groups = catalogue()
    assert split(codes, groups, NAMES, seed=3).test.tolist() == split(codes, groups, NAMES, seed=3).test.tolist()
    assert split(codes, groups, NAMES, seed=3).test.tolist() != split(codes, groups, NAMES, seed=4).test.tolist()


def test_another_task_divides_the_same_catalogue_almost_alike():
    """The same titles under other labels, a tenth of the products unlabelled: few change sides."""
    codes, groups = catalogue()
    labelled = np.random.default_rng(1).random(len(codes)) < 0.9
    other = groups[labelled] % 2
    tests = groups[split(codes, groups, NAMES).test], groups[labelled][split(other, groups[labelled], NAMES[:2]).test]
    assert np.isin(tests[1], tests[0]).mean() > 0.9


def test_three_titles_reach_all_three_parts():
    codes = np.array([0] * 30 + [1] * 3)
    parts = split(codes, np.arange(33), NAMES[:2])
    assert [(codes[rows] == 1).sum() for rows in (parts.train, parts.validation, parts.test)] == [1, 1, 1]


def test_classes_too_small_are_named_with_the_remedy():
    codes = np.array([0] * 30 + [1] * 2 + [2] * 5)
    groups = np.array([*range(32), 40, 40, 40, 40, 40])
    with pytest.raises(InputError, match=r"b \(2 images, 2 titles\), c \(5 images, 1 titles\).*--min-images 6"):
        split(codes, groups, NAMES)


def test_unknown_recipe():
    with pytest.raises(InputError, match="did you mean 'title'"):
        split(np.zeros(9, int), np.arange(9), NAMES, recipe="titel")


@pytest.mark.parametrize("recipe", ["title", "random"])
def test_every_product_is_tested_in_one_fold(recipe):
    codes, groups = catalogue()
    folds = k_folds(codes, groups, NAMES, 3, recipe)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(codes)))
    for fold in folds:
        rows = np.concatenate([fold.train, fold.validation, fold.test])
        assert sorted(rows.tolist()) == list(range(len(codes)))
        for code, size in enumerate((600, 300, 60)):
            shares = [(codes[rows] == code).sum() / size for rows in (fold.train, fold.validation, fold.test)]
            assert shares == pytest.approx([8 / 15, 2 / 15, 1 / 3], abs=0.05)


def test_no_title_stands_in_two_parts_of_a_fold_or_in_two_folds():
    codes, groups = catalogue()
    folds = k_folds(codes, groups, NAMES, 4)
    tested = [set(groups[fold.test]) for fold in folds]
    assert sum(map(len, tested)) == len(set(groups))
    for fold, titles in zip(folds, tested, strict=True):
        assert not titles & set(groups[fold.train]) | titles & set(groups[fold.validation])
        assert not set(groups[fold.train]) & set(groups[fold.validation])


def test_folds_validate_on_other_products_and_follow_the_seed():
    codes, groups = catalogue()
    folds, again, other = (k_folds(codes, groups, NAMES, 3, seed=seed) for seed in (5, 5, 6))
    assert [fold.train.tolist() for fold in folds] == [fold.train.tolist() for fold in again]
    assert folds[0].test.tolist() != other[0].test.tolist()
    assert np.isin(folds[2].validation, folds[1].validation).mean() < 0.5


def test_the_first_of_five_folds_is_tested_on_what_a_plain_run_is():
    codes, groups = catalogue()
    assert k_folds(codes, groups, NAMES, 5)[0].test.tolist() == split(codes, groups, NAMES).test.tolist()


@pytest.mark.parametrize(("folds", "sizes"), [(4, [1, 1, 5]), (2, [9, 1, 1])])
def test_a_class_with_too_few_titles_for_the_folds_is_named(folds, sizes):
    """Three titles for four folds; or two folds of which one has nothing left for training."""
    codes = np.array([0] * 30 + [1] * sum(sizes))
    groups = np.array([*range(30), *np.repeat([30, 31, 32], sizes)])
    named = rf"b \({sum(sizes)} images, 3 titles\).*--min-images {sum(sizes) + 1}, .*or take fewer --folds"
    with pytest.raises(InputError, match=named):
        k_folds(codes, groups, NAMES[:2], folds)
    split(codes, groups, NAMES[:2])


def test_subsample_keeps_proportions_and_whole_titles():
    codes, groups = catalogue()
    rows = subsample(codes, groups, 480)
    assert len(rows) == pytest.approx(480, abs=10)
    assert np.bincount(codes[rows]).tolist() == pytest.approx([300, 150, 30], abs=5)
    assert not set(groups[rows]) & set(np.delete(groups, rows))


def test_a_small_sample_of_many_classes_can_still_be_split():
    codes = np.repeat(np.arange(20), 50)
    rows = subsample(codes, np.arange(1000), 30)
    assert np.bincount(codes[rows]).tolist() == [3] * 20
    split(codes[rows], np.arange(60), [str(code) for code in range(20)])


def test_a_limit_above_the_size_takes_all():
    codes, groups = catalogue()
    assert subsample(codes, groups, 10**6).tolist() == list(range(len(codes)))


def test_a_share_is_a_limit_below_one():
    codes, groups = catalogue()
    assert subsample(codes, groups, 0.5, seed=3).tolist() == subsample(codes, groups, 480, seed=3).tolist()


def test_classes_stop_shrinking_at_the_floor():
    """schindler2018: a tenth of each class, but not fewer than 100 images; what has fewer stays whole."""
    codes = np.repeat([0, 1, 2], [2000, 500, 60])
    rows = subsample(codes, np.arange(2560), 0.1, floor=100)
    assert np.bincount(codes[rows]).tolist() == [200, 100, 60]


def test_the_floor_counts_images_and_takes_whole_titles():
    codes, groups = np.repeat([0, 1], [400, 80]), np.repeat(np.arange(120), 4)
    rows = subsample(codes, groups, 0.1, floor=50)
    assert np.bincount(codes[rows]).tolist() == [52, 52]
    assert np.bincount(groups[rows])[np.unique(groups[rows])].tolist() == [4] * 26


def test_a_part_is_held_out_by_title(sample):
    catalog = read_catalog(sample)
    train, held_out = hold_out(catalog, 0.265, seed=1)
    assert sorted([*train, *held_out]) == list(range(len(catalog)))
    assert not set(catalog.product_groups[train]) & set(catalog.product_groups[held_out])
    assert len(held_out) / len(catalog) == pytest.approx(0.265, abs=0.02)
    kinds = catalog.columns["article_type"]
    for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True):
        if count >= 40:
            assert (kinds[held_out] == kind).mean() == pytest.approx((kinds == kind).mean(), rel=0.3)
    assert hold_out(catalog, 0.265, seed=1)[1].tolist() == held_out.tolist() != hold_out(catalog, 0.265)[1].tolist()


def test_products_without_an_article_type_are_held_out_like_any_others(sample):
    catalog = read_catalog(sample)
    kinds = catalog.columns["article_type"].copy()
    kinds[::2] = ""
    train, held_out = hold_out(replace(catalog, columns={**catalog.columns, "article_type": kinds}), 0.2)
    assert sorted([*train, *held_out]) == list(range(len(catalog)))
    assert (kinds[held_out] == "").sum() / (kinds == "").sum() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("fraction", [0.0, 1.0, float("nan")])
def test_a_part_is_between_nothing_and_all(sample, fraction):
    with pytest.raises(InputError, match="--hold-out must be above 0 and below 1"):
        hold_out(read_catalog(sample), fraction)


def test_a_catalogue_without_article_types_is_held_out_by_title(sample):
    catalog = read_catalog(sample)
    train, held_out = hold_out(replace(catalog, columns={"gender": catalog.columns["gender"]}), 0.3)
    assert sorted([*train, *held_out]) == list(range(len(catalog)))
    assert abs(len(held_out) / len(catalog) - 0.3) < 0.01
    assert not set(catalog.product_groups[train].tolist()) & set(catalog.product_groups[held_out].tolist())
