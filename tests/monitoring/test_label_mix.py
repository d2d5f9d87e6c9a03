"""Label mixes: distances by hand, the chi-square test against SciPy, Holm's correction by hand."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from fashion_keras.monitoring.label_mix import LabelChange, chi_square_p_value, holm, label_shift
from fashion_keras.monitoring.measurement import NotMeasuredError


def test_total_variation_and_changes_by_hand():
    shift = label_shift({"a": 50, "b": 30, "c": 20}, {"a": 20, "b": 12, "d": 8})
    # Shares 0.5, 0.3, 0.2, 0 against 0.5, 0.3, 0, 0.2.
    assert shift.total_variation == pytest.approx(0.2)
    assert (shift.reference, shift.new) == (100, 40)
    assert shift.up == (LabelChange("d", 0, 0.2),)
    assert shift.down == (LabelChange("c", 0.2, 0),)
    assert (shift.new_labels, shift.vanished_labels) == (("d",), ("c",))


def test_equal_mixes_have_no_distance():
    shift = label_shift({"a": 60, "b": 40}, {"a": 300, "b": 200})
    assert (shift.total_variation, shift.p, shift.up, shift.down) == (0, 1, (), ())


def test_disjoint_mixes_have_distance_one():
    assert label_shift({"a": 100}, {"b": 100}).total_variation == 1


def test_one_label_on_both_sides_is_no_change():
    shift = label_shift({"a": 100}, {"a": 50})
    assert (shift.total_variation, shift.p) == (0, 1)


@pytest.mark.parametrize(("reference", "new"), [({}, {}), ({"a": 29}, {"a": 100}), ({"a": 100}, {})])
def test_few_labels_are_not_measured(reference, new):
    with pytest.raises(NotMeasuredError, match="30 of each are needed"):
        label_shift(reference, new)


def test_chi_square_is_that_of_scipy():
    counts = np.array([[50, 30, 20], [40, 60, 30]])
    assert chi_square_p_value(counts) == pytest.approx(chi2_contingency(counts, correction=False).pvalue)


def test_chi_square_adds_rare_labels_up():
    counts = np.array([[50, 30, 3, 2, 1], [40, 60, 1, 4, 2]])
    together = np.array([[50, 30, 6], [40, 60, 7]])
    assert chi_square_p_value(counts) == pytest.approx(chi2_contingency(together, correction=False).pvalue)


def test_holm_by_hand():
    # 0.005 x 4; 0.01 x 3; 0.03 x 2; 0.04 x 1 is below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
