"""Pretraining of `fashion_encoder`, from ImageNet weights to those that ship with the package."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashion_keras.catalog.product_hashes import TRAINING_PRODUCTS
from fashion_keras.models.backbones import BUNDLED
from fashion_keras.models.serialization import SPEC, TEXT, WEIGHTS
from fashion_keras.training.encoder.config import EncoderConfig

NAME = "fashion_encoder"

# First the last three blocks, by a softmax over cosines with class centers for every column at once; then, on cached
# features, image and text together.
CLASSIFICATION = EncoderConfig(
    backbone="efficientnet_lite0", weights="imagenet", strategy="last_block:3", image_size="224x168",
    augment="mixed_resolution", views=10, dropout=0.2, loss="arcface", margin=0.0,
    labels="article_type:1.3,base_colour:1.2,gender:0.5,season:0.3,usage:0.3", epochs=20, learning_rate=7e-4,
    precision="float32",
)  # fmt: skip
IMAGE_TEXT = EncoderConfig(
    backbone="efficientnet_lite0", strategy="frozen", image_size="224x168", augment="mixed_resolution", views=8,
    dropout=0.2, loss="clip", labels="article_type,base_colour,gender,usage,title", batch_size=256, epochs=40,
    learning_rate=1e-3, precision="float32", storage="float16",
)  # fmt: skip


def pretrain(data: str | None, out: str | Path, epochs: float = 1.0, limit: int | None = None) -> dict[str, Any]:
    """Train `fashion_encoder` in two stages and return the report of the second.

    They lie in OUT/classification and OUT/image_text. An interrupted stage is resumed and a finished one is not run
    again. `epochs` is a factor of the number of epochs, `limit` a number of products.
    """
    # Imported here: the stages can be read without TensorFlow.
    from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder  # noqa: PLC0415

    first, second = Path(out) / "classification", encoder_folder(out)
    trained = None
    for stage, folder in ((CLASSIFICATION, first), (replace(IMAGE_TEXT, weights=str(first)), second)):
        if (folder / "config.json").is_file():
            trained = resume_encoder(folder)
        else:
            count = max(1, round(epochs * stage.epochs))
            trained = train_encoder(replace(stage, data=data, out=str(folder), epochs=count, limit=limit))
    return trained.report.to_dict()


def encoder_folder(out: str | Path) -> Path:
    """Return the folder of the encoder that `pretrain` trains in `out`."""
    return Path(out) / "image_text"


def ship(out: str | Path) -> Path:
    """Copy the encoder that `pretrain` trained into the package, and return its folder there."""
    folder = BUNDLED / NAME
    (folder / TEXT).mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, SPEC, TRAINING_PRODUCTS, f"{TEXT}/{WEIGHTS}", f"{TEXT}/{SPEC}"):
        shutil.copyfile(encoder_folder(out) / name, folder / name)
    return folder
