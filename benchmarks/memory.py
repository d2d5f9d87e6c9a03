"""Peak memory of training on a catalogue of any size: the same pictures, repeated under new ids.

python benchmarks/memory.py --data DIR --products 44000
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from fashion_keras import read_catalog


def main() -> None:
    """Train one epoch on the repeated catalogue in a process of its own and print its peak resident memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--products", type=int, default=44_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "repeated.csv"
        _repeat(options.data, options.products, table)
        run = Path(folder) / "run"
        flags = ["--backbone", "custom_cnn", "--epochs", "1", "--data", str(table), "--out", str(run)]
        subprocess.run([sys.executable, "-m", "fashion_keras", "train", *flags], check=True, stdout=subprocess.DEVNULL)
        counts = json.loads((run / "report.json").read_text())["counts"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(json.dumps({"products": options.products, "counts": counts, "peak_resident_GiB": round(peak, 2)}))


def _repeat(data: Path, products: int, table: Path) -> None:
    catalog = read_catalog(data)
    names = ("master_category", "sub_category", "article_type", "product_display_name")
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *names])
        for number in range(products):
            row = number % len(catalog)
            values = [catalog.columns[name][row] for name in names]
            writer.writerow([catalog.paths[row], *values[:-1], f"{values[-1]} {number // len(catalog)}"])


if __name__ == "__main__":
    main()
