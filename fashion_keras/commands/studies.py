"""study."""

import argparse

from fashion_keras.commands.shared import Commands, Parser, print_scores, start_tensorflow


def add(commands: Commands) -> None:
    """Add study."""
    parser = commands.add_parser("study", help="re-run an experiment by its name")
    studies = parser.add_subparsers(title="studies", required=True, metavar="NAME", parser_class=Parser)
    _add_pretrain(studies.add_parser("pretrain", help="train fashion_small as it was trained"))


def _add_pretrain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--out", default="runs/pretrain", metavar="DIR", help="default: runs/pretrain")
    parser.add_argument("--epochs", type=float, default=1.0, metavar="X", help="a factor, below 1 for a quick look")
    parser.add_argument("--ship", action="store_true", help="put the weights into the package")
    parser.set_defaults(command=_pretrain)


def _pretrain(options: argparse.Namespace) -> None:
    start_tensorflow()
    from fashion_keras.studies.pretrain import pretrain, ship

    report = pretrain(options.data, options.out, options.epochs)
    print_scores(report["held_out"])
    print(f"encoder  {options.out}/alike")
    if options.ship:
        print(f"shipped  {ship(options.out)}")
