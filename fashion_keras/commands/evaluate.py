"""Command `evaluate`."""

import argparse

from fashion_keras.analysis.config import EvaluateConfig
from fashion_keras.commands.arguments import Commands, add_command, given_values, print_counts, print_json
from fashion_keras.commands.formatting import print_heads, print_hierarchy, print_products, with_interval


def add(commands: Commands) -> None:
    """Add the command `evaluate`."""
    description = "Score a run on its own test products, or on products of any catalog that it was not trained on."
    add_command(commands, "evaluate", EvaluateConfig, _evaluate, "score a run on a catalog", description, ("run",))


def _evaluate(options: argparse.Namespace) -> None:
    from fashion_keras.analysis.run_evaluation import evaluate

    report = evaluate(EvaluateConfig(**given_values(options, EvaluateConfig)))
    if options.json:
        print_json(report.to_dict())
        return
    products = f"{report.counts['test']} products ({report.part})"
    if report.trained_on_left_out:
        products += f"; {report.trained_on_left_out} that the run was trained on are left out"
    if report.test_products_missing and report.part == "test":
        products += f"; {report.test_products_missing} of its test products are not in the catalog"
    print(f"accuracy  {with_interval(report.test)} on {products}")
    print(f"catalog   {report.catalog}")
    for name in ("top_3", "macro_f1", "micro_average_precision", "ece"):
        if report.test.get(name) is not None:
            print(f"{name:24}{report.test[name]:.3f}")
    print_products(report)
    print_heads(report)
    print_hierarchy(report)
    if report.reasons:
        print("rejected:")
        print_counts(report.reasons)
