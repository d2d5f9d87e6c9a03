"""Pretraining of `fashion_small`, from random weights to those that ship with the package."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashion_keras.catalog.product_hashes import TRAINING_PRODUCTS
from fashion_keras.models.backbones import BUNDLED
from fashion_keras.models.serialization import SPEC, WEIGHTS
from fashion_keras.training.encoder.config import EncoderConfig

NAME = "fashion_small"

# First a softmax over cosines with class centers for every column at once; then supervised contrastive learning.
CLASSIFICATION = EncoderConfig(
    backbone=NAME, weights="none", strategy="scratch", dropout=0.2, loss="arcface", margin=0.0,
    labels="article_type:1.3,base_colour:1.2,gender:0.5,season:0.3,usage:0.3", augment="strong", epochs=60,
    learning_rate=2e-3, weight_decay=0.1, cache=True,
)  # fmt: skip
CONTRASTIVE = EncoderConfig(
    backbone=NAME, strategy="full", dropout=0.2, loss="supcon", temperature=0.1,
    labels="article_type:3,base_colour:1.2,gender:0.25,title:0.5", augment="strong", batch_size=192, epochs=18,
    learning_rate=1e-3, cache=True, storage="float16",
)  # fmt: skip


def pretrain(data: str | None, out: str | Path, epochs: float = 1.0) -> dict[str, Any]:
    """Train `fashion_small` in two stages and return the report of the second.

    They lie in OUT/classification and OUT/contrastive. An interrupted stage is resumed and a finished one is not run
    again. `epochs` is a factor of the number of epochs.
    """
    # Imported here: the stages can be read without TensorFlow.
    from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder  # noqa: PLC0415

    first, second = Path(out) / "classification", encoder_folder(out)
    trained = None
    for stage, folder in ((CLASSIFICATION, first), (replace(CONTRASTIVE, weights=str(first)), second)):
        if (folder / "config.json").is_file():
            trained = resume_encoder(folder)
        else:
            count = max(1, round(epochs * stage.epochs))
            trained = train_encoder(replace(stage, data=data, out=str(folder), epochs=count))
    return trained.report.to_dict()


def encoder_folder(out: str | Path) -> Path:
    """Return the folder of the encoder that `pretrain` trains in `out`."""
    return Path(out) / "contrastive"


def ship(out: str | Path) -> Path:
    """Copy the encoder that `pretrain` trained into the package, and return its folder there."""
    folder = BUNDLED / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, SPEC, TRAINING_PRODUCTS):
        shutil.copyfile(encoder_folder(out) / name, folder / name)
    return folder
