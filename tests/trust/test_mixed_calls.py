"""Public functions in 16 threads at once, and in processes with other numbers of processors."""

import json
import subprocess
import sys
from dataclasses import astuple

import numpy as np
import pytest

from tests.trust.mixed_calls import SHARES, compare, equal, make_shop

# Prints the results of every call for some images, computed by the first N processors.
_PROGRAM = """
import json, os, sys
count, *shop = sys.argv[1:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(count)])
import numpy as np
from tests.trust.mixed_calls import Shop, make_calls
plain = lambda value: value.tolist() if isinstance(value, np.ndarray) else value
calls = make_calls(Shop(*shop))
print(json.dumps({name: [plain(call(number)) for number in range(4)] for name, call in calls.items()}))
"""


@pytest.fixture(scope="module")
def shop(run, tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"), str(run.folder))


def test_equal_sees_a_changed_number_and_a_changed_text():
    assert equal([("1", 0.5)], [("1", 0.5 + 1e-7)])
    assert not equal([("1", 0.5)], [("1", 0.5 + 1e-3)])
    assert not equal([("1", 0.5)], [("2", 0.5)])


@pytest.mark.slow
def test_mixed_calls_of_16_threads_equal_serial_ones(shop):
    counts, found = compare(shop, 800)
    assert found == []
    assert counts.keys() == SHARES.keys()


@pytest.mark.slow
def test_tags_and_rankings_do_not_depend_on_the_number_of_processors(shop):
    def results(processors):
        command = [sys.executable, "-c", _PROGRAM, str(processors), *astuple(shop)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)

    one, two = results(1), results(2)
    assert one.keys() == SHARES.keys()
    for name in ("tag", "read catalog", "open index"):
        assert one[name] == two[name]
    for name in (name for name in one if name.startswith("search")):
        assert [[row[0] for row in matches] for matches in one[name]] == [
            [row[0] for row in matches] for matches in two[name]
        ]
    for name in ("predict", "embed", "embed text", "words as classes", "transform", "explain"):
        np.testing.assert_allclose(one[name], two[name], rtol=0, atol=1e-5, err_msg=name)
