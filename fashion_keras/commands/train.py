"""train, probe."""

import argparse
from pathlib import Path

from fashion_keras.commands.arguments import (
    Commands,
    add_config_flags,
    given_values,
    print_folds,
    print_json,
    print_products,
    start_tensorflow,
    with_interval,
)
from fashion_keras.commands.formatting import print_heads
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.recipes import RECIPES, get_recipe
from fashion_keras.training.targets import check_one_task


def add(commands: Commands) -> None:
    """Add train and probe."""
    _add_train(commands.add_parser("train", help="train a classifier", description="Train and judge a classifier."))
    about = "Judge backbones by simple classifiers on what they say of each picture, without training."
    _add_probe(commands.add_parser("probe", help="compare backbones in one go", description=about))


def _add_train(parser: argparse.ArgumentParser) -> None:
    add_config_flags(parser, TrainConfig)
    recipes = ", ".join(recipe.name for recipe in RECIPES)
    parser.add_argument("--recipe", metavar="NAME", help=f"a paper's settings, flags win over them: {recipes}")
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings as JSON, flags win over them")
    parser.add_argument("--resume", metavar="DIR", type=Path, help="go on with an interrupted run; takes no other flag")
    parser.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> None:
    flags = given_values(options, TrainConfig)
    if options.resume and (flags or options.recipe or options.config):
        raise InputError("--resume takes no other flag: the run goes on with its own config.json")
    values = dict(get_recipe(options.recipe).values) if options.recipe else {}
    values |= read_json(options.config) if options.config else {}
    config = TrainConfig.from_dict(values | flags)
    start_tensorflow()
    from fashion_keras.training.classifier.run import resume, train

    run = resume(options.resume) if options.resume else train(config)
    test = run.report["test"]
    print(f"run folder  {run.folder}")
    print_folds(run.report)
    print(f"accuracy    {with_interval(test)} on {run.report['counts']['test']} test products")
    print_products(run.report)
    print_heads(run.report)


def _add_probe(parser: argparse.ArgumentParser) -> None:
    names = ("task", "data", "weights", "image_size", "fit", "cut", "pooling", "min_images", "split", "limit", "floor")
    add_config_flags(parser, TrainConfig, (*names, "runtime", "precision", "seed"))
    parser.add_argument(
        "--backbones", required=True, metavar="B,..", help="networks to compare, such as vgg19,resnet50"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_probe)


def _probe(options: argparse.Namespace) -> None:
    names = tuple(name for name in options.backbones.split(",") if name)
    configs = [TrainConfig.from_dict({**given_values(options, TrainConfig), "backbone": name}) for name in names]
    if not configs:
        raise InputError("--backbones names at least one network, such as vgg19,resnet50")
    check_one_task(configs[0])
    start_tensorflow()
    from fashion_keras.analysis.linear_probe import probe

    said = probe(configs)
    if options.json:
        print_json(said)
        return
    print(f"{said['task']}, {said['classes']} classes, {said['counts']['validation']} validation products")
    heads = f"{'backbone':20}{'input':>9}{'width':>7}{'linear (95 %)':>22}{'k-NN':>7}{'seconds':>9}{'images/s':>10}"
    print(f"{heads}  weights")
    for row in said["backbones"]:
        low, high = row["linear_ci95"]
        print(
            f"{row['backbone']:20}{row['image']:>9}{row['width']:>7}{row['linear']:>8.3f} ({low:.3f}-{high:.3f})"
            f"{row['knn']:>7.3f}{row['seconds']:>9.1f}{row['images_per_second'] or 'cached':>10}  {row['weights']}"
        )
