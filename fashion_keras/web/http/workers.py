"""Threads for the work of requests, and a bound on how many requests are under way."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

Result = TypeVar("Result")

_FEWEST = 4  # requests that are admitted however slow the machine is


class BusyError(Exception):
    """As many requests as allowed are under way; `seconds` until it is worth trying again."""

    seconds = 1


class Workers:
    """`threads` threads that work, and the requests admitted: being received, waiting or at work.

    At most `limit` are admitted. With a `target`, fewer are while work takes longer than that many seconds: after each
    slow piece of work a tenth fewer, down to `_FEWEST`, after each fast one a little more (additive increase,
    multiplicative decrease). A slow machine then refuses requests instead of letting all of them wait.
    """

    def __init__(self, threads: int, limit: int, target: float | None = None) -> None:
        self._threads = ThreadPoolExecutor(threads, "request")
        self._most, self._limit, self._target = limit, float(limit), target
        self._lock = Lock()
        self._slowed = 0.0
        self.admitted = 0

    @contextmanager
    def admit(self) -> Iterator["Admission"]:
        """Admit a request; BusyError when there are too many. Its place is free when its work has ended."""
        with self._lock:
            if self.admitted >= self._limit:
                raise BusyError
            self.admitted += 1
        admission = Admission(self._threads, self._adapt)
        try:
            yield admission
        finally:
            # A thread cannot be stopped: a request that ran out of time takes its place until its work ends.
            if admission.work is None:
                self._release()
            else:
                admission.work.add_done_callback(self._release)

    def close(self) -> None:
        """End the threads; work that has not begun is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: object = None) -> None:
        with self._lock:
            self.admitted -= 1

    def _adapt(self, seconds: float) -> None:
        """Change the limit after a piece of work; at most one decrease for the requests of one moment."""
        if self._target is None:
            return
        with self._lock:
            now = time.monotonic()
            if seconds <= self._target:
                self._limit = min(self._most, self._limit + 1 / self._limit)
            elif now - self._slowed > self._target:
                self._limit, self._slowed = max(min(_FEWEST, self._most), 0.9 * self._limit), now


class Admission:
    """The place of an admitted request; `observe` is given the seconds that its work took."""

    def __init__(self, threads: ThreadPoolExecutor, observe: Callable[[float], None]) -> None:
        self._threads, self._observe = threads, observe
        self.work: Future[Any] | None = None

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401
        """Run the request's work, once, in a thread and return its result."""
        self.work = self._threads.submit(self._timed, function, *arguments)
        return await asyncio.wrap_future(self.work)

    def _timed(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401
        started = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self._observe(time.perf_counter() - started)
