"""features ls, features rm."""

import argparse

from fashion_keras.commands.arguments import Commands, Parser


def add(commands: Commands) -> None:
    """Add features ls and features rm."""
    parser = commands.add_parser("features", help="show or clear the cached vectors")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=Parser)
    actions.add_parser("ls", help="list what is cached").set_defaults(command=_list_features)
    actions.add_parser("rm", help="remove all of it").set_defaults(command=_remove_features)


def _list_features(_: argparse.Namespace) -> None:
    from fashion_keras.features.cache import list_cache

    for entry in list_cache():
        size = f"{entry['image']['height']}x{entry['image']['width']}"
        made = f"{entry['network']} {size} {entry['runtime']} {entry['precision']}"
        print(f"{entry['vectors']:>8} vectors {entry['bytes'] / 2**20:>8.1f} MB  {made}  {entry['view']}")


def _remove_features(_: argparse.Namespace) -> None:
    from fashion_keras.features.cache import clear_cache

    print(f"{clear_cache() / 2**20:.1f} MB freed")
