"""Command `study`."""

import argparse

from fashion_keras.commands.arguments import (
    Commands,
    Parser,
    add_command,
    add_config_flags,
    given_values,
    print_json,
    print_scores,
    start_tensorflow,
)
from fashion_keras.studies.config import PretrainConfig, StudyConfig

_PAPERS = ("li2020", "schindler2018", "gutierrez2019", "guo2019")
_PAPER_HELP = "Re-run the paper's experiments and write its tables, the paper's numbers beside ours."
_PRETRAIN_HELP = "Train fashion_small from random weights in two stages: classification, then metric learning."


def add(commands: Commands) -> None:
    """Add the command `study`."""
    summary = "re-run the experiments of a paper, or the training of fashion_small"
    parser = commands.add_parser("study", help=summary, description=summary.capitalize() + ".")
    studies = parser.add_subparsers(title="studies", required=True, metavar="NAME", parser_class=Parser)
    for name in _PAPERS:
        paper = add_command(studies, name, StudyConfig, _paper, "re-run the paper's experiments", _PAPER_HELP)
        paper.set_defaults(study=name)
    pretrain = studies.add_parser("pretrain", help="train fashion_small from scratch", description=_PRETRAIN_HELP)
    add_config_flags(pretrain, PretrainConfig)
    pretrain.set_defaults(command=_pretrain)


def _paper(options: argparse.Namespace) -> None:
    from fashion_keras.studies.registry import get_study
    from fashion_keras.studies.report import as_rows
    from fashion_keras.studies.runner import default_out, run_study
    from fashion_keras.support.progress import log_to_console

    log_to_console()
    config, study = StudyConfig(**given_values(options, StudyConfig)), get_study(options.study)
    out = config.out or default_out(study, config.quick)
    rows = as_rows(study, run_study(study, config))
    if options.json:
        print_json({"study": study.name, "out": out, "rows": rows})
        return
    print(f"{'':60}{'paper':>7}{'ours':>7}  95 %")
    for row in rows:
        interval = f"{row['low']}-{row['high']}" if row["low"] else ""
        print(f"{row['system'][:58]:60}{row['paper'] or '-':>7}{row['ours']:>7}  {interval:13}{row['measure']}")
    print(f"tables and figures  {out}/README.md")


def _pretrain(options: argparse.Namespace) -> None:
    config = PretrainConfig(**given_values(options, PretrainConfig))
    start_tensorflow()
    from fashion_keras.studies.pretrain import encoder_folder, pretrain, ship

    report = pretrain(config.data, config.out, config.epochs)
    print_scores(report["held_out"])
    print(f"encoder  {encoder_folder(config.out)}")
    if config.ship:
        print(f"weights copied to  {ship(config.out)}")
