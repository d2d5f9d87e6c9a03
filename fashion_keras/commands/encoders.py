"""train-encoder, autoencode, whiten."""

import argparse
from dataclasses import fields
from typing import Any

from fashion_keras.commands.shared import Commands, add_options, print_scores, start_tensorflow
from fashion_keras.training.autoencoder_config import AutoencoderConfig
from fashion_keras.training.encoder_config import EncoderConfig


def add(commands: Commands) -> None:
    """Add train-encoder, autoencode and whiten."""
    about = "Train a projection, and a backbone as far as it is thawed, to bring products together that are alike."
    parser = commands.add_parser("train-encoder", help="train an encoder by metric learning", description=about)
    add_options(parser, _names(EncoderConfig), EncoderConfig)
    parser.set_defaults(command=_train_encoder)
    about = "Train an autoencoder; its encoder half is then an encoder for search, learnt without labels."
    parser = commands.add_parser("autoencode", help="train an encoder without labels", description=about)
    add_options(parser, _names(AutoencoderConfig), AutoencoderConfig)
    parser.set_defaults(command=_autoencode)
    about = "Make a backbone's pooled features uncorrelated, of one scale, and fewer, by what a catalogue looks like."
    _add_whiten(commands.add_parser("whiten", help="whiten an encoder's features", description=about))


def _add_whiten(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("encoder", metavar="NAME", help="such as resnet50 or vgg19@block4:max")
    parser.add_argument("--width", type=int, default=256, metavar="N", help="of the vectors (default: 256)")
    parser.add_argument("--weights", default="auto", metavar="W", help="of the backbone (default: auto)")
    parser.add_argument("--data", metavar="DIR", help="a catalogue, or 'sample'")
    parser.add_argument("--out", metavar="DIR", help="folder (default: runs/whitened-N)")
    parser.set_defaults(command=_whiten)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _given(options: argparse.Namespace, kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name in _names(kind)}


def _train_encoder(options: argparse.Namespace) -> None:
    config = EncoderConfig(**_given(options, EncoderConfig))
    start_tensorflow()
    from fashion_keras.training.metric import train_encoder

    trained = train_encoder(config)
    print(f"folder  {trained.folder}")
    print_scores(trained.report["held_out"])


def _whiten(options: argparse.Namespace) -> None:
    start_tensorflow()
    from fashion_keras.training.whiten import whiten_encoder

    folder = whiten_encoder(options.encoder, options.width, options.data, options.out, options.weights)
    print(f"folder  {folder}")


def _autoencode(options: argparse.Namespace) -> None:
    config = AutoencoderConfig(**_given(options, AutoencoderConfig))
    start_tensorflow()
    from fashion_keras.training.autoencode import train_autoencoder

    trained = train_autoencoder(config)
    print(f"folder  {trained.folder}")
    for name, value in trained.report["held_out"].items():
        print(f"{name:24}{value:.4f} on {trained.report['counts']['held_out']} held-out products")
