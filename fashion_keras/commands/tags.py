"""Commands `train-tagger`, `tag`, `review` and `recalibrate`."""

from dataclasses import asdict

import fashion_keras
from fashion_keras.commands.arguments import Commands, Report, add_command
from fashion_keras.commands.formatting import print_read
from fashion_keras.tagging.config import RecalibrateConfig, ReviewConfig, TagConfig, TaggerConfig


def add(commands: Commands) -> None:
    """Add the commands `train-tagger`, `tag`, `review` and `recalibrate`."""
    text = (
        "Train a product-type gate and attribute heads on an encoder's features, with thresholds at which tags reach a "
        "target precision."
    )
    summary = "train a product-type gate and attribute heads"
    add_command(commands, "train-tagger", TaggerConfig, _train, _print_tagger, summary, text)
    text = (
        "Tag every product of a catalog with a trained tagger (--tagger). With --taxonomy instead, a tagger is first "
        "trained on the catalog's own labels, saved in OUT/tagger and reused later. The column 'part' of tags.csv "
        "names the part of each product in the tagger's training."
    )
    add_command(commands, "tag", TagConfig, _tag, _print_tags, "tag the products of a catalog", text)
    text = (
        "List labels that people should look at: likely wrong ones, near-duplicate images with different labels or "
        "SKUs, and those that a tagger or run hardly decides. OUT/review.csv becomes a file for --corrections when its "
        "columns 'action' and 'to' are filled in."
    )
    add_command(commands, "review", ReviewConfig, _review, _print_review, "list the labels to review", text)
    text = (
        "Measure the precision of a tagger's tags on labels that people have reviewed (--corrections), and fit its "
        "thresholds to the corrected labels of its validation products. The tagger is saved in a new folder."
    )
    summary = "measure a tagger on reviewed labels, and fit its thresholds to them"
    add_command(
        commands, "recalibrate", RecalibrateConfig, _recalibrate, _print_recalibration, summary, text, ("tagger",)
    )


def _train(config: TaggerConfig) -> Report:
    trained = fashion_keras.train_tagger(config)
    return {"folder": str(trained.folder), **trained.report}


def _print_tagger(report: Report, _: TaggerConfig) -> None:
    _print_attributes(report)
    _print_gate(report["gate"])
    if report["table_4"] is not None:
        _print_outliers(report["table_4"])
    print(f"folder  {report['folder']}")


def _print_attributes(report: Report) -> None:
    validation = report["validation"]
    print(f"{report['counts']['test']} test images; target precision {report['target_precision']:.0%}, shown on "
          f"{validation['proof']} validation images ({validation['selection']} others chose weight decay and "
          f"temperature)")  # fmt: skip
    errors = "ECE before  after  by chance"
    print(f"{'':16}{'known':>7}{'tags':>7}{'precision':>11} (95 % interval){'coverage':>10}{'accuracy':>10}"
          f"{errors:>30}{'Brier':>7}  target")  # fmt: skip
    for row in (*report["attributes"], {"name": "all together", "accuracy": None, **report["together"]}):
        interval = f"{'':16}" if row["precision"] is None else " ({:.3f} to {:.3f})".format(*row["precision_ci95"])
        errors = "".join(f"{_number(row[name]):>9}" for name in ("ece_before", "ece", "ece_by_chance"))
        print(f"{row['name'][:15]:16}{row['known']:>7}{row['given']:>7}{_number(row['precision']):>11}{interval}"
              f"{_number(row['coverage']):>10}{_number(row['accuracy']):>10}{errors:>30}{_number(row['brier']):>7}"
              f"  {row['target'] or '-'}")  # fmt: skip
    print(report["statement"])


def _print_gate(gate: Report) -> None:
    print(f"gate: accepts product types with a precision of {_number(gate['precision'])} (target: "
          f"{gate['target'] or '-'}); rejects {gate['rejected']} images, {gate['of_no_type_rejected']} of the "
          f"{gate['of_no_type']} that are of none of its types")  # fmt: skip


