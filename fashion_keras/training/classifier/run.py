"""Training run: `train(config)` makes a finished run folder, `resume(folder)` completes an interrupted one."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.curves import plot_history
from fashion_keras.evaluation.plots.style import context
from fashion_keras.evaluation.reports.calibration import calibrate_groups
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.features.runtime import store_network
from fashion_keras.images.pipeline import for_training
from fashion_keras.models.builder import cast_copy, load_network, save_network
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.pretrained_weights import WeightsSource, initialize
from fashion_keras.support.atomic_files import safe_file_name
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.classifier.cross_validation import cross_validate
from fashion_keras.training.classifier.setup import ClassifierSetup, loss_weights, search_heads, searched_options
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, prepare
from fashion_keras.training.feeds import ImageFeed, image_feed, phase_feeds
from fashion_keras.training.manifests import initial_training_products
from fashion_keras.training.run_folder import Callbacks, Run, begin_run, resume_run, training_run
from fashion_keras.training.run_page import write_run_page
from fashion_keras.training.run_report import evaluate_test, report_fields, training_device
from fashion_keras.training.targets import model_spec
from fashion_keras.training.trainer import Trainer

log = logging.getLogger("fashion_keras")


@takes_verbose
def train(config: TrainConfig | Mapping[str, Any], callbacks: Callbacks = ()) -> Run:
    """Train and evaluate a classifier; everything about it is then in the run folder.

    With `folds` there is one run per fold, in fold1, fold2, ... of that folder; report and accuracy are then those of
    all products, each predicted by the run that was not trained on it; see `cross_validate`.

    `config` may be a mapping of its fields; `callbacks` are Keras callbacks that every phase of training calls, too.
    InputError when the run folder is not empty, catalog or weights cannot be used, or the loss is not finite.
    """
    config = as_config(TrainConfig, config)
    name = f"{config.task}-{config.backbone}-{config.strategy_name}".replace(":", "_").replace(",", "_")
    return begin_run(config, f"runs/{safe_file_name(name)}", prepare, _run_all, callbacks)


@takes_verbose
def resume(folder: str | Path, callbacks: Callbacks = ()) -> Run:
    """Resume an interrupted run after its last finished epoch; a finished run is returned as it is.

    InputError when no run was begun there, or its catalog, parts or initial weights have changed since.
    """
    return resume_run(folder, TrainConfig, Report, prepare, _run_all, callbacks)


def _run_all(config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks) -> Run:
    if not config.is_cross_validation:
        return _run_with_page(config, prepared, folder, callbacks)
    run = Run(folder, cross_validate(config, prepared, folder, partial(_run_with_page, callbacks=callbacks)))
    write_run_page(folder, prepared.catalog)
    return run


def _run_with_page(config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks) -> Run:
    run = _run(config, prepared, folder, callbacks)
    write_run_page(folder, prepared.catalog)
    return run


@training_run
def _run(config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks) -> Report:
    """Carry out one run and return its report."""
    began = time.perf_counter()
    device = f"{training_device()}, {dtype_policy(config.precision)}"
    log.info("training on %s", device)
    spec = model_spec(config, prepared.targets.groups)
    network, source = _initial_network(config, spec)
    manifest = prepared.manifest(config, vars(source))
    prepared.write_manifest(folder, manifest)
    leaked, warnings = _warnings(config, prepared, source)
    _warn(warnings)
    encoding = time.perf_counter()
    images = image_feed(config, prepared)
    _plot_augmentation(images, folder, prepared.data)
    weights = loss_weights(config, prepared)
    feeds = phase_feeds(config, prepared, network, images)
    setup = ClassifierSetup(config, network, spec.groups, weights, feeds, source.pretrained, folder, callbacks)
    if config.tune:
        setup = search_heads(setup)
    encoding = time.perf_counter() - encoding
    trainer = setup.trainer()
    history = trainer.run()
    origin = {"run": str(folder), "data": prepared.data}
    plot_history(folder / "history.png", history, config.task, images=len(prepared.rows["train"]), **origin)
    spec, network = _save_model(prepared, replace(spec, head=setup.config.head_spec), trainer, folder)
    scores, testing = evaluate_test(config, prepared, manifest, spec, network, folder)
    times = {"encode": encoding, "test": testing, "total": time.perf_counter() - began}
    _warn(warnings)
    return Report(
        **report_fields(config, prepared, spec, trainer, history, times),
        **scores,
        weights=source.source,
        warnings=warnings,
        device=device,
        test_in_initial_weights=leaked,
        tuned={"trials": config.tune, **searched_options(setup.config)} if config.tune else None,
    )


def _initial_network(config: TrainConfig, spec: ClassifierSpec) -> tuple[keras.Model, WeightsSource]:
    keras.utils.set_random_seed(config.seed)
    network, source = initialize(spec, config.initial_weights, dtype_policy(config.precision))
    if config.person_input:
        detector = load_network(config.person_input)[1]
        network.get_layer("person").layer.set_weights(detector.get_weights())
    return network, source


def _save_model(
    prepared: PreparedData, spec: ClassifierSpec, trainer: Trainer, folder: Path
) -> tuple[ClassifierSpec, keras.Model]:
    """Calibrate a trained network on the validation part and save it; return its spec and its float32 network."""
    truth = prepared.targets.packed[prepared.rows["validation"]]
    groups = calibrate_groups(spec.groups, trainer.validation_outputs(), truth)
    spec = replace(spec, groups=groups)
    network = cast_copy(trainer.model, "float32")
    save_network(spec, network, folder)
    store_network(network, folder)
    return spec, network


def _plot_augmentation(feed: ImageFeed, folder: Path, data: str) -> None:
    """Draw four training images in six augmented views each."""
    rows = np.linspace(0, len(feed.train) - 1, 4).astype(np.int64).repeat(6)
    batches = for_training(feed.train, feed.image_spec, feed.augmentation, lambda _: rows, range(1), len(rows))
    pixels = next(iter(batches))[0].numpy().round().astype(np.uint8)
    title = f"Four training images in six views each, augmentation {feed.augmentation.name}"
    note = context(run=str(folder), images=len(feed.train), data=data)
    contact_sheet(folder / "augmentation.png", list(pixels), [""] * len(rows), columns=6, title=title, note=note)


def _warnings(config: TrainConfig, prepared: PreparedData, source: WeightsSource) -> tuple[int, list[str]]:
    """Return how many test images show products that the initial weights were trained on, and all warnings."""
    test = prepared.take("test")
    leaked = int(is_training_product(test, initial_training_products(config.backbone, source.source)).sum())
    leak = (
        f"LEAK  the initial weights ({source.source}) were trained on the products of {leaked} of {len(test)} test "
        "images: the scores are too high"
    )
    return leaked, [*prepared.warnings, *([source.warning] if source.warning else []), *([leak] if leaked else [])]


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        log.warning("WARNING  %s", warning)
