"""Training run: `train(config)` makes a finished run folder, `resume(folder)` completes an interrupted one."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.curves import plot_history
from fashion_keras.evaluation.plots.style import context
from fashion_keras.evaluation.reports.calibration import calibrate_groups
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.features.quantize import Int8Parity, quantize_stored
from fashion_keras.features.runtime import store_network
from fashion_keras.images.pipeline import for_training
from fashion_keras.models.builder import cast_copy, load_network, save_network
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.own_backbone import save_backbone
from fashion_keras.models.pretrained_weights import WeightsSource, initialize
from fashion_keras.models.serialization import write_spec
from fashion_keras.support.atomic_files import safe_file_name
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.base_config import INT8
from fashion_keras.training.classifier.cross_validation import cross_validate
from fashion_keras.training.classifier.setup import (
    RunOptions,
    UserLoss,
    UserObjective,
    search_heads,
    searched_options,
    set_up,
)
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, prepare
from fashion_keras.training.distribution import ONE_DEVICE
from fashion_keras.training.distribution_setup import start_distribution
from fashion_keras.training.experiment_log import ExperimentLog
from fashion_keras.training.feeds import ImageFeed, image_feed
from fashion_keras.training.losses import GroupAccuracy
from fashion_keras.training.manifests import initial_training_products
from fashion_keras.training.model_card import write_model_card
from fashion_keras.training.run_folder import Callbacks, Run, begin_run, resume_run, training_run, unfinished_config
from fashion_keras.training.run_page import write_run_page
from fashion_keras.training.run_report import evaluate_test, report_fields, training_device
from fashion_keras.training.targets import model_spec
from fashion_keras.training.trainer import Trainer

log = logging.getLogger("fashion_keras")


@takes_verbose
def train(
    config: TrainConfig | Mapping[str, Any],
    callbacks: Callbacks = (),
    *,
    backbone: keras.Model | None = None,
    loss: UserLoss | None = None,
    metrics: Sequence[keras.metrics.Metric] = (),
) -> Run:
    """Train and evaluate a classifier; everything about it is then in the run folder.

    With `folds` there is one run per fold, in fold1, fold2, ... of that folder; report and accuracy are then those of
    all products, each predicted by the run that was not trained on it; see `cross_validate`.

    Args:
        config: the settings, or a mapping of them.
        callbacks: of Keras, called in every phase.
        backbone: a model of your own in place of `config.backbone`: images [b, h, w, 3] float32 in 0..255 to feature
            maps [b, h', w', c]. It is copied with its weights; `config.weights` "none" begins with random ones.
        loss, metrics: in place of, and beside, the run's own: they get packed targets [b, C], for one single-valued
            head the class codes [b, 1], and logits [b, K].

    Raises:
        InputError: when the run folder is not empty, catalog or weights cannot be used, or the loss is not finite.
    """
    config = as_config(TrainConfig, config)
    if backbone is not None:
        config = replace(config, backbone=save_backbone(backbone), image_size=None)
    network = Path(config.backbone).stem if backbone is None else backbone.name
    name = f"{config.task}-{network}-{config.strategy_name}".replace(":", "_").replace(",", "_")
    distribution = start_distribution(config)
    options = RunOptions(objective=UserObjective(loss, tuple(metrics)), distribution=distribution)
    with distribution.session(), distribution.worker_folder() as own:
        config = replace(config, out=own or config.out)
        first, carry_out = distribution.chief_first(prepare), partial(_run_all, options=options)
        return begin_run(config, f"runs/{safe_file_name(name)}", first, carry_out, callbacks)


@takes_verbose
def resume(
    folder: str | Path,
    callbacks: Callbacks = (),
    *,
    loss: UserLoss | None = None,
    metrics: Sequence[keras.metrics.Metric] = (),
) -> Run:
    """Resume an interrupted run after its last finished epoch; a finished run is returned as it is.

    `callbacks`, `loss` and `metrics` are those that `train` was given: the run folder does not hold them.
    InputError when no run was begun there, or its catalog, parts or initial weights have changed since.
    """
    folder = Path(folder)
    config = unfinished_config(folder, TrainConfig, Report)
    distribution = start_distribution(config) if config else ONE_DEVICE
    options = RunOptions(objective=UserObjective(loss, tuple(metrics)), distribution=distribution)
    with distribution.session(), distribution.worker_folder(folder) as own:
        first, carry_out = distribution.chief_first(prepare), partial(_run_all, options=options)
        return resume_run(own or folder, TrainConfig, Report, first, carry_out, callbacks)


def _run_all(
    config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks, options: RunOptions
) -> Run:
    if not options.distribution.is_chief:
        return _train_as_worker(config, prepared, folder, replace(options, callbacks=callbacks))
    run_one = partial(_run_with_page, callbacks=callbacks, options=options)
    if not config.is_cross_validation:
        return run_one(config, prepared, folder)
    run = Run(folder, cross_validate(config, prepared, folder, run_one))
    write_run_page(folder, prepared.catalog)
    return run


def _run_with_page(
    config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks, options: RunOptions
) -> Run:
    run = _run(config, prepared, folder, callbacks, options=options)
    write_run_page(folder, prepared.catalog)
    return run


@training_run
def _run(
    config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks, options: RunOptions
) -> Report:
    """Carry out one run, with its experiment log, and return its report."""
    with ExperimentLog(config, folder) as experiment:
        options = replace(options, callbacks=[*callbacks, *experiment.callbacks])
        report, epochs = _train_and_test(config, prepared, folder, options)
        experiment.finish(report, epochs)
    return report


def _train_as_worker(config: TrainConfig, prepared: PreparedData, folder: Path, options: RunOptions) -> Run:
    """Train with the other workers; the chief alone tests and writes the run, so that this one has no report."""
    network, source = _initial_network(config, model_spec(config, prepared.targets.groups))
    set_up(config, prepared, network, source.pretrained, folder, options).trainer().run()
    return Run(folder, None)


def _train_and_test(
    config: TrainConfig, prepared: PreparedData, folder: Path, options: RunOptions
) -> tuple[Report, int]:
    """Train, save and test a classifier; return its report and the number of epochs."""
    began = time.perf_counter()
    device = f"{training_device(options.distribution.replicas)}, {dtype_policy(config.training_precision)}"
    log.info("training on %s", device)
    spec = model_spec(config, prepared.targets.groups)
    network, source = _initial_network(config, spec)
    manifest = prepared.manifest(config, vars(source))
    prepared.write_manifest(folder, manifest)
    leaked, warnings = _warnings(config, prepared, source)
    _warn(warnings)
    encoding = time.perf_counter()
    _plot_augmentation(image_feed(config, prepared), folder, prepared.data)
    setup = set_up(config, prepared, network, source.pretrained, folder, options)
    if config.tune:
        setup = search_heads(setup)
    encoding = time.perf_counter() - encoding
    trainer = setup.trainer()
    history = trainer.run()
    origin = {"run": str(folder), "data": prepared.data}
    plot_history(folder / "history.png", history, config.task, images=len(prepared.rows["train"]), **origin)
    spec, network, int8 = _save_model(config, prepared, replace(spec, head=setup.config.head_spec), trainer, folder)
    scores, testing = evaluate_test(config, prepared, manifest, spec, network, folder)
    times = {"encode": encoding, "test": testing, "total": time.perf_counter() - began}
    _warn(warnings)
    report = Report(
        **report_fields(config, prepared, spec, trainer, history, times),
        **scores,
        weights=source.source,
        warnings=warnings,
        device=device,
        test_in_initial_weights=leaked,
        int8=asdict(int8) if int8 else None,
        tuned={"trials": config.tune, **searched_options(setup.config)} if config.tune else None,
    )
    write_model_card(folder, None, spec, report=report)
    return report, len(history)


def _initial_network(config: TrainConfig, spec: ClassifierSpec) -> tuple[keras.Model, WeightsSource]:
    keras.utils.set_random_seed(config.seed)
    network, source = initialize(spec, config.initial_weights, dtype_policy(config.training_precision))
    if config.person_input:
        detector = load_network(config.person_input)[1]
        network.get_layer("person").layer.set_weights(detector.get_weights())
    return network, source


def _save_model(
    config: TrainConfig, prepared: PreparedData, spec: ClassifierSpec, trainer: Trainer, folder: Path
) -> tuple[ClassifierSpec, keras.Model, Int8Parity | None]:
    """Save a trained network, calibrated on the validation part; return spec, float32 network and int8's comparison."""
    logits, int8 = trainer.validation_outputs(), None
    truth = prepared.targets.packed[prepared.rows["validation"]]
    # Of a user's own backbone, the name alone: the path is one of this machine.
    spec = replace(spec, backbone=Path(spec.backbone).name)
    network = cast_copy(trainer.model, "float32")
    save_network(spec, network, folder)
    if store_network(network, folder) and config.precision == INT8:
        training, validation = (prepared.take(name).paths for name in ("train", "validation"))
        logits, int8 = quantize_stored(folder, training, validation, partial(_accuracy, spec.groups, truth))
    spec = replace(spec, groups=calibrate_groups(spec.groups, logits, truth))
    write_spec(spec, folder)
    return spec, network, int8


def _accuracy(groups: tuple[LabelGroup, ...], truth: NDArray[np.int64], logits: NDArray[np.float32]) -> float:
    metric = GroupAccuracy(groups)
    metric.update_state(truth, logits)
    return float(metric.result())


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
