"""Network forward passes, OpenVINO's and Keras': pixels [b, h, w, 3] to outputs, callable from many threads at once."""

import ctypes
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    import keras

# Held while Keras builds a network: its random seed and dtype policy belong to the whole process.
BUILDING = RLock()

_HINTS = {"float32": "f32", "bfloat16": "bf16"}
# Batches of fixed sizes: a few images must not cost as much as sixteen.
_BATCH, _SMALL_BATCH = 16, 4
_instances: "WeakSet[OpenVINONetwork]" = WeakSet()


class OpenVINONetwork:
    """Network file as a function: pixels [b, h, w, 3] float32 in 0..255 -> outputs [b, ...] float32.

    Batches of 16, the rest in batches of 4 and single images, run at the same time on all cores; each size has a
    compiled network of its own. Outputs do not depend on other threads' calls. A forked process compiles them again.
    """

    def __init__(self, xml: Path, precision: str = "float32") -> None:
        self._xml, self._precision = xml, precision
        self._forget()
        _instances.add(self)

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of b >= 1 images, in order."""
        outputs: list[NDArray[np.float32]] = []
        running: deque[tuple[LifoQueue, Any]] = deque()
        try:
            for start, size in _parts(len(pixels)):
                idle = self._idle_requests(size, pixels.shape[1:])
                while True:
                    try:
                        # Waits for other calls only while it holds no request, so that no two calls wait in a ring.
                        request = idle.get(block=not running)
                        break
                    except Empty:
                        outputs.append(_output(running[0][1]))
                        _release(*running.popleft())
                running.append((idle, request))
                request.start_async({0: pixels[start : start + size]})
            outputs.extend(_output(request) for _, request in running)
        finally:
            for idle, request in running:
                _release(idle, request)
        return np.concatenate(outputs)

    def _idle_requests(self, size: int, shape: tuple[int, ...]) -> LifoQueue:
        """Return the pool of requests of the network compiled for batches of `size`, compiled at the first call."""
        with self._lock:
            if (size, *shape) not in self._pools:
                self._pools[size, *shape] = self._compile(size, shape)
            return self._pools[size, *shape]

    def _compile(self, size: int, shape: tuple[int, ...]) -> LifoQueue:
        import openvino  # noqa: PLC0415 - a machine without OpenVINO works, too

        core = openvino.Core()
        hint = "THROUGHPUT" if size > 1 else "LATENCY"
        settings = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": _HINTS[self._precision]}
        try:
            model = core.read_model(self._xml)
            model.reshape([size, *shape])
            compiled = core.compile_model(model, "CPU", settings)
        except (RuntimeError, UnicodeDecodeError) as error:  # the latter where a message quotes what is no Unicode
            reason = " ".join(str(error).split())[-160:]
            raise InputError(f"{self._xml}: OpenVINO cannot read it for images of {shape} ({reason})") from None
        if len(compiled.inputs) != 1 or not compiled.outputs:
            raise InputError(
                f"{self._xml}: {len(compiled.inputs)} inputs and {len(compiled.outputs)} outputs; not one of ours"
            )
        idle: LifoQueue = LifoQueue()
        for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")):
            idle.put(compiled.create_infer_request())
        return idle

    def _forget(self) -> None:
        self._lock, self._pools = Lock(), {}


class KerasNetwork:
    """Keras network as a function: pixels [b, h, w, 3] float32 in 0..255 -> outputs [b, ...] float32.

    Calls from several threads run one after the other, each on all cores.
    """

    def __init__(self, network: "keras.Model") -> None:
        self._network, self._lock, self._process = network, Lock(), os.getpid()

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of b images; InputError in a forked process, where TensorFlow would hang."""
        if os.getpid() != self._process:
            raise InputError(
                "TensorFlow does not run in a forked process: start it with multiprocessing.get_context('spawn')"
            )
        with self._lock:
            return np.asarray(self._network.predict_on_batch(pixels)).astype(np.float32, copy=False)


def _parts(count: int) -> Iterator[tuple[int, int]]:
    """Yield start and size of the batches of `count` images; the last 16 are in small ones, for all cores."""
    start = 0
    while start < count:
        left = count - start
        size = _BATCH if left > _BATCH else _SMALL_BATCH if left >= _SMALL_BATCH else 1
        yield start, size
        start += size


def _release(idle: LifoQueue, request: Any) -> None:  # noqa: ANN401 - an openvino.InferRequest
    """Return a request to its pool, when it has ended."""
    request.wait()
    idle.put(request)


def _output(request: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an openvino.InferRequest
    """Wait for a request and return its first output; a converted network may show inner ones, too (swish)."""
    request.wait()
    return request.get_output_tensor(0).data.copy()


def _abandon_inherited() -> None:
    """Discard the compiled networks of a forked process: they would wait for threads it has not, even at their end."""
    for network in _instances:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(network._pools))
        network._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_inherited)
