"""Counts and times of requests, in the text format of Prometheus (version 0.0.4)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass
class Histogram:
    """Counts of values up to each bound, their sum and number."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value; it is in the bucket of the first bound that is not below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str = "") -> Iterable[str]:
        """Yield the lines of the cumulative buckets, the sum and the count."""
        count = 0
        for bound, own in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            count += own
            yield f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} {count}'
        end = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{end} {self.total:.6f}"
        yield f"{name}_count{end} {count}"


class Metrics:
    """Requests by route and status, their seconds, the queue and the batches; threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._batches = Histogram(_BATCHES)
        self.queue_length: Callable[[], int] = lambda: 0

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that has been replied to; `route` is a template, never a client's own path."""
        with self._lock:
            self._requests[method, route, status] += 1
            self._seconds.setdefault(route, Histogram(_SECONDS)).add(seconds)

    def count_batch(self, images: int) -> None:
        """Count a forward pass of that many images."""
        with self._lock:
            self._batches.add(images)

    def to_text(self) -> str:
        """Return all metrics as Prometheus reads them."""
        with self._lock:
            lines = ["# TYPE fashion_keras_requests_total counter"]
            lines += [
                f'fashion_keras_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                for (method, route, status), count in sorted(self._requests.items())
            ]
            lines.append("# TYPE fashion_keras_request_seconds histogram")
            for route, histogram in sorted(self._seconds.items()):
                lines += histogram.lines("fashion_keras_request_seconds", f'route="{route}"')
            lines.append("# TYPE fashion_keras_batch_images histogram")
            lines += self._batches.lines("fashion_keras_batch_images")
            lines.append("# TYPE fashion_keras_queue_length gauge")
            lines.append(f"fashion_keras_queue_length {self.queue_length()}")
        return "\n".join(lines) + "\n"
