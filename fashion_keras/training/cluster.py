"""Cluster of the processes that train one network, from the environment variable TF_CONFIG. No Keras here."""

import json
import os
from dataclasses import dataclass

from fashion_keras.support.errors import InputError

_EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """Number of workers, and which of them this process is; worker 0 is the chief, which alone writes the run.

    `hosts`: of all workers, without their ports.
    """

    workers: int = 1
    worker: int = 0
    hosts: tuple[str, ...] = ()


ONE_PROCESS = Cluster()


def read_cluster() -> Cluster:
    """Return the cluster in TF_CONFIG, one worker where that is not set; InputError where it cannot be used.

    As TensorFlow has it: jobs "chief" (one task, optional) and "worker", each a list of host:port.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return ONE_PROCESS
    try:
        content = json.loads(text)
        jobs, task = content["cluster"], content["task"]
        kind, index = task["type"], int(task["index"])
        counts = {job: len(addresses) for job, addresses in jobs.items()}
        hosts = {address.rpartition(":")[0] for addresses in jobs.values() for address in addresses}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"TF_CONFIG cannot be read; it must be like {_EXAMPLE}") from None
    if unknown := counts.keys() - {"chief", "worker"}:
        raise InputError(f"TF_CONFIG has a job {min(unknown)!r}: there are chief and worker alone, as in {_EXAMPLE}")
    if counts.get("chief", 0) > 1 or not 0 <= index < counts.get(kind, 0):
        raise InputError(f"TF_CONFIG: no task {kind} {index} in its cluster of {counts}; it must be like {_EXAMPLE}")
    first = counts.get("chief", 0) if kind == "worker" else 0
    return Cluster(sum(counts.values()), first + index, tuple(sorted(hosts)))


def bypass_proxy(cluster: Cluster) -> None:
    """Let TensorFlow reach the workers directly where a proxy is set for everything else: its gRPC would ask that."""
    excepted = [os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy", ""), *cluster.hosts]  # noqa: SIM112 - as gRPC has it
    os.environ["no_grpc_proxy"] = ",".join(filter(None, excepted))  # noqa: SIM112
