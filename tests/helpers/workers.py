"""Workers of a distributed training run: processes on this machine that TF_CONFIG names."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack


def free_ports(count):
    """Ports on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start_workers(*arguments, count=2):
    """Start `fashion-keras ARGUMENTS` as each worker of a cluster and return the processes, the chief first."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    program = [sys.executable, "-m", "fashion_keras", *map(str, arguments)]
    processes = []
    for index in range(count):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
        processes.append(
            subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    return processes


def finish(processes):
    """Wait for workers and return (exit code, standard output, standard error) of each."""
    outputs = [process.communicate(timeout=900) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]
