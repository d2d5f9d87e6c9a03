"""The argument `verbose` of long public functions."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from fashion_keras.support.progress import verbosity

Function = TypeVar("Function", bound=Callable[..., Any])


def takes_verbose(function: Function) -> Function:
    """Add the keyword `verbose` to a function: 0 silent, 1 log and progress bars, 2 log lines; None: as before.

    It holds during the call alone; see `set_verbosity`. Any other value raises InputError.
    """

    @wraps(function)
    def call(*args: Any, verbose: int | None = None, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the function
        with verbosity(verbose):
            return function(*args, **kwargs)

    signature = inspect.signature(function)
    added = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=int | None)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])
    return call
