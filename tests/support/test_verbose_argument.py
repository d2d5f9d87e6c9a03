"""The argument `verbose` holds during the call alone, whatever the function."""

import inspect

import pytest

import fashion_keras
from fashion_keras.support import progress
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose


@takes_verbose
def current_verbosity(add: int = 0) -> int:
    return progress._verbosity + add


def test_takes_verbose_holds_during_the_call():
    assert (current_verbosity(), current_verbosity(10, verbose=0), current_verbosity(add=20, verbose=2)) == (1, 10, 22)
    assert current_verbosity() == 1


def test_takes_verbose_refuses_other_values():
    with pytest.raises(InputError, match="verbose must be 0"):
        current_verbosity(verbose=3)


@pytest.mark.parametrize(
    "name",
    ["train", "resume", "train_encoder", "train_tagger", "build_index", "update_index", "evaluate", "evaluate_search",
     "audit", "probe", "draw_map", "robustness"],
)  # fmt: skip
def test_long_public_functions_take_verbose(name):
    parameter = inspect.signature(getattr(fashion_keras, name)).parameters["verbose"]
    assert (parameter.kind, parameter.default) == (inspect.Parameter.KEYWORD_ONLY, None)
