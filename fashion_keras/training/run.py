"""One training run, from a config to a finished run folder."""

import logging
import platform
import shutil
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fashion_keras.encoding.compilation import compile_encoder
from fashion_keras.encoding.runtime import store_network
from fashion_keras.encoding.vectors import encode
from fashion_keras.evaluation import plots, reports
from fashion_keras.images.pipeline import for_training
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec, Predictions, predictions
from fashion_keras.models.network import after, as_classifier, in_precision, save_network, up_to
from fashion_keras.models.precision import policy
from fashion_keras.models.weights import Origin, initialise
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import read_json, write_json, write_table
from fashion_keras.support.progress import LogFile
from fashion_keras.training.checkpoints import Checkpoints
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.feeds import ImageFeed
from fashion_keras.training.fit import Fit
from fashion_keras.training.inputs import image_feed, phase_feeds
from fashion_keras.training.prepare import Prepared, first_spec, prepare
from fashion_keras.training.strategies import get_strategy
from fashion_keras.training.tune import SEARCHED, tune

log = logging.getLogger("fashion_keras")

_VERSIONS = ("fashion_keras", "tensorflow", "keras", "numpy", "pillow")


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """Share of the test part that is classified rightly, 0..1."""
        return self.report["test"]["accuracy"]


def train(config: TrainConfig) -> Run:
    """Train and judge a classifier; everything about it is then in the run folder.

    Raises:
        InputError: when the run folder is not empty, or catalogue or weights cannot be used.
    """
    folder = _new_folder(config)
    prepared = prepare(config)
    folder.mkdir(parents=True, exist_ok=True)
    config = replace(config, data=prepared.data, out=str(folder))
    write_json(folder / "config.json", config.to_dict())
    try:
        return _carry_out(config, prepared, folder)
    except InputError:
        # Refused before anything was trained: the same folder can be used once the call is right.
        if not (folder / "history.csv").is_file():
            shutil.rmtree(folder)
        raise


def resume(folder: str | Path) -> Run:
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
    return _carry_out(config, prepare(config), folder)


def _carry_out(config: TrainConfig, prepared: Prepared, folder: Path) -> Run:
    began = time.perf_counter()
    with LogFile(folder / "log.txt"):
        write_table(folder / "rejected.csv", ("where", "id", "reason"), map(vars, prepared.catalog.rejected))
        spec, network, origin = _first_network(config, prepared, folder)
        log.info("%s: %d of %d rows and files used", prepared.data, len(prepared.catalog), prepared.catalog.inputs)
        log.info("run folder %s: %s", folder, ", ".join(f"{name} {n}" for name, n in prepared.counts.items()))
        warnings = [*prepared.warnings, *([origin.warning] if origin.warning else [])]
        _warn(warnings)
        encoding = time.perf_counter()
        job = _make_job(config, prepared, network, origin, folder)
        encoding = time.perf_counter() - encoding
        history = job.run()
        plots.history(folder / "history.png", history)
        spec, network = replace(spec, head=job.config.head_row), in_precision(job.network, "float32")
        save_network(spec, network, folder)
        store_network(network, folder)
        testing = time.perf_counter()
        said = _predict_test(config, prepared, spec, network)
        testing = time.perf_counter() - testing
        report = _report(config, prepared, origin, said, warnings)
        times = {"encode": encoding, "test": testing, "total": time.perf_counter() - began}
        if config.tune:
            report["tuned"] = {"trials": config.tune, **{name: getattr(job.config, name) for name in SEARCHED}}
        report |= _speeds(job, history, len(prepared.split.test), times)
        reports.write_predictions(folder / "predictions.parquet", said)
        reports.draw(folder, said, prepared.catalog.paths[prepared.split.test], config.image)
        # Last: a folder with a report is a finished run.
        write_json(folder / "report.json", report)
        Checkpoints(folder).clear()
        _warn(warnings)
    return Run(folder, report)


def _first_network(config: TrainConfig, prepared: Prepared, folder: Path) -> tuple[ClassifierSpec, keras.Model, Origin]:
    spec = first_spec(config, prepared.labels)
    keras.utils.set_random_seed(config.seed)
    scratch = get_strategy(config.strategy_name).from_scratch
    weights = "none" if scratch and config.weights == "auto" else config.weights
    network, origin = initialise(spec, weights, policy(config.precision))
    return spec, network, _remember(folder, prepared, origin)


