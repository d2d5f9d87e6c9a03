"""TensorFlow without the chatter of its start."""

import logging
import os
from importlib import import_module
from pathlib import Path


def import_tensorflow() -> None:
    """Import TensorFlow; what its C++ code writes past all settings is not shown, exceptions come through."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    standard_error = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import_module("keras")
        # Several networks in one process are no mistake: it warns of their "retracing".
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
