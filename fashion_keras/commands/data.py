"""Commands data describe, data download and data sample."""

import argparse
from pathlib import Path

from fashion_keras.commands.arguments import Commands, Parser, print_counts, print_json


def add(commands: Commands) -> None:
    """Add data describe, data download and data sample."""
    parser = commands.add_parser("data", help="describe, download or draw a catalogue")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=Parser)
    describe = actions.add_parser("describe", help="count and plot products, labels and images of a catalogue")
    describe.add_argument("data", metavar="DIR", help="a catalogue, or 'sample'")
    describe.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("runs/describe"), help="folder of the figures"
    )
    describe.add_argument("--json", action="store_true", help="print one JSON object")
    describe.set_defaults(command=_describe)
    download = actions.add_parser("download", help="download the Kaggle set into data/")
    download.add_argument("--large", action="store_true", help="full-size images, 25 GB")
    download.set_defaults(command=_download)
    sample = actions.add_parser("sample", help="draw the sample catalogue and print its folder")
    sample.set_defaults(command=_sample)


def _describe(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.catalog_summary import summarize_catalog
    from fashion_keras.catalog.datasets import resolve_dataset
    from fashion_keras.catalog.readers import read_catalog

    description = summarize_catalog(read_catalog(resolve_dataset(options.data)[0]), options.out)
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
    print(f"figures in {options.out}")


def _download(options: argparse.Namespace) -> None:
    from fashion_keras.catalog.datasets import download
    from fashion_keras.catalog.readers import read_catalog

    folder = download(options.large)
    catalog = read_catalog(folder)
    print(f"{folder}: {len(catalog)} products, {len(catalog.rejected)} rejected rows and files")


def _sample(_: argparse.Namespace) -> None:
    from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset

    print(resolve_dataset(SAMPLE)[0])
