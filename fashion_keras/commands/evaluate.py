"""evaluate."""

import argparse
from pathlib import Path

from fashion_keras.commands.arguments import Commands, print_counts, print_json, print_products, with_interval
from fashion_keras.commands.formatting import print_heads, print_hierarchy


def add(commands: Commands) -> None:
    """Add evaluate."""
    _add_evaluate(commands.add_parser("evaluate", help="score a run on a catalogue"))


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="a finished run folder")
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument(
        "--part", default="auto", metavar="auto|test|all", help="which products to judge by (default: auto)"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="also write report, predictions and figures there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.run_evaluation import evaluate

    report = evaluate(options.run, options.data, options.part, options.out)
    if options.json:
        print_json(report)
        return
    print(f"accuracy  {with_interval(report['test'])} on {report['counts']['test']} products ({report['part']})")
    print(f"catalogue {report['catalog']}")
    for name in ("top_3", "macro_f1", "micro_average_precision", "ece"):
        if report["test"][name] is not None:
            print(f"{name:24}{report['test'][name]:.3f}")
    print_products(report)
    print_heads(report)
    print_hierarchy(report)
    if report["ids_in_training"]:
        print(f"{report['ids_in_training']} of them have ids that the run was trained on")
    if report["reasons"]:
        print("set aside:")
        print_counts(report["reasons"])
