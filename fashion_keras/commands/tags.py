"""train-tagger, tag."""

import argparse
from typing import Any

from fashion_keras.commands.arguments import Commands, add_config_flags, given_values, print_json
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.config import TaggerConfig


def add(commands: Commands) -> None:
    """Add train-tagger and tag."""
    about = "Learn product types and attributes on an encoder's vectors, and which of them are sure enough."
    parser = commands.add_parser("train-tagger", help="learn to tag products", description=about)
    add_config_flags(parser, TaggerConfig)
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.set_defaults(command=_train)
    about = (
        "Tag every product of a catalogue, by a tagger, or by a taxonomy alone: the catalogue's labelled products then "
        "teach a tagger, which is kept in OUT/tagger and taken again; their parts in that stand in the column 'part'."
    )
    _add_tag(commands.add_parser("tag", help="tag a catalogue's products", description=about))


def _train(options: argparse.Namespace) -> None:
    config = TaggerConfig(**given_values(options, TaggerConfig))
    from fashion_keras.support.progress import log_to_console
    from fashion_keras.tagging.train_tagger import train_tagger

    log_to_console()
    trained = train_tagger(config)
    if options.json:
        print_json({"folder": str(trained.folder), **trained.report})
        return
    _print_attributes(trained.report)
    _print_gate(trained.report)
    print(f"folder  {trained.folder}")


def _print_attributes(report: dict[str, Any]) -> None:
    print(f"{report['counts']['test']} test products; tags are promised to be right in {report['promise']:.0%}")
    errors = "ECE before  after  by chance"
    print(f"{'':16}{'known':>7}{'given':>7}{'precision':>11} (95 % interval){'coverage':>10}{'accuracy':>10}"
          f"{errors:>30}{'Brier':>7}  promise")  # fmt: skip
    for row in (*report["attributes"], {"name": "together", "accuracy": None, **report["together"]}):
        between = f"{'':16}" if row["precision"] is None else " ({:.3f} to {:.3f})".format(*row["precision_ci95"])
        errors = "".join(f"{_number(row[name]):>9}" for name in ("ece_before", "ece", "ece_by_chance"))
        print(f"{row['name'][:15]:16}{row['known']:>7}{row['given']:>7}{_number(row['precision']):>11}{between}"
              f"{_number(row['coverage']):>10}{_number(row['accuracy']):>10}{errors:>30}{_number(row['brier']):>7}"
              f"  {row['promise'] or '-'}")  # fmt: skip


def _print_gate(report: dict[str, Any]) -> None:
    gate = report["gate"]
    print(f"the gate accepts as a type with a precision of {_number(gate['precision'])}; it rejects {gate['rejected']} "
          f"products, {gate['of_no_type_rejected']} of the {gate['of_no_type']} of no type that it knows")  # fmt: skip
    table = report["table_4"]
    if table is None:
        return
    heading = f"with {table['outlier_share']:.0%} outliers"
    print(f"{heading:24}{'gate':>6}{'mean confidence':>17}{'errors':>16}{'by outliers':>16}{'coverage':>10}")
    for row in table["rows"]:
        errors, strangers = (
            f"{row[name + 's']:.1f} ({row[name + '_share']:.1%})" for name in ("error", "outlier_error")
        )
        print(f"{row['model']:24}{'yes' if row['validator'] else 'no':>6}{row['mean_confidence']:>17.2f}{errors:>16}"
              f"{strangers:>16}{row['coverage']:>10.1%}")  # fmt: skip
    cut = table["equal_coverage"]
    if cut["cut"] is not None:
        print(f"at equal coverage {cut['outlier_errors_without']:.1f} outlier errors without the gate, "
              f"{cut['outlier_errors_with']:.1f} with it: {cut['cut']:.0%} fewer")  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _add_tag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    by = parser.add_mutually_exclusive_group(required=True)
    by.add_argument("--taxonomy", metavar="NAME|FILE", help="what to ask: kaggle, gutierrez2019, a YAML file")
    by.add_argument("--tagger", metavar="DIR", help="what train-tagger made; it has its taxonomy")
    parser.add_argument(
        "--promise", type=float, metavar="X", help="precision of every tag (default: 0.95, or the tagger's)"
    )
    parser.add_argument("--out", metavar="DIR", help="a new folder, or one to go on in (default: runs/tags-N)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_tag)


def _tag(options: argparse.Namespace) -> None:
    if options.tagger and options.promise is not None:
        raise InputError("--promise is of a tagger that is yet to be learnt, by --taxonomy; --tagger has its own")
    given = {name: getattr(options, name) for name in ("taxonomy", "promise") if getattr(options, name) is not None}
    config = TaggerConfig(**given)
    from fashion_keras.support.progress import log_to_console
    from fashion_keras.tagging.tag_catalog import tag_catalog

    log_to_console()
    said = tag_catalog(options.data, options.tagger, options.out, config.taxonomy, config.promise)
    if options.json:
        print_json(said)
        return
    print(f"{said['products']} products, {said['rejected']} of no type that the tagger knows, "
          f"{said['set_aside']} rows and files set aside")  # fmt: skip
    for name, count in said["tags"].items():
        print(f"{name:20}{count:>8} tagged{said['abstained'][name]:>8} not sure enough")
    _print_promise(said)
    print(f"tags in {said['out']}")


def _print_promise(said: dict[str, Any]) -> None:
    """Print what the tagger's promise is worth, where it was learnt from the very catalogue that it tagged."""
    judged, parts = said["judged"], said["parts"]
    if judged is None:
        return
    print(f"the tagger in {said['tagger']} has learnt from {parts['train']} of these products and is surer of them; "
          f"{parts['validation']} chose what is sure enough")  # fmt: skip
    if not judged["given"]:
        print(f"to the {parts['test']} held out to judge it by, it gives no tag whose truth is known")
        return
    low, high = judged["precision_ci95"]
    print(f"of the tags it gives to the {parts['test']} held out to judge it by, {judged['precision']:.1%} are right "
          f"({low:.1%} to {high:.1%}); promised are {said['promise']:.0%}: {judged['promise']}")  # fmt: skip
