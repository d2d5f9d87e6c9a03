"""Commands `data describe`, `data download` and `data sample`, `features encode`, `ls` and `rm`."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from fashion_keras.analysis.config import DescribeConfig
from fashion_keras.batch.config import EncodeConfig
from fashion_keras.catalog.datasets import SAMPLE, download, resolve_dataset
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.commands.arguments import Commands, Parser, Report, add_command
from fashion_keras.commands.formatting import print_counts, print_read
from fashion_keras.features.cache import cache_size, clear_cache, list_cache
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.support.errors import InputError


def add(commands: Commands) -> None:
    """Add the commands of catalogs, and of the feature cache."""
    actions = _add_group(commands, "data", "describe or download a catalog, or draw the sample")
    summary = "count and plot products, labels and images of a catalog"
    text = "Count products, labels, image sizes and rejected rows of a catalog, and draw figures of them."
    add_command(actions, "describe", DescribeConfig, _describe, _print_description, summary, text, ("data",))
    text = "Download Fashion Product Images (Small) from Kaggle into data/ and unpack it."
    parser = actions.add_parser("download", help="download the Kaggle set into data/", description=text)
    text = "Full-size images (25 GB) instead of 60x80 images (0.6 GB)."
    parser.add_argument("--large", action="store_true", help=text)
    parser.set_defaults(command=_download)
    text = "Draw the sample catalog of 1,800 images into the cache, unless it is there, and print its folder."
    parser = actions.add_parser("sample", help="draw the sample catalog and print its folder", description=text)
    parser.set_defaults(command=lambda _: print(resolve_dataset(SAMPLE)[0]))

    actions = _add_group(commands, "features", "encode a catalog in shards; list or remove cached features")
    summary = "write the embeddings of a catalog of any size in shards"
    text = (
        "Encode every image of a catalog once, into Parquet shards. Killed and started again, the run goes on; once "
        "complete, it encodes only new and changed images. The folder is an --encoder of evaluate-search and audit."
    )
    add_command(actions, "encode", EncodeConfig, _encode, _print_encoded, summary, text)
    actions.add_parser("ls", help="list cached features").set_defaults(command=_list_features)
    parser = actions.add_parser("rm", help="remove cached features, or everything in the cache")
    text = "Network, as `features ls` shows it. Default: all, after a question."
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help=text)
    parser.add_argument("--yes", action="store_true", help="Remove everything without a question.")
    parser.set_defaults(command=_remove_features)


def _add_group(commands: Commands, name: str, summary: str) -> Commands:
    parser = commands.add_parser(name, help=summary)
    return parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=Parser)


def _describe(config: DescribeConfig) -> Report:
    from fashion_keras.analysis.catalog_summary import summarize_catalog
    from fashion_keras.images.validation import read_source

    return summarize_catalog(read_source(config)[0], Path(config.out), config.leaks)


def _print_description(report: Report, config: DescribeConfig) -> None:
    for name in ("inputs", "images", "products", "product_groups", "rejected", "repaired", "shared_titles"):
        print(f"{name.replace('_', ' '):16}{report[name]:>8}")
    print("columns:")
    for name, extent in report["columns"].items():
        kind = "{} to {}".format(*extent) if isinstance(extent, list) else f"{extent} values"
        print(f"  {name}: {kind}, {report['missing'][name]} missing")
    for kind, parts in report.get("leaks", {}).items():
        counts = "not counted" if parts is None else ", ".join(f"{count} in {part}" for part, count in parts.items())
        print(f"also in the training part, {kind.replace('_', ' ')}: {counts}")
    for name in ("reasons", "sizes"):
        print(f"{name}:")
        print_counts(report[name])
    for task, classes in report["tasks"].items():
        print(f"{task}: {len(classes)} classes")
        print_counts(classes)
    print(f"figures in {config.out}")


def _download(options: argparse.Namespace) -> None:
    folder = download(options.large)
    catalog = read_catalog(folder)
    print(f"{folder}: {len(catalog)} products, {len(catalog.rejected)} rejected rows and files")


def _encode(config: EncodeConfig) -> Report:
    from fashion_keras.batch.encode import encode_catalog

    report = encode_catalog(config)
    return {} if report is None else asdict(report)


def _print_encoded(report: Report, config: EncodeConfig) -> None:
    encoded = f"; {report['encoded']} encoded in the shards' last runs" if report else ""
    if print_read(report, config.shard, encoded):
        print(f"embeddings [{report['accepted']}, {report['width']}] in {report['out']}")


def _list_features(_: argparse.Namespace) -> None:
    for entry in list_cache():
        size = f"{entry['image']['height']}x{entry['image']['width']}"
        settings = f"{entry['network']} {size} {entry['runtime']} {entry['precision']}"
        print(f"{entry['images']:>8} images {entry['bytes'] / 2**20:>8.1f} MB  {settings}  {entry['view']}")


def _remove_features(options: argparse.Namespace) -> None:
    if not options.name and not options.yes and not _confirmed():
        print("nothing is removed")
        return
    print(f"{clear_cache(options.name) / 2**20:.1f} MB freed")


def _confirmed() -> bool:
    """Return whether the user agrees to lose the whole cache; InputError where nobody can be asked."""
    size, place = cache_size() / 2**20, cache_dir()
    if not sys.stdin.isatty():
        raise InputError(
            f"everything cached ({size:.1f} MB in {place}) would be removed: name a network, or give --yes"
        )
    reply = input(f"Remove everything cached ({size:.1f} MB in {place})? It can be computed again. [y/N] ")
    return reply.strip().lower() in ("y", "yes")
