"""Commands `train-encoder`, `autoencode` and `whiten`."""

import argparse
from pathlib import Path
from typing import Any

from fashion_keras.commands.arguments import Commands, add_config_flags, given_values, print_scores, start_tensorflow
from fashion_keras.support.config_fields import Config
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.config import AutoencoderConfig, EncoderConfig, WhiteningConfig


def add(commands: Commands) -> None:
    """Add the commands `train-encoder`, `autoencode` and `whiten`."""
    text = "Train a projection, and optionally layers of a backbone, so that similar products have similar embeddings."
    parser = commands.add_parser("train-encoder", help="train an encoder by metric learning", description=text)
    _add_training_flags(parser, EncoderConfig)
    parser.set_defaults(command=_train_encoder)
    text = "Train an autoencoder; its encoder half is then an encoder for search, trained without labels."
    parser = commands.add_parser("autoencode", help="train an encoder without labels", description=text)
    _add_training_flags(parser, AutoencoderConfig)
    parser.set_defaults(command=_autoencode)
    text = "Make a backbone's pooled features uncorrelated, of variance 1, and fewer (PCA whitening)."
    parser = commands.add_parser("whiten", help="whiten an encoder's features", description=text)
    parser.add_argument("encoder", metavar="NAME", help="Encoder, such as resnet50 or vgg19@block4:max.")
    add_config_flags(parser, WhiteningConfig, ("width", "weights", "data", "out"))
    parser.set_defaults(command=_whiten)


def _add_training_flags(parser: argparse.ArgumentParser, kind: type[Config]) -> None:
    add_config_flags(parser, kind)
    text = "Resume the interrupted run in this folder; takes no other flag."
    parser.add_argument("--resume", metavar="DIR", type=Path, help=text)


def _given_config(options: argparse.Namespace, kind: type[Config]) -> Any:  # noqa: ANN401 - a `kind`
    values = given_values(options, kind)
    if options.resume and values:
        raise InputError("--resume takes no other flag: the run is resumed with its own config.json")
    return kind.from_dict(values)


def _train_encoder(options: argparse.Namespace) -> None:
    config = _given_config(options, EncoderConfig)
    start_tensorflow()
    from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder

    trained = resume_encoder(options.resume) if options.resume else train_encoder(config)
    print(f"folder  {trained.folder}")
    print_scores(trained.report.held_out)


def _autoencode(options: argparse.Namespace) -> None:
    config = _given_config(options, AutoencoderConfig)
    start_tensorflow()
    from fashion_keras.training.encoder.autoencoder import resume_autoencoder, train_autoencoder

    trained = resume_autoencoder(options.resume) if options.resume else train_autoencoder(config)
    print(f"folder  {trained.folder}")
    for name, value in trained.report.held_out.items():
        print(f"{name:24}{value:.4f} on {trained.report.counts['held_out']} held-out products")


def _whiten(options: argparse.Namespace) -> None:
    config = WhiteningConfig.from_dict(given_values(options, WhiteningConfig))
    start_tensorflow()
    from fashion_keras.training.encoder.whitening import whiten_encoder

    print(f"folder  {whiten_encoder(config)}")
