"""Command `study`."""

from functools import partial

from fashion_keras.commands.arguments import Commands, Parser, Report, add_command
from fashion_keras.commands.formatting import print_scores
from fashion_keras.studies.config import PretrainConfig, StudyConfig
from fashion_keras.support.tensorflow_import import import_tensorflow

_PAPERS = ("li2020", "schindler2018", "gutierrez2019", "guo2019")
_PAPER_HELP = "Re-run the paper's experiments and write its tables, the paper's numbers beside ours."
_PRETRAIN_HELP = "Train fashion_encoder from ImageNet weights in three stages: labels, then images with texts, twice."


def add(commands: Commands) -> None:
    """Add the command `study`."""
    summary = "re-run the experiments of a paper, or the training of fashion_encoder"
    parser = commands.add_parser("study", help=summary, description=summary.capitalize() + ".")
    studies = parser.add_subparsers(title="studies", required=True, metavar="NAME", parser_class=Parser)
    summary = "re-run the paper's experiments"
    for name in _PAPERS:
        add_command(studies, name, StudyConfig, partial(_run_paper, name), _print_rows, summary, _PAPER_HELP)
    summary = "train fashion_encoder"
    add_command(
        studies, "pretrain", PretrainConfig, _pretrain, _print_pretrained, summary, _PRETRAIN_HELP, has_json=False
    )


def _run_paper(name: str, config: StudyConfig) -> Report:
    from fashion_keras.studies.registry import get_study
    from fashion_keras.studies.report import as_rows
    from fashion_keras.studies.runner import default_out, run_study

    study = get_study(name)
    out = config.out or default_out(study, config.quick)
    return {"study": name, "out": out, "rows": as_rows(study, run_study(study, config))}


def _print_rows(report: Report, _: StudyConfig) -> None:
    print(f"{'':60}{'paper':>7}{'ours':>7}  95 %")
    for row in report["rows"]:
        interval = f"{row['low']}-{row['high']}" if row["low"] else ""
        print(f"{row['system'][:58]:60}{row['paper'] or '-':>7}{row['ours']:>7}  {interval:13}{row['measure']}")
    print(f"tables and figures  {report['out']}/README.md")


def _pretrain(config: PretrainConfig) -> Report:
    import_tensorflow()
    from fashion_keras.studies.pretrain import pretrain

    return pretrain(config.data, config.out, config.epochs, config.limit)


def _print_pretrained(report: Report, config: PretrainConfig) -> None:
    from fashion_keras.studies.pretrain import encoder_folder, ship

    print_scores(report["held_out"])
    print(f"encoder  {encoder_folder(config.out)}")
    if config.ship:
        print(f"weights copied to  {ship(config.out)}")
