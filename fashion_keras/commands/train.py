"""Commands that train: `train`, `lr-find`, `train-encoder`, `autoencode` and `whiten`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fashion_keras.commands.arguments import Commands, Parser, Report, add_command, add_config_flags, given_values
from fashion_keras.commands.formatting import print_heads, print_products, print_scores, with_interval
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.config_fields import Config
from fashion_keras.support.errors import InputError
from fashion_keras.support.tensorflow_import import import_tensorflow
from fashion_keras.training.config import RateTestConfig, TrainConfig
from fashion_keras.training.encoder.config import AutoencoderConfig, EncoderConfig, WhiteningConfig
from fashion_keras.training.recipes import RECIPES, get_recipe
from fashion_keras.training.run_folder import Run

Function = Callable[[Any], Any]


def add(commands: Commands) -> None:
    """Add the commands `train`, `lr-find`, `train-encoder`, `autoencode` and `whiten`."""
    text = "Train a classifier with one or several heads and evaluate it on test products."
    parser = _add_training(commands, "train", TrainConfig, _classifier, _print_run, "train a classifier", text)
    recipes = ", ".join(recipe.name for recipe in RECIPES)
    parser.add_argument("--recipe", metavar="NAME", help=f"Settings of a paper, overridden by flags: {recipes}.")
    parser.add_argument("--config", metavar="FILE", type=Path, help="JSON file of settings, overridden by flags.")
    text = "Train a projection, and optionally layers of a backbone, so that similar products have similar embeddings."
    summary = "train an encoder by metric learning"
    _add_training(commands, "train-encoder", EncoderConfig, _metric_learning, _print_encoder, summary, text)
    text = "Train an autoencoder; its encoder half is then an encoder for search, trained without labels."
    summary = "train an encoder without labels"
    _add_training(commands, "autoencode", AutoencoderConfig, _autoencoder, _print_autoencoder, summary, text)
    text = "Train one batch at each learning rate, from low to high, and suggest the one where the loss falls fastest."
    add_command(
        commands, "lr-find", RateTestConfig, _find_rate, _print_rate, "suggest a learning rate", text,
        figure="lr-find.png",
    )  # fmt: skip
    text = "Make a backbone's pooled features uncorrelated, of variance 1, and fewer (PCA whitening)."
    add_command(
        commands, "whiten", WhiteningConfig, _whiten, lambda report, _: print(f"folder  {report['folder']}"),
        "whiten an encoder's features", text, ("encoder",), has_json=False,
    )  # fmt: skip


def _add_training(
    commands: Commands,
    name: str,
    kind: type[Config],
    functions: Callable[[], tuple[Function, Function]],
    show: Callable[[Any], None],
    summary: str,
    description: str,
) -> Parser:
    """Add a command that trains or, with --resume, resumes; `functions` imports (train, resume), `show` prints."""

    def command(options: argparse.Namespace) -> None:
        flags = given_values(options, kind)
        if options.resume and (flags or options.recipe or options.config):
            raise InputError("--resume takes no other flag: the run is resumed with its own config.json")
        values = dict(get_recipe(options.recipe).values) if options.recipe else {}
        values |= read_json(options.config) if options.config else {}
        config = kind.from_dict(values | flags)
        import_tensorflow()
        train, resume = functions()
        show(resume(options.resume) if options.resume else train(config))

    parser = commands.add_parser(name, help=summary, description=description)
    add_config_flags(parser, kind)
    text = "Resume the interrupted run in this folder; takes no other flag."
    parser.add_argument("--resume", metavar="DIR", type=Path, help=text)
    parser.set_defaults(command=command, recipe=None, config=None)
    return parser


def _classifier() -> tuple[Function, Function]:
    from fashion_keras.training.classifier.run import resume, train

    return train, resume


def _metric_learning() -> tuple[Function, Function]:
    from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder

    return train_encoder, resume_encoder


def _autoencoder() -> tuple[Function, Function]:
    from fashion_keras.training.encoder.autoencoder import resume_autoencoder, train_autoencoder

    return train_autoencoder, resume_autoencoder


def _whiten(config: WhiteningConfig) -> Report:
    import_tensorflow()
    from fashion_keras.training.encoder.whitening import whiten_encoder

    return {"folder": whiten_encoder(config)}


def _find_rate(config: RateTestConfig) -> Report:
    import_tensorflow()
    from fashion_keras.training.classifier.lr_find import find_learning_rate

    test = find_learning_rate(config)
    return {"learning_rate": test.suggestion, "rates": test.rates.tolist(), "losses": test.losses.tolist()}


def _print_rate(report: Report, config: RateTestConfig) -> None:
    print(f"suggested  --learning-rate {report['learning_rate']:.2g}")
    print(f"figure     {config.out}")


def _print_run(run: Run) -> None:
    if run.report is None:
        print("trained with the other workers; worker 0 writes the run")
        return
    report = run.report.to_dict()
    print(f"run folder  {run.folder}")
    if report.get("folds"):
        _print_folds(report["folds"], report["over_folds"])
    print(f"accuracy    {with_interval(report['test'])} on {report['counts']['test']} test products")
    print_products(report)
    print_heads(report)


def _print_folds(folds: list[Report], over_folds: Report) -> None:
    """Print a line for each fold of a cross-validation, and their best and mean."""
    print(f"{'':20}{'products':>9}" + "".join(f"{name.replace('_', ' '):>20}" for name in over_folds))
    for row in folds:
        scores = "".join(f"{row[name]:>20.3f}" for name in over_folds)
        print(f"{row['folder']:20}{row['counts']['test']:>9}{scores}")
    titles = {"best": "best fold", "mean": "mean", "standard_deviation": "standard deviation, sample"}
    for name, title in titles.items():
        print(f"{title:29}" + "".join(f"{score[name]:>20.3f}" for score in over_folds.values()))


def _print_encoder(trained: Run) -> None:
    print(f"folder  {trained.folder}")
    print_scores(trained.report.held_out)


def _print_autoencoder(trained: Run) -> None:
    print(f"folder  {trained.folder}")
    for name, value in trained.report.held_out.items():
        print(f"{name:24}{value:.4f} on {trained.report.counts['held_out']} held-out products")
