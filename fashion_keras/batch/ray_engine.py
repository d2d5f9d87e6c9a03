"""Shards on Ray: a pool of workers that load the network once each; a shard of a lost worker is done by another."""

import logging
import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fashion_keras.batch.config import BatchConfig
from fashion_keras.batch.plan import Plan
from fashion_keras.batch.shards import Job, process_shards
from fashion_keras.features.batch_folder import BatchFolder, ShardEntry
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

_CPUS = 2  # of a worker: one decodes while the network computes
_TRIES = 5  # of a shard whose worker is lost
_SECONDS = 30  # that a cluster has to reply
_PLACE = re.compile(r"(?:ray://)?\[?(?P<host>[^/]+?)\]?:(?P<port>\d+)")


class ShardWorker:
    """A worker's job, loaded when it starts; relative paths are those of the process that hands out the shards."""

    def __init__(self, home: str, folder: str, load_job: Callable[[], Job]) -> None:
        os.chdir(home)
        self.folder, self.job = Path(folder), load_job()

    def is_ready(self) -> bool:
        """Return True: the worker has started."""
        return True

    def process(self, number: int, manifest: Any, plan: Plan) -> tuple[int, ShardEntry]:  # noqa: ANN401
        """Process one shard and return its number of images and its entry."""
        folder = BatchFolder(self.folder, manifest)
        images, finished = 0, None
        for _, done, entry in process_shards(folder, plan, [number], self.job):
            images, finished = images + done, entry
        return images, finished


def process_on_ray(
    config: BatchConfig, folder: BatchFolder, plan: Plan, numbers: list[int], load_job: Callable[[], Job]
) -> Iterator[tuple[int, int, ShardEntry]]:
    """Process shards by a pool of workers; as `process_shards`, in the order in which they end.

    All nodes need the package, the images and the output folder under the same paths.

    Raises:
        InputError: when Ray is not installed, its cluster cannot be reached, or a shard cannot be processed.
    """
    ray = _connect(config)
    try:
        yield from _hand_out(ray, config, folder, plan, numbers, load_job)
    finally:
        if not config.address and "RAY_ADDRESS" not in os.environ:
            ray.shutdown()


def _connect(config: BatchConfig) -> Any:  # noqa: ANN401 - the module
    try:
        import ray  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise InputError("--engine ray needs an extra: pip install 'fashion_keras[scale]'") from None
    if not ray.is_initialized():
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = config.address or os.environ.get("RAY_ADDRESS")
        try:
            _knock(address)
            # "local": never a cluster that somebody else has started on this machine.
            ray.init(address=address or "local", log_to_driver=False, logging_level="error",
                     include_dashboard=None if address else False)  # fmt: skip
        except Exception as error:  # noqa: BLE001 - Ray's have no class in common
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"Ray cannot be reached at {address or 'this machine'}: {reason}") from None
    return ray


def _knock(address: str | None) -> None:
    """Raise OSError unless somebody listens at a cluster's address; Ray itself would try for minutes."""
    if place := _PLACE.fullmatch(address or ""):
        socket.create_connection((place["host"], int(place["port"])), timeout=_SECONDS).close()


def _hand_out(
    ray: Any,  # noqa: ANN401 - the module
    config: BatchConfig,
    folder: BatchFolder,
    plan: Plan,
    numbers: list[int],
    load_job: Callable[[], Job],
) -> Iterator[tuple[int, int, ShardEntry]]:
    """Give each worker a shard, and the next when it is done; that of a lost worker to any other."""
    resources = ray.cluster_resources()
    count = min(config.workers or _default_workers(resources, config.gpus_per_worker), len(numbers))
    cpus = min(_CPUS, max(1, int(resources.get("CPU", 1)) // count))
    actor = ray.remote(ShardWorker).options(num_cpus=cpus, num_gpus=config.gpus_per_worker or None)
    absolute = str(folder.folder.absolute())
    log.info("Ray: %d workers with %d CPUs each", count, cpus)
    waiting, tries, workers, idle, running = list(reversed(numbers)), Counter(), [], [], {}

    def add_worker() -> None:
        workers.append(actor.remote(str(Path.cwd()), absolute, load_job))
        # It gets a shard when it has started: without a free node that may never be.
        running[workers[-1].is_ready.remote()] = workers[-1], None

    try:
        for _ in range(count):
            add_worker()
        left = len(numbers)
        while left:
            (done,), _ = ray.wait([*running], num_returns=1)
            worker, number = running.pop(done)
            result = _result(ray, done)
            if isinstance(result, Exception):
                tries[number] += 1
                if tries[number] > _TRIES:
                    raise _given_up(number, result)
                waiting += [] if number is None else [number]
                add_worker()
            else:
                idle.append(worker)
            for worker, following in [(idle.pop(), waiting.pop()) for _ in range(min(len(idle), len(waiting)))]:
                running[worker.process.remote(following, folder.manifest, plan)] = worker, following
            if number is not None and not isinstance(result, Exception):
                left -= 1
                yield number, *result
    finally:
        for worker in workers:
            ray.kill(worker)


def _result(ray: Any, done: Any) -> Any:  # noqa: ANN401 - the module
    """Return the result of a call, or the error by which its worker was lost; raise what the call itself raised."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, InputError | OSError):
            raise cause from None
        raise
    except ray.exceptions.RayError as error:
        return error


def _given_up(number: int | None, error: Exception) -> InputError:
    what = "a worker did not start" if number is None else f"shard {number} lost its worker"
    # The last line of a worker's traceback is its reason.
    reason = " ".join(str(error).strip().splitlines()[-1].split())[:200]
    return InputError(f"Ray: {what} {_TRIES + 1} times ({reason}); run again to go on")


def _default_workers(resources: dict[str, float], gpus: float) -> int:
    if gpus:
        return max(1, int(resources.get("GPU", 0) / gpus))
    return max(1, int(resources.get("CPU", 1)) // _CPUS)
