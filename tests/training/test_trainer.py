"""Training loop on features: steps, checkpoints, non-finite losses, callbacks."""

import gc
import json
import weakref
from functools import partial

import keras
import numpy as np
import pytest

from fashion_keras import TrainConfig
from fashion_keras.cli import main
from fashion_keras.images.pipeline import Examples
from fashion_keras.models.builder import build_network
from fashion_keras.support.errors import InputError
from fashion_keras.training import checkpoints
from fashion_keras.training.balance import epoch_rows
from fashion_keras.training.classifier.setup import ClassifierSetup
from fashion_keras.training.feeds import FeatureFeed
from fashion_keras.training.strategies import get_strategy
from tests.helpers.specs import classifier_spec

SPEC = classifier_spec()


def make_feed(examples, views, batch_size):
    """A feed of features for the head, in the same order as in a run."""
    return FeatureFeed(
        train=examples, held_out=examples, order=partial(epoch_rows, examples.codes, "none", 0), batch_size=batch_size,
        cut="pool", views=views, features=views[0],
    )  # fmt: skip


def make_trainer(folder, batch_size=32, callbacks=(), **settings):
    """A trainer of a plain head on 64 rows of features."""
    rng = np.random.default_rng(0)
    codes = np.arange(64) % 2
    features = rng.normal(codes[:, None], 1, (64, 512)).astype(np.float32)
    examples = Examples((), codes[:, None])
    values = {"strategy": "frozen", "epochs": 3, "optimizer": "sgd", "schedule": "constant", **settings}
    config = TrainConfig(backbone="custom_cnn", batch_size=batch_size, **values)
    keras.utils.set_random_seed(0)
    feed = make_feed(examples, features[None], batch_size)
    feeds = (feed,) * len(get_strategy(config.strategy_name).phases)
    weights = np.ones(2, np.float32)
    return ClassifierSetup(config, build_network(SPEC), SPEC.groups, weights, feeds, False, folder, callbacks).trainer()


def fit(folder, batch_size, accumulate, optimizer="sgd", schedule="constant", weight_decay=None):
    """Train a plain head and return its kernel and history."""
    trainer = make_trainer(
        folder, batch_size, accumulate=accumulate, optimizer=optimizer, schedule=schedule, weight_decay=weight_decay
    )
    history = trainer.run()
    return trainer.model.get_layer("logits").get_weights()[0], history


def test_trainer_accumulates_two_batches_as_one_of_twice_the_size(tmp_path):
    once, _ = fit(tmp_path / "once", 32, 1)
    twice, _ = fit(tmp_path / "twice", 16, 2)
    np.testing.assert_allclose(once, twice, atol=1e-6)
    assert np.abs(fit(tmp_path / "small", 16, 1)[0] - once).max() > 1e-4


def test_a_finished_training_leaves_nothing_in_memory(tmp_path):
    trainer = make_trainer(tmp_path, optimizer="adam")
    trainer.run()
    # Of the memory itself: a graph of TensorFlow keeps that alone.
    weights = [weakref.ref(variable.value.handle) for variable in trainer.model.trainable_weights]
    assert all(reference() is not None for reference in weights)
    del trainer
    gc.collect()
    assert [reference() for reference in weights] == [None] * len(weights)


