"""One training run, from a config to a finished run folder."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fashion_keras.evaluation.plots import charts
from fashion_keras.evaluation.reports.multihead_calibration import calibrate_groups
from fashion_keras.features.runtime import store_network
from fashion_keras.images.pipeline import for_training
from fashion_keras.models.builder import cast_copy, load_network, save_network
from fashion_keras.models.classifier import LabelSpec
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.pretrained_weights import WeightsSource, initialise
from fashion_keras.support.atomic_files import read_json, write_csv, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import LogFile
from fashion_keras.training.checkpoints import Checkpoints
from fashion_keras.training.classifier.cross_validation import cross_validate
from fashion_keras.training.classifier.head_search import SEARCHED, search_heads
from fashion_keras.training.classifier.setup import ClassifierSetup
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, prepare
from fashion_keras.training.feeds import ImageFeed
from fashion_keras.training.multihead_loss import build_objective
from fashion_keras.training.phase_feeds import image_feed, phase_feeds
from fashion_keras.training.run_report import evaluate_test, report_header, throughput
from fashion_keras.training.strategies import get_strategy
from fashion_keras.training.targets import model_spec

Callbacks = Sequence[keras.callbacks.Callback]

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True)
class Run:
    """A finished run, or one for each fold: its folder and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """Share of the test part, of all folds together, that is classified rightly, 0..1."""
        return self.report["test"]["accuracy"]


def train(config: TrainConfig | Mapping[str, Any], callbacks: Callbacks = ()) -> Run:
    """Train and evaluate a classifier; everything about it is then in the run folder.

    With `config.folds` it is one run for each fold, in fold1, fold2, ... of that folder; the report is then of all of
    them, see `cross_validate`, and `accuracy` that of all products, each judged by the run that has not seen it.

    Args:
        config: a `TrainConfig`, or the values for one.
        callbacks: Keras callbacks that every phase of training calls, too.

    Raises:
        InputError: when the run folder is not empty, catalogue or weights cannot be used, or the loss is not finite.
    """
    config = as_config(TrainConfig, config)
    folder = _new_folder(config)
    prepared = prepare(config)
    folder.mkdir(parents=True, exist_ok=True)
    config = replace(config, data=prepared.data, out=str(folder))
    write_json(folder / "config.json", config.to_dict())
    try:
        return _carry_out(config, prepared, folder, callbacks)
    except InputError:
        # Refused before anything was trained: the same folder can be used once the call is right.
        if not any(folder.rglob("history.csv")):
            shutil.rmtree(folder)
        raise


