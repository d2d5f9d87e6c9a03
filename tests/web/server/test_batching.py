"""Micro-batches of concurrent calls: equal to single calls, bounded, errors reach every caller."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fashion_keras.web.service.batching import BatchedForward


def network(pixels):
    """The mean of each color."""
    return pixels.mean(axis=(1, 2))


def images(count, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, 6, 4, 3)).astype(np.float32)


def call_together(forward, parts):
    barrier = threading.Barrier(len(parts))

    def call(part):
        barrier.wait()
        return forward(part)

    with ThreadPoolExecutor(len(parts)) as threads:
        return list(threads.map(call, parts))


def test_calls_that_wait_together_are_one_pass_and_equal_single_calls():
    sizes, release = [], threading.Event()

    def slow(pixels):
        release.wait(0.05)
        return network(pixels)

    forward = BatchedForward(slow, 8, sizes.append)
    parts = [images(1, seed) for seed in range(30)]
    for outputs, part in zip(call_together(forward, parts), parts, strict=True):
        np.testing.assert_allclose(outputs, network(part), rtol=1e-6)
    assert sum(sizes) == 30 and max(sizes) == 8 and len(sizes) < 10
    forward.close()


def test_calls_of_several_images_keep_their_order():
    forward = BatchedForward(network, 8)
    parts = [images(1 + seed % 5, seed) for seed in range(12)] + [images(20, 99)]
    for outputs, part in zip(call_together(forward, parts), parts, strict=True):
        np.testing.assert_allclose(outputs, network(part), rtol=1e-6)
    forward.close()


def test_an_error_reaches_every_caller_and_the_next_call_works():
    calls = []

    def sometimes(pixels):
        calls.append(len(pixels))
        if len(calls) == 1:
            raise RuntimeError("no memory")
        return network(pixels)

    forward = BatchedForward(sometimes, 4)
    with pytest.raises(RuntimeError, match="no memory"):
        forward(images(1))
    np.testing.assert_allclose(forward(images(2)), network(images(2)), rtol=1e-6)
    forward.close()
