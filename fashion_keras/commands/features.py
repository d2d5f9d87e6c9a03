"""Commands `features ls` and `features rm`: the feature cache."""

import argparse

from fashion_keras.commands.arguments import Commands, Parser


def add(commands: Commands) -> None:
    """Add the commands `features ls` and `features rm`."""
    parser = commands.add_parser("features", help="list or remove cached features")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=Parser)
    actions.add_parser("ls", help="list cached features").set_defaults(command=_list_features)
    remove = actions.add_parser("rm", help="remove cached features, or everything in the cache")
    remove.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="Network, as `features ls` shows it. Default: all."
    )
    remove.set_defaults(command=_remove_features)


def _list_features(_: argparse.Namespace) -> None:
    from fashion_keras.features.cache import list_cache

    for entry in list_cache():
        size = f"{entry['image']['height']}x{entry['image']['width']}"
        settings = f"{entry['network']} {size} {entry['runtime']} {entry['precision']}"
        print(f"{entry['images']:>8} images {entry['bytes'] / 2**20:>8.1f} MB  {settings}  {entry['view']}")


def _remove_features(arguments: argparse.Namespace) -> None:
    from fashion_keras.features.cache import clear_cache

    print(f"{clear_cache(arguments.name) / 2**20:.1f} MB freed")
