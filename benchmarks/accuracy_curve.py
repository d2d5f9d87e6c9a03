"""Accuracy against minutes: strategies and input sizes of one backbone, each a training command with an empty cache.

python benchmarks/accuracy_curve.py --data DIR --sizes 112x84 224x168 --strategies frozen last_block last_block:2
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import print_table

from fashion_keras.evaluation.plots import style
from fashion_keras.support.atomic_files import read_json


def main() -> None:
    """Train each strategy at each size, print the table and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--task", default="article_type")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--sizes", nargs="+", default=["112x84", "224x168"])
    parser.add_argument("--strategies", nargs="+", default=["frozen", "last_block", "last_block:2"])
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file for the rows; the curve is beside it")
    options = parser.parse_args()
    rows = [_train(options, size, strategy) for size in options.sizes for strategy in options.strategies]
    claim = f"{options.backbone}, {options.task}: accuracy on test products against minutes from an empty cache"
    print_table(claim, rows, options.out)
    if options.out:
        _draw(options.out.with_suffix(".png"), claim, rows)


def _train(options: argparse.Namespace, size: str, strategy: str) -> dict[str, Any]:
    """Run one training command and return the row of its report."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            sys.executable, "-m", "fashion_keras", "train", "--data", options.data, "--task", options.task,
            "--backbone", options.backbone, "--strategy", strategy, "--image-size", size, "--out", str(run),
        ]  # fmt: skip
        subprocess.run(command, check=True, env=os.environ | {"FASHION_KERAS_CACHE": f"{folder}/cache"})
        report = read_json(run / "report.json")
    low, high = report["test"]["accuracy_ci95"]
    return {
        "size": size,
        "strategy": strategy,
        "minutes": round(report["seconds"]["total"] / 60, 2),
        "accuracy": round(report["test"]["accuracy"], 3),
        "ci95": f"{low:.3f}-{high:.3f}",
        "macro F1": round(report["test"]["macro_f1"], 3),
        "weights": report["weights"],
    }


def _draw(path: Path, title: str, rows: list[dict[str, Any]]) -> None:
    """Draw accuracy with its interval against minutes, one curve for each size."""
    axes = style.new_axes(6.5, 4)
    for size, color in zip(dict.fromkeys(row["size"] for row in rows), style.CURVES, strict=False):
        own = sorted((row for row in rows if row["size"] == size), key=lambda row: row["minutes"])
        minutes, accuracy = ([row[name] for row in own] for name in ("minutes", "accuracy"))
        ends = [[float(end) for end in row["ci95"].split("-")] for row in own]
        errors = list(
            zip(*((value - low, high - value) for value, (low, high) in zip(accuracy, ends, strict=True)), strict=True)
        )
        axes.errorbar(minutes, accuracy, errors, label=size, color=color, marker="o", capsize=3, linewidth=1.4)
        for row in own:
            place = (row["minutes"], row["accuracy"])
            axes.annotate(row["strategy"], place, xytext=(6, -12), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="minutes on two CPU cores", ylabel="accuracy")
    ticks = [minutes for minutes in (1, 2, 4, 8, 16, 32, 64) if minutes <= 2 * max(row["minutes"] for row in rows)]
    axes.set_xticks(ticks, [str(minutes) for minutes in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, title="image size", fontsize=9, title_fontsize=9)
    style.style_axes(axes, title, "higher and further left is better; bars are 95 % intervals over products")
    style.save(axes.figure, path)


if __name__ == "__main__":
    main()
