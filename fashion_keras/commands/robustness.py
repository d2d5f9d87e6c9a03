"""robustness."""

import argparse
from pathlib import Path
from typing import Any

from fashion_keras.commands.arguments import Commands, print_counts, print_json
from fashion_keras.support.atomic_files import check_output_dir


def add(commands: Commands) -> None:
    """Add robustness."""
    about = "Show test products to runs by other resizers, as stored JPEGs, moved, noisy, lighter and darker."
    parser = commands.add_parser("robustness", help="score runs on changed pictures", description=about)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="finished run folders; several are compared")
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'; perhaps the same in larger pictures")
    parser.add_argument(
        "--part", default="auto", metavar="auto|test|all", help="which products to judge by (default: auto)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many products, drawn at random")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="empty folder (default: RUN/robustness; of several, runs/robustness)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_robustness)


def _robustness(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.robustness import by_head, robustness

    alone = len(options.runs) == 1
    out = (options.runs[0] if alone else Path("runs")) / "robustness"
    if options.out:
        out = check_output_dir(options.out, "")
    report = robustness(options.runs, options.data, options.part, options.limit, out)
    if options.json:
        print_json(report)
        return
    for run in report["runs"]:
        _print_run(run)
    series = by_head(report["rows"])
    if len(series) == 1:
        _print_table(report["rows"])
    else:
        _print_side_by_side(series)
    if report["differ"]:
        print(f"the runs differ in {' and '.join(report['differ'])}: their accuracies cannot be compared")
    print(f"folder  {out}")


def _print_run(run: dict[str, Any]) -> None:
    print(f"{run['run']}: {run['counts']['test']} products ({run['part']}) of {run['catalog']}")
    if run["heads_left_out"]:
        print(f"  not judged, multi-valued or without truth: {', '.join(run['heads_left_out'])}")
    if run["ids_in_training"]:
        print(f"  {run['ids_in_training']} of them have ids that the run was trained on; --part test leaves them out")
    if not run["resized"]:
        print("  every file has the network's size already: resizing changed nothing; give larger ones by --data")
    if run["reasons"]:
        print("  set aside:")
        print_counts(run["reasons"])


def _print_table(rows: list[dict[str, Any]]) -> None:
    titles = f"{'change':>9}{'agreement':>11}{'confidence':>12}{'pixel change':>14}"
    print(f"{'condition':14}{'accuracy (95 %)':>21}{titles}")
    for row in rows:
        print(
            f"{row['condition']:14}{row['accuracy']:>7.3f} ({row['low']:.3f}-{row['high']:.3f})"
            f"{row['accuracy_change']:>+9.3f}{row['agreement']:>11.3f}{row['confidence_change']:>+12.3f}"
            f"{row['pixel_change']:>14.2f}"
        )


def _print_side_by_side(series: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Print the reference's accuracy of each run and head, then how far each condition takes it up or down."""
    for number, (run, head) in enumerate(series, start=1):
        print(f"[{number}] {run}, {head}: {series[run, head][0]['products']} products")
    print(" " * 14 + "".join(f"{f'[{number}]':>9}" for number in range(1, len(series) + 1)))
    for place, rows in enumerate(zip(*series.values(), strict=True)):
        values = (f"{row['accuracy_change']:+.3f}" if place else f"{row['accuracy']:.3f}" for row in rows)
        print(f"{rows[0]['condition']:14}" + "".join(f"{value:>9}" for value in values))
