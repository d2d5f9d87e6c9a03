"""Peak memory on a catalog of any size: the same images, repeated under new ids and names.

python benchmarks/memory.py --data DIR --products 44000 --job train
python benchmarks/memory.py --data DIR --products 44000 --job encode
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import print_table

from fashion_keras import read_catalog

_ENCODE = """
import resource, sys, time
from fashion_keras import TrainConfig, read_catalog
import keras
from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.features.compile import compile_encoder
from fashion_keras.features.cache import encode
from fashion_keras.models.builder import build_network, submodel_until
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.backbones import get_backbone
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
start = peak()
config = TrainConfig(backbone=sys.argv[2])
scaling = get_backbone(config.backbone).scaling
group = LabelGroup("", "single", ("a",), (("a",),))
spec = ClassifierSpec(config.backbone, config.image_spec, scaling, config.head_spec, "", (group,))
catalog = read_catalog(sys.argv[1])
encoder = compile_encoder(submodel_until(build_network(spec), "pool"), config.image_spec)
features = encode(catalog, encoder)
print(start, peak(), len(features.values))
"""


def main() -> None:
    """Do the job in a process of its own and print its peak resident memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--products", type=int, nargs="+", default=[44_000])
    parser.add_argument("--job", choices=("train", "encode"), default="train")
    parser.add_argument("--backbone", default="custom_cnn")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    jobs = {"train": _train, "encode": _encode}
    rows = []
    for products in options.products:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FASHION_KERAS_CACHE"] = f"{folder}/cache"
            table = Path(folder) / "repeated.csv"
            _repeat(options.data, products, table)
            rows.append({"job": options.job, "products": products, **jobs[options.job](table, options.backbone)})
    print_table(f"peak memory, {options.backbone}", rows, options.out)


def _train(table: Path, backbone: str) -> dict[str, float]:
    flags = ["--backbone", backbone, "--epochs", "1", "--data", str(table), "--out", str(table.parent / "run")]
    subprocess.run([sys.executable, "-m", "fashion_keras", "train", *flags], check=True, stdout=subprocess.DEVNULL)
    return {"peak GiB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20}


def _encode(table: Path, backbone: str) -> dict[str, float]:
    command = [sys.executable, "-c", _ENCODE, str(table), backbone]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    start, peak = float(words[-3]), float(words[-2])
    return {"with TensorFlow loaded, GiB": start, "peak GiB": peak, "above it, GiB": peak - start}


def _repeat(data: Path, products: int, table: Path) -> None:
    catalog = read_catalog(data)
    names = ("master_category", "sub_category", "article_type", "product_display_name")
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *names])
        for number in range(products):
            row, turn = number % len(catalog), number // len(catalog)
            path = table.parent / f"{turn}-{Path(catalog.paths[row]).name}"
            path.symlink_to(Path(catalog.paths[row]).absolute())
            values = [catalog.columns[name][row] for name in names]
            writer.writerow([path, *values[:-1], f"{values[-1]} {turn}"])


if __name__ == "__main__":
    main()
