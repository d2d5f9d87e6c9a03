"""Training device: which GPU or CPU a network is trained on, for the log and the report."""

import platform
import re
from pathlib import Path


def training_device() -> str:
    """Return "GPU " and its name, or "CPU " and its model."""
    import tensorflow as tf  # noqa: PLC0415 - the CPU's name needs no TensorFlow elsewhere

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)
        return f"GPU {name}" + (f" (the first of {len(gpus)})" if len(gpus) > 1 else "")
    return f"CPU {_cpu_model()}"


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    match = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.is_file() else None
    return match.group(1).strip() if match else platform.processor() or platform.machine()
