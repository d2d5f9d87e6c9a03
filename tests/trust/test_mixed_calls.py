"""Public functions in 16 threads at once."""

import pytest

from tests.trust.mixed_calls import SHARES, compare, equal, make_shop


def test_equal_sees_a_changed_number_and_a_changed_text():
    assert equal([("1", 0.5)], [("1", 0.5 + 1e-7)])
    assert not equal([("1", 0.5)], [("1", 0.5 + 1e-3)])
    assert not equal([("1", 0.5)], [("2", 0.5)])


@pytest.mark.slow
def test_mixed_calls_of_16_threads_equal_serial_ones(run, tmp_path):
    counts, found = compare(make_shop(tmp_path, str(run.folder)), 800)
    assert found == []
    assert counts.keys() == SHARES.keys()
