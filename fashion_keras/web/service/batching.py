"""Micro-batches: images that several threads wait for pass the network together."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock

import numpy as np
from numpy.typing import NDArray

from fashion_keras.models.classifier import Forward

# How long the first image of a batch waits for others, in seconds.
_WAIT = 0.003


class _Batch:
    """Images that are waiting, and their outputs to come."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = []
        self.count = 0
        self.full = Event()
        self.outputs: Future[NDArray[np.float32]]

    def add(self, pixels: NDArray[np.float32], size: int) -> int:
        """Add images; return the row of the first of them."""
        start = self.count
        self.parts.append(pixels)
        self.count += len(pixels)
        if self.count >= size:
            self.full.set()
        return start


class BatchedForward:
    """Forward pass, pixels [b, h, w, 3] float32 -> outputs [b, ...], for many threads: one worker calls the network.

    The worker takes what is waiting, up to `size` images, after the first one has waited 3 ms. While it computes, the
    next batch fills, so that batches grow with the load. An error of the network is raised in every waiting thread.
    `observe` is given the size of each batch.
    """

    def __init__(self, forward: Forward, size: int, observe: Callable[[int], None] = lambda count: None) -> None:
        self._forward, self._size, self._observe = forward, size, observe
        self._worker = ThreadPoolExecutor(1, "forward")
        self._lock = Lock()
        self._open: _Batch | None = None

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Wait for the batch of these images and return their outputs, in order."""
        with self._lock:
            batch = self._open
            if batch is None or batch.count + len(pixels) > self._size:
                batch = self._open = _Batch()
                batch.outputs = self._worker.submit(self._run, batch)
            start = batch.add(pixels, self._size)
        return batch.outputs.result()[start : start + len(pixels)]

    def close(self) -> None:
        """End the worker; batches that have not begun are given up."""
        self._worker.shutdown(cancel_futures=True)

    def _run(self, batch: _Batch) -> NDArray[np.float32]:
        batch.full.wait(_WAIT)
        with self._lock:
            if self._open is batch:
                self._open = None
        self._observe(batch.count)
        return self._forward(np.concatenate(batch.parts))
