"""Autoencoder training: reconstruct images; the encoder half then embeds images without labels."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import write_training_products
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.augment import Augmentation
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.pipeline import Examples
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.architectures.autoencoder import build_autoencoder, encoder_half, encoder_spec
from fashion_keras.models.builder import cast_copy, save_network
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.balance import epoch_rows
from fashion_keras.training.dataset_prep import prepare_encoder
from fashion_keras.training.encoder.config import AutoencoderConfig, AutoencoderReport
from fashion_keras.training.encoder.page import write_encoder_page
from fashion_keras.training.feeds import ImageFeed, Order
from fashion_keras.training.manifests import EncoderManifest, TrainingData
from fashion_keras.training.run_folder import Callbacks, Run, begin_run, resume_run, training_run
from fashion_keras.training.trainer import OptimizerSettings, Trainer, TrainerPhase

_EXAMPLES = 16


class ReconstructionFeed(ImageFeed):
    """Images, each the input and, in 0..1, the target: (pixels [b, h, w, 3] float32 in 0..255, the same in 0..1)."""

    def _batches(self, examples: Examples, augmentation: Augmentation, order: Order, epochs: range) -> tf.data.Dataset:
        batches = super()._batches(examples, augmentation, order, epochs)
        return batches.map(lambda pixels, _: (pixels, pixels / 255))


@takes_verbose
def train_autoencoder(config: AutoencoderConfig | Mapping[str, Any], callbacks: Callbacks = ()) -> Run:
    """Train an autoencoder and evaluate it with held-out products; encoder half and report are written to its folder.

    `callbacks` are Keras callbacks of the user. InputError when the folder is not empty, the catalog cannot be used, or
    the loss is not finite.
    """
    config = as_config(AutoencoderConfig, config)
    return begin_run(config, f"runs/{config.network}", prepare_encoder, _run, callbacks)


@takes_verbose
def resume_autoencoder(folder: str | Path, callbacks: Callbacks = ()) -> Run:
    """Resume an interrupted `train_autoencoder` from its last finished epoch; InputError as `resume_run`."""
    return resume_run(folder, AutoencoderConfig, AutoencoderReport, prepare_encoder, _run, callbacks)


def _run(config: AutoencoderConfig, data: TrainingData, folder: Path, callbacks: Callbacks) -> Run:
    run = _train(config, data, folder, callbacks)
    write_encoder_page(run, config, data.data)
    return run


@training_run
def _train(config: AutoencoderConfig, data: TrainingData, folder: Path, callbacks: Callbacks) -> AutoencoderReport:
    began = time.perf_counter()
    data.write_manifest(folder, EncoderManifest(data.fingerprint, "none", data.parts))
    recipe, train, held_out = config.recipe, data.take("train"), data.take("held_out")
    spec = encoder_spec(config.network)
    keras.utils.set_random_seed(config.seed)
    network = build_autoencoder(config.network, dtype_policy("auto"))
    feed = ReconstructionFeed(
        train=Examples(train.paths, np.empty((len(train), 0))),
        held_out=Examples(held_out.paths, np.empty((len(held_out), 0))),
        order=partial(epoch_rows, np.zeros(len(train)), "none", config.seed),
        batch_size=recipe.batch_size,
        seed=config.seed,
        image_spec=spec.image_spec,
        augmentation=Augmentation("flips", flip=recipe.flip),
        cache=config.cache,
    )
    schedule = "cosine" if recipe.cosine else "constant"
    trainer = Trainer(
        model=network,
        phases=(TrainerPhase("all", recipe.epochs, recipe.learning_rate, feed),),
        loss=recipe.loss,
        folder=folder,
        optimizer=OptimizerSettings("adam", schedule, recipe.weight_decay, warm_up=0),
        seed=config.seed,
        restore_best=False,
        callbacks=callbacks,
    )
    history = trainer.run()
    save_network(spec, encoder_half(network), folder)
    write_training_products(folder, train.product_groups)
    network = cast_copy(network, "float32")
    _plot_reconstructions(network, held_out, spec.image_spec, folder)
    network.compile(loss="binary_crossentropy", metrics=["mean_squared_error"], jit_compile=False)
    scores = network.evaluate(feed.validation(), steps=feed.steps[1], verbose=0, return_dict=True)
    return AutoencoderReport(
        counts=data.counts,
        corrections=data.catalog.correction_counts,
        seconds=round(time.perf_counter() - began, 1),
        held_out={"binary_crossentropy": scores["loss"], "mean_squared_error": scores["mean_squared_error"]},
        network=config.network,
        recipe=recipe,
        train_seconds=round(sum(row["seconds"] for row in history), 1),
    )


def _plot_reconstructions(network: keras.Model, catalog: Catalog, image_spec: ImageSpec, folder: Path) -> None:
    """Draw some held-out images, each beside its reconstruction."""
    rows = np.unique(np.linspace(0, len(catalog) - 1, _EXAMPLES).astype(np.int64))
    pixels = decode_batch(catalog.paths[rows], image_spec)
    outputs = (255 * network.predict_on_batch(pixels.astype(np.float32))).round().astype(np.uint8)
    pairs = np.stack([pixels, outputs], axis=1).reshape(-1, *pixels.shape[1:])
    captions = [text for row in rows for text in (str(catalog.image_ids[row]), "reconstruction")]
    title = f"{network.name}: held-out images and their reconstructions"
    contact_sheet(folder / "reconstructions.png", list(pairs), captions, title=title)
