"""Commands `data describe`, `data download` and `data sample`."""

import argparse
from pathlib import Path

from fashion_keras.analysis.config import DescribeConfig
from fashion_keras.commands.arguments import (
    Commands,
    Parser,
    add_command,
    given_values,
    print_counts,
    print_json,
)


def add(commands: Commands) -> None:
    """Add the commands `data describe`, `data download` and `data sample`."""
    parser = commands.add_parser("data", help="describe or download a catalog, or draw the sample")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=Parser)
    summary = "count and plot products, labels and images of a catalog"
    description = "Count products, labels, image sizes and rejected rows of a catalog, and draw figures of them."
    add_command(actions, "describe", DescribeConfig, _describe, summary, description, ("data",))
    description = "Download Fashion Product Images (Small) from Kaggle into data/ and unpack it."
    download = actions.add_parser("download", help="download the Kaggle set into data/", description=description)
    download.add_argument(
        "--large", action="store_true", help="Full-size images (25 GB) instead of 60x80 images (0.6 GB)."
    )
    download.set_defaults(command=_download)
    description = "Draw the sample catalog of 1,800 images into the cache, unless it is there, and print its folder."
    sample = actions.add_parser("sample", help="draw the sample catalog and print its folder", description=description)
    sample.set_defaults(command=_sample)


def _describe(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.catalog_summary import summarize_catalog
    from fashion_keras.catalog.datasets import resolve_dataset
    from fashion_keras.catalog.readers import read_catalog

    config = DescribeConfig(**given_values(options, DescribeConfig))
    description = summarize_catalog(read_catalog(resolve_dataset(config.data)[0]), Path(config.out))
    if options.json:
        print_json(description)
        return
    for name in ("inputs", "products", "rejected", "repaired", "shared_titles"):
        print(f"{name.replace('_', ' '):16}{description[name]:>8}")
    for name in ("reasons", "missing", "sizes"):
        print(f"{name}:")
        print_counts(description[name])
    for task, classes in description["tasks"].items():
        print(f"{task}: {len(classes)} classes")
        print_counts(classes)
    print(f"figures in {config.out}")


def _download(options: argparse.Namespace) -> None:
    from fashion_keras.catalog.datasets import download
    from fashion_keras.catalog.readers import read_catalog

    folder = download(options.large)
    catalog = read_catalog(folder)
    print(f"{folder}: {len(catalog)} products, {len(catalog.rejected)} rejected rows and files")


def _sample(_: argparse.Namespace) -> None:
    from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset

    print(resolve_dataset(SAMPLE)[0])