def resume(folder: str | Path, callbacks: Callbacks = ()) -> Run:
    """Go on with an interrupted run from its last finished epoch; a finished one is returned as it is.

    Raises:
        InputError: when no run was begun there, or its catalogue has changed since.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no run was begun here (no config.json)")
    report = folder / "report.json"
    if report.is_file():
        return Run(folder, read_json(report))
    config = TrainConfig.from_dict(read_json(folder / "config.json"))
    return _carry_out(config, prepare(config), folder, callbacks)


def _carry_out(config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks) -> Run:
    if config.is_cross_validation:
        return Run(folder, cross_validate(config, prepared, folder, partial(_run, callbacks=callbacks)))
    return Run(folder, _run(config, prepared, folder, callbacks))


def _run(config: TrainConfig, prepared: PreparedData, folder: Path, callbacks: Callbacks) -> dict[str, Any]:
    """Carry out one run and return its report."""
    began = time.perf_counter()
    with LogFile(folder / "log.txt"):
        write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, prepared.catalog.rejected))
        spec, network, origin = _first_network(config, prepared, folder)
        log.info("%s: %d of %d rows and files used", prepared.data, len(prepared.catalog), prepared.catalog.inputs)
        log.info("run folder %s: %s", folder, ", ".join(f"{name} {n}" for name, n in prepared.counts.items()))
        warnings = [*prepared.warnings, *([origin.warning] if origin.warning else [])]
        _warn(warnings)
        encoding = time.perf_counter()
        setup = _make_setup(config, prepared, network, origin, folder, callbacks)
        encoding = time.perf_counter() - encoding
        trainer = setup.trainer()
        history = trainer.run()
        charts.history(folder / "history.png", history)
        held_out = prepared.goal.values[prepared.split.validation]
        spec = replace(spec, head=setup.config.head_spec)
        spec = spec.calibrated(calibrate_groups(spec.groups, trainer.validation_outputs(), held_out))
        network = cast_copy(setup.network, "float32")
        save_network(spec, network, folder)
        store_network(network, folder)
        scores, testing = evaluate_test(config, prepared, spec, network, folder)
        report = report_header(config, prepared, spec, origin, warnings) | scores
        if config.tune:
            report["tuned"] = {"trials": config.tune, **{name: getattr(setup.config, name) for name in SEARCHED}}
        times = {"encode": encoding, "test": testing, "total": time.perf_counter() - began}
        report |= throughput(trainer, config.batch_size, history, len(prepared.split.test), times)
        # Last: a folder with a report is a finished run.
        write_json(folder / "report.json", report)
        Checkpoints(folder).clear()
        _warn(warnings)
    return report


def _first_network(
    config: TrainConfig, prepared: PreparedData, folder: Path
) -> tuple[LabelSpec, keras.Model, WeightsSource]:
    spec = model_spec(config, prepared.goal.groups)
    keras.utils.set_random_seed(config.seed)
    scratch = get_strategy(config.strategy_name).from_scratch
    weights = "none" if scratch and config.weights == "auto" else config.weights
    network, origin = initialise(spec, weights, dtype_policy(config.precision))
    if config.person_input:
        detector = load_network(config.person_input)[1]
        network.get_layer("person").layer.set_weights(detector.get_weights())
    return spec, network, _remember(folder, prepared, origin)


def _make_setup(
    config: TrainConfig,
    prepared: PreparedData,
    network: keras.Model,
    origin: WeightsSource,
    folder: Path,
    callbacks: Callbacks,
) -> ClassifierSetup:
    images = image_feed(config, prepared)
    _draw_views(images, folder)
    setup = ClassifierSetup(
        config=config,
        network=network,
        objective=build_objective(config, prepared.goal, prepared.split.train),
        feeds=phase_feeds(config, prepared, network, images),
        pretrained=origin.pretrained,
        folder=folder,
        callbacks=callbacks,
    )
    return search_heads(setup) if config.tune else setup


def _remember(folder: Path, prepared: PreparedData, origin: WeightsSource) -> WeightsSource:
    """Write what the run comes from, or, when it was begun before, check that it still comes from the same."""
    path = folder / "origin.json"
    if path.is_file():
        before = read_json(path)
        if before["fingerprint"] != prepared.fingerprint:
            raise InputError(
                f"{prepared.catalog.folder}: the catalogue has changed since the run in {folder} was begun"
            )
        return WeightsSource(**before["weights"])
    train, validation = prepared.split.train, prepared.split.validation
    values = {
        "data": prepared.data,
        "fingerprint": prepared.fingerprint,
        "weights": vars(origin),
        "train_counts": prepared.goal.positives(train).tolist(),
        "known": {"train": prepared.goal.known(train), "validation": prepared.goal.known(validation)},
        "parts": prepared.parts,
    }
    write_json(path, values)
    return origin


def _draw_views(feed: ImageFeed, folder: Path) -> None:
    """Draw four training images in six augmented views each."""
    rows = np.linspace(0, len(feed.train) - 1, 4).astype(np.int64).repeat(6)
    data = for_training(feed.train, feed.image_spec, feed.augmentation, lambda _: rows, range(1), len(rows))
    pixels = next(iter(data))[0].numpy().round().astype(np.uint8)
    title = f"augmentation: {feed.augmentation.name}"
    charts.contact_sheet(folder / "augmentation.png", list(pixels), [""] * len(rows), columns=6, title=title)


def _new_folder(config: TrainConfig) -> Path:
    if config.out:
        folder = Path(config.out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: not an empty folder; give another --out, or --resume {folder} to go on with it"
            )
        return folder
    name = f"{config.task}-{config.backbone}-{config.strategy_name}".replace(":", "_").replace(",", "_")
    return next(path for number in count(1) if not (path := Path("runs") / f"{name}-{number}").exists())


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        log.warning("WARNING  %s", warning)
