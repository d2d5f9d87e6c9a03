"""The PyTorch side of encode.py: a process that runs a network once over its images whenever a line comes in.

Keras' own network on its torch backend, channels first as PyTorch has them, under torch.no_grad and autocast.
"""

import argparse
import os
import sys
from importlib import import_module

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

BATCH = 64


def main() -> None:
    """Build the network, then run it once for each line of standard input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("builder", "precision"):
        parser.add_argument(name)
    for name in ("height", "width", "images"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    keras.config.set_image_data_format("channels_first")
    module, function = options.builder.split(":")
    shape = (3, options.height, options.width)
    build = getattr(import_module(module), function)
    network = build(include_top=False, weights=None, input_shape=shape, pooling="avg").eval()
    images = np.random.default_rng(0).uniform(0, 255, (options.images, *shape)).astype(np.float32)
    print("ready", flush=True)
    for _ in sys.stdin:
        _encode(network, images, options.precision == "bfloat16")
        print("done", flush=True)


def _encode(network: keras.Model, images: np.ndarray, half: bool) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(images[start : start + BATCH])
            network(batch.contiguous(memory_format=torch.channels_last))


if __name__ == "__main__":
    main()
