"""Threads for the work of requests, and a bound on how many requests are under way."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

Result = TypeVar("Result")


class BusyError(Exception):
    """As many requests as allowed are under way; `seconds` until it is worth trying again."""

    seconds = 1


class Workers:
    """`threads` threads that work, and at most `limit` requests admitted: working, waiting or still being received."""

    def __init__(self, threads: int, limit: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "request")
        self._limit, self._lock = limit, Lock()
        self.admitted = 0

    @contextmanager
    def admit(self) -> Iterator["Admission"]:
        """Admit a request; BusyError when there are too many. Its place is free when its work has ended."""
        with self._lock:
            if self.admitted >= self._limit:
                raise BusyError
            self.admitted += 1
        admission = Admission(self._threads)
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


class Admission:
    """The place of an admitted request."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.work: Future[Any] | None = None

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401
        """Run the request's work, once, in a thread and return its result."""
        self.work = self._threads.submit(function, *arguments)
        return await asyncio.wrap_future(self.work)