def _print_outliers(table: Report) -> None:
    """Print Table 4 of gutierrez2019."""
    heading = f"with {table['outlier_share']:.0%} outliers"
    print(f"{heading:24}{'gate':>6}{'mean confidence':>17}{'errors':>16}{'outlier errors':>16}{'coverage':>10}")
    for row in table["rows"]:
        errors, outlier_errors = (
            f"{row[name + 's']:.1f} ({row[name + '_share']:.1%})" for name in ("error", "outlier_error")
        )
        print(f"{row['model']:24}{'yes' if row['validator'] else 'no':>6}{row['mean_confidence']:>17.2f}{errors:>16}"
              f"{outlier_errors:>16}{row['coverage']:>10.1%}")  # fmt: skip
    equal = table["equal_coverage"]
    if equal["cut"] is not None:
        print(f"at equal coverage {equal['outlier_errors_without']:.1f} outlier errors without the gate, "
              f"{equal['outlier_errors_with']:.1f} with it: {equal['cut']:.0%} fewer")  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _tag(config: TagConfig) -> Report:
    from fashion_keras.tagging.tag_catalog import tag_catalog

    report = tag_catalog(config)
    return {} if report is None else asdict(report)


def _print_tags(report: Report, config: TagConfig) -> None:
    if not print_read(report, config.shard):
        return
    print(f"{report['products']:>8} products; {report['disagreeing']} images would get other tags than their product")
    print(f"{report['without_type']:>8} products of none of the tagger's product types")
    print(
        f"{'attribute':16}{'tagged':>9}{'abstained':>11}   of the tagged: as in the catalog, new there, another label"
    )
    for row in report["updates"]:
        compared = "".join(f"{row[name]:>9}" for name in ("same", "filled", "changed"))
        print(f"{row['attribute'][:15]:16}{row['tagged']:>9}{row['abstained']:>11}   {compared}")
    if report["index"] is not None:
        print("index " + ", ".join(f"{count} {name}" for name, count in report["index"].items() if name != "rejected"))
    if report["test"] is not None:
        _print_precision(report, report["test"], report["parts"])
    print(f"tags in {report['out']}")


def _print_precision(report: Report, test: Report, parts: dict[str, int]) -> None:
    """Print the precision on test products of a tagger that was trained on the same catalog."""
    print(f"{report['tagger']} was trained on {parts['train']} of these images, where its confidence is too high; "
          f"{parts['validation']} set its thresholds")  # fmt: skip
    if test["precision"] is None or test["precision_ci95"] is None:
        print(f"the {parts['test']} test images get no tag whose truth is known")
        return
    low, high = test["precision_ci95"]
    print(f"of the tags of the {parts['test']} test images {test['precision']:.1%} are correct (95 % interval "
          f"{low:.1%} to {high:.1%}); target precision {report['target_precision']:.0%}, all attributes together: "
          f"{test['target']}")  # fmt: skip


def _review(config: ReviewConfig) -> Report:
    from fashion_keras.tagging.review import review

    path, queue = review(config)
    return {"out": str(path), "kinds": queue.kinds, "items": [item.to_dict() for item in queue.items]}


def _print_review(report: Report, _: ReviewConfig) -> None:
    for kind, count in report["kinds"].items():
        print(f"{kind.replace('_', ' '):16}{count:>8}")
    for item in report["items"][:10]:
        print(f"{item['sku']:>8}  {item['attribute']}: {item['current'] or '-'} -> {item['suggested']}  "
              f"({item['kind'].replace('_', ' ')}: {item['reason']})")  # fmt: skip
    print(f"queue in {report['out']}")


def _recalibrate(config: RecalibrateConfig) -> Report:
    from fashion_keras.tagging.recalibrate import recalibrate

    recalibrated = recalibrate(config)
    return {"folder": str(recalibrated.folder), **recalibrated.report}


def _print_recalibration(report: Report, _: RecalibrateConfig) -> None:
    print(f"target precision {report['target_precision']:.0%}; tags on reviewed products that nothing in the "
          "tagger was fitted to:")  # fmt: skip
    print(f"{'':16}{'reviewed':>9}{'tags':>7}{'precision':>11} (95 % interval)  {'target':16}thresholds")
    for row in report["attributes"]:
        interval = f"{'':16}" if row["precision"] is None else " ({:.3f} to {:.3f})".format(*row["precision_ci95"])
        fitted = "{} to {} products are tagged".format(*row["released"]) if row["refitted"] else "as before"
        print(f"{row['name'][:15]:16}{row['reviewed']:>9}{row['given']:>7}{_number(row['precision']):>11}{interval}  "
              f"{row['target'] or '-':16}{fitted}")  # fmt: skip
    print(f"folder  {report['folder']}")
