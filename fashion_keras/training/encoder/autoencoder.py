"""An autoencoder's training: it draws pictures again, and the half that says what to draw becomes an encoder."""

import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.splits import hold_out, subsample
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.augment import Augmentation
from fashion_keras.images.decode import ImageSpec, decode_batch
from fashion_keras.images.pipeline import Examples, for_training
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.models.architectures.autoencoder import build_autoencoder, encoder_half, encoder_spec
from fashion_keras.models.builder import cast_copy, save_network
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.support.atomic_files import make_output_dir, write_csv, write_json
from fashion_keras.support.progress import LogFile
from fashion_keras.training.encoder.autoencoder_config import AutoencoderConfig, AutoencoderRecipe
from fashion_keras.training.history_logger import HistoryLogger
from fashion_keras.training.weight_decay import exclude_from_weight_decay

log = logging.getLogger("fashion_keras")

_DRAWN = 16


@dataclass(frozen=True)
class TrainedAutoencoder:
    """A trained autoencoder: the folder with its encoder half, and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]


@dataclass(frozen=True)
class PictureFeed:
    """Pictures, each both what a network sees and what it is to draw.

    Attributes:
        paths [n] str: their files.
        image: how they become pixels.
        flip: whether half of them are turned left to right.
        batch_size, seed: see `for_training`.
        cache: keep the decoded pixels in memory.
    """

    paths: NDArray[np.str_]
    image_spec: ImageSpec
    flip: bool
    batch_size: int
    seed: int
    cache: bool

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return math.ceil(len(self.paths) / self.batch_size)

    def batches(self, epochs: range) -> tf.data.Dataset:
        """Yield (pixels [b, h, w, 3] float32 in 0..255, the same in 0..1), every picture once an epoch."""
        count = len(self.paths)
        flips = Augmentation("flips", flip=self.flip)
        examples = Examples(self.paths, np.empty((count, 0), np.float32))

        def order(epoch: int) -> NDArray[np.int64]:
            return np.random.default_rng((self.seed, int(epoch))).permutation(count)

        data = for_training(examples, self.image_spec, flips, order, epochs, self.batch_size, self.seed, self.cache)
        return data.map(lambda pixels, _: (pixels, pixels / 255))


def train_autoencoder(config: AutoencoderConfig) -> TrainedAutoencoder:
    """Train an autoencoder and judge it on products it has not seen; all about it is then in its folder.

    That is also the folder of its encoder half, for `load_encoder`.

    Raises:
        InputError: when the folder is not empty, or the catalogue cannot be used.
    """
    began = time.perf_counter()
    catalog = _read(config)
    train, held_out = (catalog.take(rows) for rows in hold_out(catalog, config.hold_out, config.seed))
    folder = make_output_dir(config.out, f"runs/{config.network}")
    write_json(folder / "config.json", asdict(config))
    with LogFile(folder / "log.txt"):
        write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
        log.info("%s: %d products to learn from, %d held out", catalog.folder, len(train), len(held_out))
        log.info("folder %s", folder)
        keras.utils.set_random_seed(config.seed)
        network = build_autoencoder(config.network, dtype_policy("auto"))
        seen, unseen = _feed(config, train, config.recipe.flip), _feed(config, held_out, flip=False)
        history = _fit(network, config.recipe, seen, unseen, folder)
        save_network(encoder_spec(config.network), encoder_half(network), folder)
        network = cast_copy(network, "float32")
        _draw(network, held_out, unseen.image_spec, folder)
        report = {
            "network": config.network,
            "recipe": asdict(config.recipe),
            "counts": {"train": len(train), "held_out": len(held_out), "rejected": len(catalog.rejected)},
            "held_out": _losses(network, unseen),
            "seconds": {"train": round(sum(row["seconds"] for row in history), 1)},
        }
        report["seconds"]["total"] = round(time.perf_counter() - began, 1)
        write_json(folder / "report.json", report)
    return TrainedAutoencoder(folder, report)


def _read(config: AutoencoderConfig) -> Catalog:
    catalog = read_catalog(resolve_dataset(config.data)[0])
    if config.limit:
        beyond = np.full(len(catalog), f"beyond --limit {config.limit}")
        # One class of all: there are no labels to be fair to.
        beyond[subsample(np.zeros(len(catalog), np.int64), product_hashes(catalog), config.limit, config.seed)] = ""
        catalog = catalog.reject(beyond.tolist())
    return reject_unreadable(catalog)


def _feed(config: AutoencoderConfig, catalog: Catalog, flip: bool) -> PictureFeed:
    image = encoder_spec(config.network).image_spec
    return PictureFeed(catalog.paths, image, flip, config.recipe.batch_size, config.seed, config.cache)


def _fit(
    network: keras.Model, recipe: AutoencoderRecipe, seen: PictureFeed, unseen: PictureFeed, folder: Path
) -> list[dict[str, float]]:
    rate = recipe.learning_rate
    if recipe.cosine:
        rate = keras.optimizers.schedules.CosineDecay(rate, recipe.epochs * seen.steps)
    # XLA is ten times slower than oneDNN on a CPU.
    optimizer = exclude_from_weight_decay(keras.optimizers.Adam(rate, weight_decay=recipe.weight_decay))
    network.compile(optimizer, recipe.loss, jit_compile=False)
    history = HistoryLogger(recipe.epochs, seen.steps, folder / "history.csv")
    network.fit(
        # One epoch more than is used: Keras warns of a data set that ends.
        seen.batches(range(recipe.epochs + 1)),
        shuffle=False,
        validation_data=unseen.batches(range(1)),
        validation_steps=unseen.steps,
        epochs=recipe.epochs,
        steps_per_epoch=seen.steps,
        callbacks=[history],
        verbose=0,
    )
    return history.rows


def _losses(network: keras.Model, unseen: PictureFeed) -> dict[str, float]:
    network.compile(loss="binary_crossentropy", metrics=["mean_squared_error"], jit_compile=False)
    said = network.evaluate(unseen.batches(range(1)), steps=unseen.steps, verbose=0, return_dict=True)
    return {"binary_crossentropy": said["loss"], "mean_squared_error": said["mean_squared_error"]}


def _draw(network: keras.Model, catalog: Catalog, image: ImageSpec, folder: Path) -> None:
    """Draw some pictures, each beside what the network makes of it."""
    rows = np.unique(np.linspace(0, len(catalog) - 1, _DRAWN).astype(np.int64))
    pixels = decode_batch(catalog.paths[rows], image)
    drawn = (255 * network.predict_on_batch(pixels.astype(np.float32))).round().astype(np.uint8)
    pairs = np.stack([pixels, drawn], axis=1).reshape(-1, *pixels.shape[1:])
    captions = [text for row in rows for text in (str(catalog.ids[row]), "drawn again")]
    contact_sheet(folder / "reconstructions.png", list(pairs), captions, title=f"{network.name}: held out")
