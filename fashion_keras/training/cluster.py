"""Cluster of the processes that train one network, from the environment variable TF_CONFIG. No Keras here."""

import json
import os
from dataclasses import dataclass

from fashion_keras.support.errors import InputError

_EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """Number of workers, and which of them this process is; worker 0 is the chief, which alone writes the run."""

    workers: int = 1
    worker: int = 0


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
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"TF_CONFIG cannot be read; it must be like {_EXAMPLE}") from None
    if unknown := counts.keys() - {"chief", "worker"}:
        raise InputError(f"TF_CONFIG has a job {min(unknown)!r}: there are chief and worker alone, as in {_EXAMPLE}")
    if counts.get("chief", 0) > 1 or not 0 <= index < counts.get(kind, 0):
        raise InputError(f"TF_CONFIG: no task {kind} {index} in its cluster of {counts}; it must be like {_EXAMPLE}")
    return Cluster(sum(counts.values()), index + (counts.get("chief", 0) if kind == "worker" else 0))
