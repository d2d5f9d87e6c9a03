"""TensorFlow import without its start-up messages."""

import logging
import os
from importlib import import_module
from pathlib import Path


def import_tensorflow() -> None:
    """Import TensorFlow and Keras; hide the output of their C++ code, and later their log messages below errors."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    standard_error = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import_module("keras")
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
    # Several models in one process are no mistake: TensorFlow warns of their "retracing".
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