def _make_job(config: TrainConfig, prepared: Prepared, network: keras.Model, origin: Origin, folder: Path) -> Fit:
    pictures = image_feed(config, prepared)
    _draw_views(pictures, folder)
    job = Fit(
        network=network,
        config=config,
        strategy=get_strategy(config.strategy_name),
        block=get_backbone(config.backbone).last_frozen(config.cut),
        pretrained=origin.pretrained,
        feeds=phase_feeds(config, prepared, network, pictures),
        folder=folder,
    )
    return tune(job) if config.tune else job


def _remember(folder: Path, prepared: Prepared, origin: Origin) -> Origin:
    """Write what the run comes from, or, when it was begun before, check that it still comes from the same."""
    path = folder / "origin.json"
    if path.is_file():
        before = read_json(path)
        if before["fingerprint"] != prepared.fingerprint:
            raise InputError(
                f"{prepared.catalog.folder}: the catalogue has changed since the run in {folder} was begun"
            )
        return Origin(**before["weights"])
    parts = {name: getattr(prepared.split, name) for name in ("train", "validation", "test")}
    codes = prepared.labels.codes
    values = {
        "data": prepared.data,
        "fingerprint": prepared.fingerprint,
        "weights": vars(origin),
        "train_counts": np.bincount(codes[parts["train"]], minlength=len(prepared.labels.classes)).tolist(),
        "parts": {name: prepared.catalog.ids[rows].tolist() for name, rows in parts.items()},
    }
    write_json(path, values)
    return origin


def _draw_views(feed: ImageFeed, folder: Path) -> None:
    """Draw four training images in six augmented views each."""
    rows = np.linspace(0, len(feed.train) - 1, 4).astype(np.int64).repeat(6)
    data = for_training(feed.train, feed.image, feed.augmentation, lambda _: rows, range(1), len(rows))
    pixels = next(iter(data))[0].numpy().round().astype(np.uint8)
    title = f"augmentation: {feed.augmentation.name}"
    plots.contact_sheet(folder / "augmentation.png", list(pixels), [""] * len(rows), columns=6, title=title)


def _predict_test(config: TrainConfig, prepared: Prepared, spec: ClassifierSpec, network: keras.Model) -> Predictions:
    """Judge the test part in float32; what a frozen backbone says of it is kept for the next task."""
    test, codes = prepared.catalog.take(prepared.split.test), prepared.labels.codes[prepared.split.test]
    if config.strategy_name != "frozen" or not config.views:
        return as_classifier(spec, network).predict(test.paths, test.ids, codes)
    encoder = compile_encoder(up_to(network, "pool"), config.image, config.runtime, "float32")
    logits = after(network, "pool").predict(np.asarray(encode(test, encoder).values), verbose=0)
    return predictions(spec, logits, test.ids, codes)


def _report(
    config: TrainConfig, prepared: Prepared, origin: Origin, said: Predictions, warnings: list[str]
) -> dict[str, Any]:
    classes = prepared.labels.classes
    counts = np.bincount(prepared.labels.codes[prepared.split.train], minlength=len(classes))
    return {
        "task": config.task,
        "backbone": config.backbone,
        "strategy": config.strategy_name,
        "weights": origin.source,
        "warnings": warnings,
        "classes": list(classes),
        "counts": prepared.counts,
        **reports.scores(said, counts),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}},
    }


def _speeds(job: Fit, history: list[dict[str, Any]], tested: int, times: dict[str, float]) -> dict[str, Any]:
    times = {"train": sum(row["seconds"] for row in history), **times}
    steps = {phase.thaw: feed.steps[0] for phase, feed in zip(job.strategy.phases, job.feeds, strict=True)}
    seen = sum(steps[row["phase"]] for row in history) * job.config.batch_size
    return {
        "seconds": {name: round(value, 2) for name, value in times.items()},
        "images_per_second": {"train": round(seen / times["train"], 1), "test": round(tested / times["test"], 1)},
    }


def _new_folder(config: TrainConfig) -> Path:
    if config.out:
        folder = Path(config.out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: not an empty folder; give another --out, or --resume {folder} to go on with it"
            )
        return folder
    name = f"{config.task}-{config.backbone}-{config.strategy_name}".replace(":", "_")
    return next(path for number in count(1) if not (path := Path("runs") / f"{name}-{number}").exists())


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        log.warning("WARNING  %s", warning)
