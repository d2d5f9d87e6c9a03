"""How `fashion_small` was trained, from scratch to the weights that come with the package."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashion_keras.models.backbones import BUNDLED
from fashion_keras.models.serialization import SPEC, WEIGHTS
from fashion_keras.support.atomic_files import read_json
from fashion_keras.training.encoder.config import EncoderConfig

NAME = "fashion_small"

# First every column at once, each a softmax over cosines with class centres; then which products are alike.
LABELS = EncoderConfig(
    backbone=NAME, weights="none", strategy="scratch", dropout=0.2, loss="arcface", margin=0.0,
    labels="article_type:1.3,base_colour:1.2,gender:0.5,season:0.3,usage:0.3", augment="strong", epochs=60,
    learning_rate=2e-3, weight_decay=0.1, cache=True,
)  # fmt: skip
ALIKE = EncoderConfig(
    backbone=NAME, strategy="full", dropout=0.2, loss="supcon", temperature=0.1,
    labels="article_type:3,base_colour:1.2,gender:0.25,title:0.5", augment="strong", batch_size=192, epochs=18,
    learning_rate=1e-3, cache=True, storage="float16",
)  # fmt: skip


def pretrain(data: str | None, out: str | Path, epochs: float = 1.0) -> dict[str, Any]:
    """Train `fashion_small` in two stages and return the report of the second.

    A stage that is finished is not run again, so an interrupted call can be repeated.

    Args:
        data: the catalogue.
        out: a folder for both stages, OUT/labels and OUT/alike; the second is the encoder.
        epochs: a factor on the number of epochs, for a quick look.

    Raises:
        InputError: as `train_encoder`.
    """
    # Imported here: the stages can be read without TensorFlow.
    from fashion_keras.training.encoder.metric_learning import train_encoder  # noqa: PLC0415

    first, second = Path(out) / "labels", Path(out) / "alike"
    for stage, folder in ((LABELS, first), (replace(ALIKE, weights=str(first)), second)):
        if not (folder / "report.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            train_encoder(replace(stage, data=data, out=str(folder), epochs=max(1, round(epochs * stage.epochs))))
    return read_json(second / "report.json")


def ship(out: str | Path) -> Path:
    """Copy the encoder that `pretrain` made into the package, and return its folder there."""
    folder = BUNDLED / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, SPEC):
        shutil.copyfile(Path(out) / "alike" / name, folder / name)
    return folder
