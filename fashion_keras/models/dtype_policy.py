"""Keras dtype policies, and whether this machine computes in bfloat16."""

import re
from pathlib import Path


def dtype_policy(precision: str) -> str:
    """Return the Keras dtype policy for "auto", "float32", "bfloat16" or "float16".

    Weights are float32 in any case. "auto" is bfloat16 where the GPU (compute capability 8 or above) or the CPU (AMX or
    AVX512-BF16) computes in it, else float32.
    """
    if precision == "auto":
        precision = "bfloat16" if computes_bfloat16() else "float32"
    return precision if precision == "float32" else f"mixed_{precision}"


def computes_bfloat16() -> bool:
    """Return whether this machine's GPU, or its CPU when it has none, computes in bfloat16."""
    import tensorflow as tf  # noqa: PLC0415 - a compiled network runs without it

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0)) >= (8, 0)
    return cpu_computes_bfloat16()


def cpu_computes_bfloat16() -> bool:
    """Return whether this machine's CPU computes in bfloat16."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and re.search(r"\b(amx_bf16|avx512_bf16)\b", flags.read_text(encoding="utf-8")) is not None
