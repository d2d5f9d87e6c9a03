"""train-encoder, autoencode, whiten."""

import argparse

from fashion_keras.commands.arguments import Commands, add_config_flags, given_values, print_scores, start_tensorflow
from fashion_keras.training.encoder.autoencoder_config import AutoencoderConfig
from fashion_keras.training.encoder.config import EncoderConfig


def add(commands: Commands) -> None:
    """Add train-encoder, autoencode and whiten."""
    about = "Train a projection, and a backbone as far as it is thawed, to bring products together that are alike."
    parser = commands.add_parser("train-encoder", help="train an encoder by metric learning", description=about)
    add_config_flags(parser, EncoderConfig)
    parser.set_defaults(command=_train_encoder)
    about = "Train an autoencoder; its encoder half is then an encoder for search, learnt without labels."
    parser = commands.add_parser("autoencode", help="train an encoder without labels", description=about)
    add_config_flags(parser, AutoencoderConfig)
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


def _train_encoder(options: argparse.Namespace) -> None:
    config = EncoderConfig(**given_values(options, EncoderConfig))
    start_tensorflow()
    from fashion_keras.training.encoder.metric_learning import train_encoder

    trained = train_encoder(config)
    print(f"folder  {trained.folder}")
    print_scores(trained.report["held_out"])


def _whiten(options: argparse.Namespace) -> None:
    start_tensorflow()
    from fashion_keras.training.encoder.whitening import whiten_encoder

    folder = whiten_encoder(options.encoder, options.width, options.data, options.out, options.weights)
    print(f"folder  {folder}")


def _autoencode(options: argparse.Namespace) -> None:
    config = AutoencoderConfig(**given_values(options, AutoencoderConfig))
    start_tensorflow()
    from fashion_keras.training.encoder.autoencoder import train_autoencoder

    trained = train_autoencoder(config)
    print(f"folder  {trained.folder}")
    for name, value in trained.report["held_out"].items():
        print(f"{name:24}{value:.4f} on {trained.report['counts']['held_out']} held-out products")
