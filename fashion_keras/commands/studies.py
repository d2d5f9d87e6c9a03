"""study."""

import argparse

from fashion_keras.commands.arguments import Commands, Parser, print_json, print_scores, start_tensorflow

_PAPERS = ("li2020", "schindler2018", "gutierrez2019", "guo2019")


def add(commands: Commands) -> None:
    """Add study."""
    parser = commands.add_parser("study", help="re-run an experiment by its name")
    studies = parser.add_subparsers(title="studies", required=True, metavar="NAME", parser_class=Parser)
    for name in _PAPERS:
        _add_paper(studies.add_parser(name, help="the paper's tables, its numbers beside ours"), name)
    _add_pretrain(studies.add_parser("pretrain", help="train fashion_small as it was trained"))


def _add_paper(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--quick", action="store_true", help="few products and epochs: minutes on two CPU cores")
    parser.add_argument(
        "--out", metavar="DIR", help=f"an interrupted study goes on there (default: runs/study-{name}[-quick])"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON object")
    parser.set_defaults(command=_paper, study=name)


def _paper(options: argparse.Namespace) -> None:
    from fashion_keras.studies.registry import get_study
    from fashion_keras.studies.report import as_rows
    from fashion_keras.studies.runner import run_study
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    study = get_study(options.study)
    out = options.out or f"runs/study-{study.name}{'-quick' if options.quick else ''}"
    rows = as_rows(study, run_study(study, options.data, out, options.quick))
    if options.json:
        print_json({"study": study.name, "out": out, "rows": rows})
        return
    print(f"{'':60}{'paper':>7}{'ours':>7}  95 %")
    for row in rows:
        between = f"{row['low']}-{row['high']}" if row["low"] else ""
        print(f"{row['system'][:58]:60}{row['paper'] or '-':>7}{row['ours']:>7}  {between:13}{row['measure']}")
    print(f"tables and figures  {out}/README.md")


def _add_pretrain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--out", default="runs/pretrain", metavar="DIR", help="default: runs/pretrain")
    parser.add_argument("--epochs", type=float, default=1.0, metavar="X", help="a factor, below 1 for a quick look")
    parser.add_argument("--ship", action="store_true", help="put the weights into the package")
    parser.set_defaults(command=_pretrain)


def _pretrain(options: argparse.Namespace) -> None:
    start_tensorflow()
    from fashion_keras.studies.pretrain import encoder_folder, pretrain, ship

    report = pretrain(options.data, options.out, options.epochs)
    print_scores(report["held_out"])
    print(f"encoder  {encoder_folder(options.out)}")
    if options.ship:
        print(f"shipped  {ship(options.out)}")