def test_trainer_cosine_schedule_takes_as_many_epochs_when_batches_are_accumulated(tmp_path):
    rates = [[row["learning_rate"] for row in fit(tmp_path / str(n), 32 // n, n, schedule="cosine")[1]] for n in (1, 2)]
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-5)


def test_trainer_applies_weight_decay_with_an_optimizer_that_is_not_named_after_it(tmp_path):
    plain, decayed = (
        np.linalg.norm(fit(tmp_path / name, 32, 1, "rmsprop", weight_decay=decay)[0])
        for name, decay in (("plain", None), ("decayed", 100.0))
    )
    assert decayed < 0.8 * plain


def test_trainer_refuses_more_accumulated_batches_than_an_epoch_has(tmp_path):
    with pytest.raises(InputError, match="--accumulate must be at most 4"):
        fit(tmp_path, 16, 5)


def test_feature_feed_yields_every_row_once_an_epoch_in_one_of_its_views():
    views = np.arange(60, dtype=np.float32).reshape(3, 20, 1)
    examples = Examples((), np.arange(20)[:, None] % 2)
    feed = make_feed(examples, views, 8)
    batches = list(feed.training(range(2)).as_numpy_iterator())
    assert [len(batch[0]) for batch in batches] == [8, 8, 4] * 2
    for epoch in (batches[:3], batches[3:]):
        features, targets = (np.concatenate([batch[part] for batch in epoch]) for part in (0, 1))
        rows = features[:, 0].astype(int) % 20
        assert sorted(rows) == list(range(20))
        np.testing.assert_array_equal(targets[:, 0], rows % 2)
    assert {int(value) // 20 for batch in batches for value in batch[0][:, 0]} == {0, 1, 2}


@pytest.fixture
def killed_between_writes(monkeypatch):
    """Make the n-th write of the state fail, as a kill right before it would."""

    def arm(number):
        writes = iter(range(1, 100))
        write = checkpoints.write_json

        def interrupted(path, value):
            if next(writes) == number:
                raise KeyboardInterrupt
            write(path, value)

        monkeypatch.setattr(checkpoints, "write_json", interrupted)

    return arm


# Two phases of one and two epochs: the second write is that of the new phase's first epoch.
@pytest.mark.parametrize("write", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
def test_trainer_resumes_after_a_kill_between_best_weights_and_state(
    tmp_path, killed_between_writes, monkeypatch, write
):
    whole = make_trainer(tmp_path / "whole", strategy="frozen+full")
    expected = whole.run()
    killed_between_writes(write)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "run", strategy="frozen+full").run()
    monkeypatch.undo()
    resumed = make_trainer(tmp_path / "run", strategy="frozen+full")
    history = resumed.run()
    for key in ("epoch", "phase", "loss", "val_loss", "learning_rate"):
        assert [row[key] for row in history] == [row[key] for row in expected], key
    for ours, theirs in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_checkpoints_of_another_phase_are_never_overwritten_before_the_state(tmp_path, killed_between_writes):
    killed_between_writes(2)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, strategy="frozen+full").run()
    state = json.loads((tmp_path / "checkpoint/state.json").read_text())
    assert (state["phase"], state["done"], state["best_files"]) == (0, True, ["phase1-epoch1.weights.h5"])
    names = {path.name for path in (tmp_path / "checkpoint").iterdir()}
    assert {"phase1-epoch1.weights.h5", "epoch1.weights.h5", "phase2-epoch2.weights.h5"} <= names


def test_checkpoints_refuse_an_older_version(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/progress.json").write_text("{}")
    with pytest.raises(InputError, match="checkpoint of an older version"):
        make_trainer(tmp_path).run()


class SpoilLoss(keras.callbacks.Callback):
    """Make the weights of the logits infinite at the beginning of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            layer = self.model.get_layer("logits")
            layer.set_weights([np.full_like(layer.get_weights()[0], np.inf), layer.get_weights()[1]])


def test_trainer_stops_at_a_nan_loss_with_the_best_weights(tmp_path):
    good = make_trainer(tmp_path / "good", epochs=2)
    good.run()
    trainer = make_trainer(tmp_path / "run", callbacks=[SpoilLoss(3)])
    with pytest.raises(
        InputError, match=r"epoch 3: the loss is nan at learning rate 0.001; try a lower --learning-rate"
    ):
        trainer.run()
    for ours, theirs in zip(trainer.model.get_weights(), good.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    saved = build_network(SPEC)
    saved.load_weights(tmp_path / "run/checkpoint/best.weights.h5")
    np.testing.assert_array_equal(saved.get_weights()[-2], trainer.model.get_weights()[-2])
    # The folder is resumed from its last finished epoch.
    assert [row["epoch"] for row in make_trainer(tmp_path / "run").run()] == [1, 2, 3]


def test_trainer_stops_at_a_nan_loss_in_the_first_epoch(tmp_path):
    with pytest.raises(InputError, match=r"epoch 1: .*no epoch was finished"):
        make_trainer(tmp_path, callbacks=[SpoilLoss(1)]).run()
    assert not (tmp_path / "history.csv").exists()


def test_trainer_calls_users_callbacks(tmp_path):
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs["val_loss"]))
    history = make_trainer(tmp_path, callbacks=[callback]).run()
    assert epochs == [row["val_loss"] for row in history]
    assert list(history[0]) == [
        "epoch", "phase", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
    ]  # fmt: skip


def test_trainer_keeps_the_epoch_in_which_a_callback_stops_it(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    assert len(make_trainer(tmp_path, callbacks=[Stop()]).run()) == 1
    assert json.loads((tmp_path / "checkpoint/state.json").read_text())["done"]


@pytest.mark.slow
def test_train_stops_at_a_nan_loss_in_one_line(sample, tmp_path, capsys):
    flags = "--backbone custom_cnn --strategy scratch --image-size 32x32 --limit 300 --epochs 2 --schedule constant"
    out = ["--learning-rate", "1e30", "--optimizer", "sgd", "--data", str(sample), "--out", str(tmp_path / "run")]
    assert main(["train", *flags.split(), *out]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: training stopped in epoch 1: the loss is ")
    assert "try a lower --learning-rate or --precision float32" in error
    # Nothing was trained: the folder can be used again.
    assert not (tmp_path / "run").exists()
