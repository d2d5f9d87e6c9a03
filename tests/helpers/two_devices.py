"""Program: trains small networks on one device and on two logical CPUs; prints their histories and weights as JSON."""

import json
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

import keras  # noqa: E402 - after the devices are made
import numpy as np  # noqa: E402

from fashion_keras import TrainConfig  # noqa: E402
from fashion_keras.images.augment import get_augmentation  # noqa: E402
from fashion_keras.images.pipeline import Examples  # noqa: E402
from fashion_keras.models.builder import build_network  # noqa: E402
from fashion_keras.models.heads import Head  # noqa: E402
from fashion_keras.support.errors import InputError  # noqa: E402
from fashion_keras.training.balance import epoch_rows  # noqa: E402
from fashion_keras.training.classifier.setup import ClassifierSetup  # noqa: E402
from fashion_keras.training.distribution_setup import start_distribution  # noqa: E402
from fashion_keras.training.feeds import FeatureFeed, ImageFeed  # noqa: E402
from fashion_keras.training.strategies import get_strategy  # noqa: E402
from tests.helpers.specs import classifier_spec  # noqa: E402

BATCH = 8
CASES = {
    # A head on cached features. The last batches have 7, and 1 row: a replica of three rows, and one of none.
    "features": {"rows": 39},
    "one row in the last batch": {"rows": 33},
    "batch normalization": {"rows": 39, "normalize": True},
    "frozen, then images": {"rows": 21, "strategy": "frozen+full", "augment": "default"},
    "dropout": {"rows": 16, "dropout": 0.5},
}


def feeds(config, spec, rows, shares):
    """The feeds of the phases: features for the head, images for all layers."""
    random, codes = np.random.default_rng(0), np.arange(rows)[:, None] % 2
    shared = {"order": partial(epoch_rows, codes[:, 0], "none", 0), "batch_size": BATCH, "shares": shares}
    features = random.normal(codes, 1, (2, rows, 64)).astype(np.float32)
    heads = FeatureFeed(
        train=Examples((), codes), held_out=Examples((), codes[:13]), cut="pool", views=features,
        features=features[0, :13], **shared,
    )  # fmt: skip
    images = random.integers(0, 256, (rows, 32, 32, 3), np.uint8) // (1 + codes[:, :, None, None].astype(np.uint8))
    whole = ImageFeed(
        train=Examples(images, codes), held_out=Examples(images[:13], codes[:13]), image_spec=spec.image_spec,
        augmentation=get_augmentation(config.augment), **shared,
    )  # fmt: skip
    phases = get_strategy(config.strategy_name).phases
    return tuple(heads if phase.trainable == "head" else whole for phase in phases)


def setup(folder, distribute, rows, strategy="frozen", augment="none", **head):
    """The components of a trainer: class weights, smoothing, a learning rate that changes in every batch."""
    config = TrainConfig(
        backbone="person_detector", strategy=strategy, augment=augment, epochs=2, batch_size=BATCH, optimizer="adamw",
        schedule="cosine", learning_rate=0.003, label_smoothing=0.1, distribute=distribute,
    )  # fmt: skip
    distribution = start_distribution(config)
    spec = classifier_spec("person_detector", head=Head("plain", **head))
    keras.utils.set_random_seed(0)
    network = build_network(spec)
    phases = feeds(config, spec, rows, distribution.shares)
    weights = np.array([1, 3], np.float32)
    return ClassifierSetup(config, network, spec.groups, weights, phases, False, folder, distribution=distribution)


def run(distribute, **case):
    """The history of a run without times, and the final weights by name."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = setup(Path(folder), distribute, **case).trainer()
        history = [{**row, "seconds": 0} for row in trainer.run()]
    return {"history": history, "weights": {row.path: row.numpy().ravel().tolist() for row in trainer.model.weights}}


def refusal():
    """The message for a batch that two replicas do not divide."""
    try:
        start_distribution(replace(TrainConfig(distribute="mirrored"), batch_size=33))
    except InputError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    results = {name: [run(mode, **case) for mode in ("none", "mirrored")] for name, case in CASES.items()}
    json.dump({"runs": results, "refusal": refusal()}, sys.stdout)
