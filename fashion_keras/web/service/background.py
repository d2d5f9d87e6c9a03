"""Long work in the background: a daemon thread, which the end of the server does not wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_background(function: Callable[..., Result], *arguments: Any) -> Future[Result]:  # noqa: ANN401
    """Call a function in a thread of its own; return its result to come, which raises what the function raised."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised again where the result is read
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, daemon=True).start()
    return future
