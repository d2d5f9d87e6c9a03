"""Out-of-distribution study: gate, threshold at the mean confidence and outliers, by hand."""

import numpy as np
import pytest

from fashion_keras.tagging.evaluation.ood_study import GRID, OODMixture, curve, ood_study, outliers_for

# Eight products, one of them wrongly predicted, and two outliers, one of them with the highest confidence of all.
CONFIDENCE = np.array([0.9, 0.9, 0.9, 0.9, 0.8, 0.2, 0.2, 0.2, 1.0, 0.6])
CORRECT = np.array([True] * 4 + [False] + [True] * 3 + [False] * 2)
OUTLIER = np.repeat([False, True], [8, 2])
ACCEPTED = np.array([True] * 7 + [False] + [False, True])
MIX = OODMixture(CONFIDENCE, CORRECT, OUTLIER, ACCEPTED)


def rows(table):
    return {(row["model"], row["validator"]): row for row in table["rows"]}


def test_mixture_has_a_fifth_of_outliers():
    assert outliers_for(8) == 2
    many = OODMixture(np.ones(48), np.ones(48, bool), np.arange(48) >= 8, np.ones(48, bool))
    drawn = many.draw(np.random.default_rng(0))
    assert (drawn.outlier.sum(), len(drawn.outlier)) == (2, 10)
    few = OODMixture(np.ones(9), np.ones(9, bool), np.arange(9) >= 8, np.ones(9, bool))
    assert few.draw(np.random.default_rng(0)).outlier.sum() == 1


def test_ood_study_by_hand():
    table = ood_study({"tagger": [MIX]}, 0)
    without, gated = rows(table)["tagger", False], rows(table)["tagger", True]
    # Without the gate the mean of all is 0.66: five products, one of them wrong, and one outlier reach it.
    assert without["mean_confidence"] == pytest.approx(0.66)
    assert (without["released"], without["errors"], without["outlier_errors"]) == (6, 2, 1)
    assert (without["coverage"], without["error_share"]) == (0.6, pytest.approx(1 / 3))
    # The gate rejects a product and the most confident outlier: the mean is 0.675, and five products are left.
    assert gated["mean_confidence"] == pytest.approx(5.4 / 8)
    assert (gated["released"], gated["errors"], gated["outlier_errors"], gated["coverage"]) == (5, 1, 0, 0.5)
    # The five most confident without the gate: the outlier with 1.0 and four products.
    assert table["equal_coverage"] == {"outlier_errors_without": 1.0, "outlier_errors_with": 0.0, "cut": 1.0}


def test_ood_study_sums_attributes():
    once, twice = (rows(ood_study({"tagger": [MIX] * count}, 0))["tagger", True] for count in (1, 2))
    assert twice["released"] == 2 * once["released"]
    assert twice["coverage"] == once["coverage"]
    assert twice["mean_confidence"] == pytest.approx(once["mean_confidence"])


def test_ood_study_with_a_gate_that_accepts_nothing():
    shut = OODMixture(CONFIDENCE, CORRECT, OUTLIER, np.zeros(10, bool))
    gated = rows(ood_study({"tagger": [shut]}, 0))["tagger", True]
    assert (gated["released"], gated["coverage"], gated["error_share"]) == (0, 0, 0)
    coverage, share = curve([shut], True, 0)
    assert (coverage == 0).all()
    assert np.isnan(share).all()


def test_ood_study_with_a_gate_that_accepts_everything():
    open_wide = OODMixture(CONFIDENCE, CORRECT, OUTLIER, np.ones(10, bool))
    assert ood_study({"tagger": [open_wide]}, 0)["equal_coverage"]["cut"] == 0


def test_curve_ends_at_the_coverage_of_the_gate():
    coverage, share = curve([MIX], False, 0)
    assert len(coverage) == len(GRID)
    assert (coverage[-1], share[-1]) == (1, pytest.approx(0.2))
    assert (coverage[4], share[4]) == (pytest.approx(0.1), 1)
    coverage, share = curve([MIX], True, 0)
    assert coverage[-1] == pytest.approx(0.8)
    assert share[-1] == pytest.approx(1 / 8)
