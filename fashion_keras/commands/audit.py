"""audit."""

import argparse

from fashion_keras.commands.arguments import Commands, print_json


def add(commands: Commands) -> None:
    """Add audit."""
    parser = commands.add_parser("audit", help="list the labels of a catalogue that may be wrong")
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--task", default="article_type", metavar="T", help="default: article_type")
    parser.add_argument("--encoder", default="fashion_small", metavar="NAME|RUN", help="default: fashion_small")
    parser.add_argument(
        "--folds", type=int, default=5, metavar="N",
        help="divide the catalogue in so many parts, each judged by what the others teach (default: 5)",
    )  # fmt: skip
    parser.add_argument("--top", type=int, default=200, metavar="N", help="list at most so many (default: 200)")
    parser.add_argument(
        "--min-images", type=int, default=20, metavar="N", help="leave out classes with fewer images (default: 20)"
    )
    parser.add_argument("--out", metavar="DIR", help="folder (default: runs/audit-N)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_audit)


def _audit(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.label_audit import audit
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    said = audit(
        options.data, options.task, options.encoder, options.folds, options.top, options.min_images, options.out
    )
    if options.json:
        print_json(said)
        return
    for counts in (said["counts"], said["found"]):
        for name, count in counts.items():
            print(f"{name.replace('_', ' '):20}{count:>8}")
    for row in said["suspicions"][:10]:
        other = "" if row["other"] is None else f" of {row['other']}"
        print(f"{row['score']:.3f}  {row['id']:>8}  {row['given']} -> {row['suggested']}  ({row['reason']}{other})")
    print(f"{len(said['suspicions'])} are listed in {said['out']}/audit.csv")
