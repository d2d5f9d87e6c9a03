"""Long work in the background: a daemon thread, which the end of the server does not wait for."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from fashion_keras.support.errors import InputError
from fashion_keras.web.http.uploads import RequestError

log = logging.getLogger("fashion_keras")

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


def finished(future: Future[Result], what: str, seconds: int) -> Result:
    """Return the result of work in the background; RequestError 202 until it has ended, 503 where it failed.

    `what` names the result; `seconds` are until it is worth trying again. Why it failed is for the log: it may name
    files of the server.
    """
    if not future.done():
        raise RequestError(202, f"{what} is being prepared; try again in some seconds", retry_after=seconds)
    try:
        return future.result()
    except RequestError:
        raise
    except InputError as error:
        log.error("%s: %s", what, error)
        raise RequestError(503, f"{what} cannot be had; the server's log has the cause") from None
