"""Training on a frozen backbone, end to end: ours against plain Keras, which runs the backbone in every epoch.

python benchmarks/transfer.py --data DIR --strategy frozen --epochs 20
python benchmarks/transfer.py --data DIR --recipe li2020 --epochs 10 --learning-rate 1e-4 --weights FILE --views 2 4

Both sides train the same network from the same first weights on the same split of the same files, with the same
optimizer, batch size and kinds of augmentation, and are evaluated on the same validation part after every epoch.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import keras_baseline
import numpy as np
from measure import print_table

from fashion_keras import TrainConfig
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.images.augment import get_augmentation
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.pretrained_weights import initialize
from fashion_keras.support.progress import log_to_console
from fashion_keras.training.classifier.setup import ClassifierSetup, loss_weights
from fashion_keras.training.dataset_prep import PreparedData, prepare
from fashion_keras.training.feeds import image_feed, phase_feeds
from fashion_keras.training.recipes import get_recipe
from fashion_keras.training.strategies import get_strategy, set_trainable
from fashion_keras.training.targets import model_spec


def main() -> None:
    """Run plain Keras once, and ours with each number of views, from an empty cache each time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--strategy", default="frozen")
    parser.add_argument("--recipe")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--scaling")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--second-task", help="then train on this task, too, by a command of its own")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    log_to_console()
    config = _config(options)
    prepared = prepare(config)
    sides = {"plain Keras, float32": lambda: _plain(config, prepared)}
    for views in options.views:
        sides[f"ours, views {views}"] = lambda views=views: _ours(replace(config, views=views), prepared)
    rows = []
    for name, side in sides.items():
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FASHION_KERAS_CACHE"] = folder
            began = time.perf_counter()
            correct = side()
            seconds = time.perf_counter() - began
            rows.append(_row(name, seconds, correct, rows))
            print(rows[-1], file=sys.stderr, flush=True)
            if options.second_task and "ours" in name:
                rows.append(_second(config, options.second_task, name))
    counts = prepared.counts
    claim = f"{config.backbone}, {config.strategy_name}, {config.epochs} epochs, {counts['train']} training images, "
    print_table(f"{claim}{counts['validation']} validation images", rows, options.out)


def _config(options: argparse.Namespace) -> TrainConfig:
    values = dict(get_recipe(options.recipe).values) if options.recipe else {"strategy": options.strategy}
    values |= {"patience": options.epochs, "plateau_patience": options.epochs, "schedule": "constant"}
    for name in ("data", "backbone", "weights", "scaling", "epochs", "learning_rate", "limit"):
        if getattr(options, name) is not None:
            values[name] = getattr(options, name)
    return TrainConfig(**values)


def _row(name: str, seconds: float, correct: np.ndarray, rows: list[dict]) -> dict:
    low, high = accuracy_interval(correct)
    return {
        "side": name,
        "seconds": seconds,
        "times plain Keras": rows[0]["seconds"] / seconds if rows else 1.0,
        "validation accuracy": f"{correct.mean():.3f} ({low:.3f}-{high:.3f})",
    }


def _ours(config: TrainConfig, prepared: PreparedData) -> np.ndarray:
    keras.utils.set_random_seed(config.seed)
    spec = model_spec(config, prepared.targets.groups)
    network, origin = initialize(spec, config.weights, dtype_policy(config.precision))
    feeds = phase_feeds(config, prepared, network, image_feed(config, prepared))
    with tempfile.TemporaryDirectory() as folder:
        weights = loss_weights(config, prepared)
        setup = ClassifierSetup(config, network, spec.groups, weights, feeds, origin.pretrained, Path(folder))
        trainer = setup.trainer()
        trainer.run()
    return trainer.validation_outputs().argmax(axis=1) == feeds[-1].held_out.codes


def _plain(config: TrainConfig, prepared: PreparedData) -> np.ndarray:
    """Train as Keras tutorials do: tf.data from files, augmentation layers, `fit` on the whole network."""
    keras.utils.set_random_seed(config.seed)
    network, origin = initialize(model_spec(config, prepared.targets.groups), config.weights)
    strategy = get_strategy(config.strategy_name)
    set_trainable(network, strategy, strategy.phases[0], get_backbone(config.backbone).last_frozen(), origin.pretrained)
    rate = config.learning_rate or strategy.phases[0].learning_rate
    optimizer = keras.optimizers.get({"class_name": config.optimizer or "adam", "config": {"learning_rate": rate}})
    network.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    targets = prepared.targets.values.astype(np.float32)
    parts = {name: prepared.rows[name] for name in ("train", "validation")}
    train, held_out = (
        keras_baseline.batches(
            prepared.catalog.paths[rows],
            targets[rows],
            config.image_spec,
            config.batch_size,
            get_augmentation(config.augment) if name == "train" else None,
            shuffle=name == "train",
        )
        for name, rows in parts.items()
    )
    with tempfile.TemporaryDirectory() as folder:
        best = keras.callbacks.ModelCheckpoint(f"{folder}/best.weights.h5", save_best_only=True, save_weights_only=True)
        network.fit(train, shuffle=False, validation_data=held_out, epochs=config.epochs, callbacks=[best], verbose=0)
        network.load_weights(f"{folder}/best.weights.h5")
    codes = prepared.targets.packed[parts["validation"], 0]
    return network.predict(held_out, verbose=0).argmax(axis=1) == codes


def _second(config: TrainConfig, task: str, name: str) -> dict:
    """Time a whole command, its start, its report and its figures included."""
    views = name.rsplit(maxsplit=1)[-1]
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--task", task, "--data", config.data, "--backbone", config.backbone, "--weights", config.weights]
        flags += ["--epochs", str(config.epochs), "--views", views, "--out", f"{folder}/run", "--strategy", "frozen"]
        began = time.perf_counter()
        command = [sys.executable, "-m", "fashion_keras", "train", *flags]
        accuracy = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        seconds = time.perf_counter() - began
    row = {"side": f"{name}: then `train.py --task {task}`", "seconds": seconds, "times plain Keras": ""}
    return row | {"validation accuracy": accuracy.removeprefix("accuracy").strip()}


if __name__ == "__main__":
    main()
