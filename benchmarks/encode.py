"""Encoding image files: ours against model.predict and against the limit, a bare OpenVINO loop on arrays in memory.

python benchmarks/encode.py --data DIR --backbone vgg19
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import openvino
from measure import median_seconds, print_table

from fashion_keras import TrainConfig, read_catalog
from fashion_keras.features.cache import encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.decode import decode_batch
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import build_network, cast_copy, submodel_until
from fashion_keras.models.classifier import ClassifierSpec

STATIC_BATCH = 16


def main() -> None:
    """Measure one backbone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--image-size", metavar="HxW")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has torch, for a PyTorch side")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    config = TrainConfig(backbone=options.backbone, image_size=options.image_size)
    catalog = read_catalog(options.data)
    catalog = catalog.take(np.arange(options.images) % len(catalog))
    network = _network(config)
    pixels = decode_batch(catalog.paths, config.image_spec).astype(np.float32)
    encoder = compile_encoder(network, config.image_spec)
    in_bfloat16 = cast_copy(network, "mixed_bfloat16")
    sides = {
        "model.predict, float32": partial(network.predict, pixels, batch_size=64, verbose=0),
        "model.predict, mixed_bfloat16": partial(in_bfloat16.predict, pixels, batch_size=64, verbose=0),
        "the limit: bare OpenVINO, arrays in memory": _bare(network, pixels, encoder.precision),
        "ours: files to features on disk": partial(_ours, catalog, encoder),
    }
    if options.torch:
        for precision in ("float32", "bfloat16"):
            sides[f"PyTorch, {precision}, arrays in memory"] = _torch(options.torch, config, len(pixels), precision)
    took = median_seconds(sides, options.rounds)
    plain = took["model.predict, float32"]
    rows = [
        {"encoding": name, "images/s": len(pixels) / value, "times model.predict": plain / value}
        for name, value in took.items()
    ]
    share = took["the limit: bare OpenVINO, arrays in memory"] / took["ours: files to features on disk"]
    claim = f"{config.backbone} at {config.image_spec.height}x{config.image_spec.width}, {len(pixels)} images, "
    print_table(
        f"{claim}{encoder.runtime} {encoder.precision}: ours reaches {share:.0%} of the limit", rows, options.out
    )


def _network(config: TrainConfig) -> keras.Model:
    keras.utils.set_random_seed(0)
    scaling = get_backbone(config.backbone).scaling
    spec = ClassifierSpec(config.backbone, config.image_spec, scaling, config.head_spec, "", ("a",), ("a",))
    return submodel_until(build_network(spec), "pool")


def _ours(catalog: object, encoder: Encoder) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FASHION_KERAS_CACHE"] = folder
        encode(catalog, encoder)


def _torch(python: str, config: TrainConfig, images: int, precision: str) -> partial:
    """Start a process that has the network in PyTorch; it ends when this one closes its input."""
    builder, image = get_backbone(config.backbone).builder, config.image_spec
    script = Path(__file__).with_name("encode_torch.py")
    arguments = [python, script, builder, precision, image.height, image.width, images]
    process = subprocess.Popen(
        list(map(str, arguments)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )

    def wait_for(line: str) -> None:
        if process.stdout.readline().strip() != line:
            sys.exit(f"{python} has no working torch and keras")

    def once() -> None:
        process.stdin.write("go\n")
        process.stdin.flush()
        wait_for("done")

    wait_for("ready")
    return partial(once)


def _bare(network: keras.Model, pixels: np.ndarray, precision: str) -> partial:
    with tempfile.TemporaryDirectory() as folder:
        network.export(f"{folder}/network.xml", format="openvino", verbose=False)
        model = openvino.Core().read_model(f"{folder}/network.xml")
        model.reshape([STATIC_BATCH, *pixels.shape[1:]])
        hints = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16"}.get(precision, "f32"),
        }
        queue = openvino.AsyncInferQueue(openvino.Core().compile_model(model, "CPU", hints))

    def loop() -> None:
        for start in range(0, len(pixels) - STATIC_BATCH + 1, STATIC_BATCH):
            queue.start_async({0: pixels[start : start + STATIC_BATCH]})
        queue.wait_all()

    return partial(loop)


if __name__ == "__main__":
    main()
