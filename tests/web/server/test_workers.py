"""Bounded work: admissions, their places, and fewer of them while work is slow."""

import asyncio
import time

import pytest

from fashion_keras.web.http.workers import BusyError, Workers


def admissible(workers):
    """How many requests are admitted at once."""
    admitted = []
    with pytest.raises(BusyError):
        for _ in range(1000):
            admission = workers.admit()
            admission.__enter__()
            admitted.append(admission)
    for admission in admitted:
        admission.__exit__(None, None, None)
    return len(admitted)


async def work(workers, seconds):
    with workers.admit() as admission:
        return await admission.run(time.sleep, seconds)


def test_a_place_is_free_again_after_its_work():
    workers = Workers(2, 3)
    assert admissible(workers) == 3
    asyncio.run(work(workers, 0))
    assert admissible(workers) == 3
    workers.close()


def test_work_that_outlives_its_request_keeps_its_place():
    workers = Workers(1, 1)

    async def give_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await work(workers, 0.5)
        assert workers.admitted == 1

    asyncio.run(give_up())
    deadline = time.monotonic() + 20
    while workers.admitted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert admissible(workers) == 1
    workers.close()


def test_slow_work_lowers_the_limit_and_fast_work_raises_it():
    workers = Workers(1, 10, target=0.01)
    for _ in range(30):
        asyncio.run(work(workers, 0.02))
    assert admissible(workers) == 4  # never fewer
    patient = Workers(1, 10, target=60)
    asyncio.run(work(patient, 0.02))
    assert admissible(patient) == 10
    for _ in range(80):
        workers._adapt(0.001)
    assert admissible(workers) == 10
    workers.close()


def test_an_error_of_the_work_reaches_the_request():
    workers = Workers(1, 1)

    async def fail():
        with workers.admit() as admission:
            await admission.run(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(fail())
    assert admissible(workers) == 1
    workers.close()
