"""Command `train`."""

import argparse
from pathlib import Path

from fashion_keras.commands.arguments import Commands, add_config_flags, given_values, start_tensorflow
from fashion_keras.commands.formatting import print_folds, print_heads, print_products, with_interval
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.recipes import RECIPES, get_recipe


def add(commands: Commands) -> None:
    """Add the command `train`."""
    description = "Train a classifier with one or several heads and evaluate it on test products."
    parser = commands.add_parser("train", help="train a classifier", description=description)
    add_config_flags(parser, TrainConfig)
    recipes = ", ".join(recipe.name for recipe in RECIPES)
    parser.add_argument("--recipe", metavar="NAME", help=f"Settings of a paper, overridden by flags: {recipes}.")
    parser.add_argument("--config", metavar="FILE", type=Path, help="JSON file of settings, overridden by flags.")
    parser.add_argument(
        "--resume", metavar="DIR", type=Path, help="Resume the interrupted run in this folder; takes no other flag."
    )
    parser.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> None:
    flags = given_values(options, TrainConfig)
    if options.resume and (flags or options.recipe or options.config):
        raise InputError("--resume takes no other flag: the run is resumed with its own config.json")
    values = dict(get_recipe(options.recipe).values) if options.recipe else {}
    values |= read_json(options.config) if options.config else {}
    config = TrainConfig.from_dict(values | flags)
    start_tensorflow()
    from fashion_keras.training.classifier.run import resume, train

    run = resume(options.resume) if options.resume else train(config)
    print(f"run folder  {run.folder}")
    print_folds(run.report)
    print(f"accuracy    {with_interval(run.report.test)} on {run.report.counts['test']} test products")
    print_products(run.report)
    print_heads(run.report)
