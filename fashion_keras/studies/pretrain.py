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

_SHARED = {
    "backbone": "efficientnet_lite0", "image_size": "224x168", "augment": "mixed_resolution", "dropout": 0.2,
    "precision": "float32",
}  # fmt: skip
# First the last three blocks, on cached features of the others, by a softmax over cosines with class centers for every
# column at once.
CLASSIFICATION = EncoderConfig(
    **_SHARED, weights="imagenet", strategy="last_block:3", views=10, loss="arcface", margin=0.0,
    labels="article_type:1.3,base_colour:1.2,gender:0.5,season:0.3,usage:0.3", epochs=20, learning_rate=7e-4,
)  # fmt: skip
# Then the same blocks with a text tower, on batches drawn at random.
FINE_TUNING = EncoderConfig(
    **_SHARED, strategy="last_block:3", views=10, loss="clip",
    labels="article_type:1.5,base_colour:0.7,article_type+base_colour:2,gender:0.1,title:0.5", batch_size=256,
    images_per_class=1, epochs=10, learning_rate=5e-4,
)  # fmt: skip
# Last, a projection of four stages and a new text tower, on cached features, which takes minutes; batches hold products
# of one name.
IMAGE_TEXT = EncoderConfig(
    **_SHARED, strategy="frozen", pooling="multi_stage", views=8, loss="clip",
    labels="article_type:1.5,base_colour:0.5,article_type+base_colour:2,gender:0.1,title:1.5", batch_size=256,
    epochs=40, learning_rate=7e-4, storage="float16",
)  # fmt: skip
STAGES = {"classification": CLASSIFICATION, "fine_tuning": FINE_TUNING, "image_text": IMAGE_TEXT}


def pretrain(data: str | None, out: str | Path, epochs: float = 1.0, limit: int | None = None) -> dict[str, Any]:
    """Train `fashion_encoder` in three stages and return the report of the last.

    They lie in folders of OUT, each from the weights of the one before. An interrupted stage is resumed and a finished
    one is not run again. `epochs` is a factor of the number of epochs, `limit` a number of products.
    """
    # Imported here: the stages can be read without TensorFlow.
    from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder  # noqa: PLC0415

    trained = None
    for name, stage in STAGES.items():
        folder = Path(out) / name
        if trained is not None:
            stage = replace(stage, weights=str(trained.folder))
        if (folder / "config.json").is_file():
            trained = resume_encoder(folder)
        else:
            count = max(1, round(epochs * stage.epochs))
            trained = train_encoder(replace(stage, data=data, out=str(folder), epochs=count, limit=limit))
    return trained.report.to_dict()


def encoder_folder(out: str | Path) -> Path:
    """Return the folder of the encoder that `pretrain` trains in `out`."""
    return Path(out) / [*STAGES][-1]


def ship(out: str | Path) -> Path:
    """Copy the encoder that `pretrain` trained into the package, and return its folder there."""
    folder = BUNDLED / NAME
    (folder / TEXT).mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, SPEC, TRAINING_PRODUCTS, f"{TEXT}/{WEIGHTS}", f"{TEXT}/{SPEC}"):
        shutil.copyfile(encoder_folder(out) / name, folder / name)
    return folder
