"""The training loop on vectors: what one step does."""

import keras
import numpy as np
import pytest

from fashion_keras import TrainConfig
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import Examples
from fashion_keras.models.builder import build_network
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import Head
from fashion_keras.support.errors import InputError
from fashion_keras.training.feeds import Sampling, VectorFeed
from fashion_keras.training.multihead_loss import MultiHeadObjective
from fashion_keras.training.strategies import get_strategy
from fashion_keras.training.trainer import Trainer

SPEC = ClassifierSpec("custom_cnn", ImageSpec(32, 32), "tf", Head("plain"), "t", ("a", "b"), ("a", "b"))


def fit(folder, batch_size, accumulate, optimizer="sgd", schedule="constant", weight_decay=None):
    """Train a plain head on 64 vectors and return its kernel and history."""
    random = np.random.default_rng(0)
    codes = np.arange(64) % 2
    vectors = random.normal(codes[:, None], 1, (64, 512)).astype(np.float32)
    examples = Examples((), np.eye(codes.max() + 1, dtype=np.float32)[codes])
    config = TrainConfig(
        backbone="custom_cnn", strategy="frozen", epochs=3, batch_size=batch_size, accumulate=accumulate,
        optimizer=optimizer, schedule=schedule, weight_decay=weight_decay,
    )  # fmt: skip
    keras.utils.set_random_seed(0)
    network, objective = build_network(SPEC), MultiHeadObjective(SPEC.groups, np.ones(2, np.float32))
    feed = VectorFeed(examples, examples, "pool", vectors[None], vectors, Sampling("none", batch_size, 0))
    history = Trainer(network, objective, config, get_strategy("frozen"), "stage4_out", False, (feed,), folder).run()
    return network.get_layer("logits").get_weights()[0], history


def test_two_accumulated_batches_are_one_of_twice_the_size(tmp_path):
    once, _ = fit(tmp_path / "once", 32, 1)
    twice, _ = fit(tmp_path / "twice", 16, 2)
    np.testing.assert_allclose(once, twice, atol=1e-6)
    assert np.abs(fit(tmp_path / "small", 16, 1)[0] - once).max() > 1e-4


def test_the_cosine_schedule_takes_as_many_epochs_when_batches_are_accumulated(tmp_path):
    rates = [[row["learning_rate"] for row in fit(tmp_path / str(n), 32 // n, n, schedule="cosine")[1]] for n in (1, 2)]
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-5)


def test_weight_decay_counts_with_an_optimizer_that_is_not_named_after_it(tmp_path):
    plain, decayed = (
        np.linalg.norm(fit(tmp_path / name, 32, 1, "rmsprop", weight_decay=decay)[0])
        for name, decay in (("plain", None), ("decayed", 100.0))
    )
    assert decayed < 0.8 * plain


def test_more_accumulated_batches_than_an_epoch_has(tmp_path):
    with pytest.raises(InputError, match="at most the 4 batches"):
        fit(tmp_path, 16, 5)


def test_every_epoch_sees_every_row_once_in_one_of_its_views():
    views = np.arange(60, dtype=np.float32).reshape(3, 20, 1)
    examples = Examples((), np.eye(2, dtype=np.float32)[np.arange(20) % 2])
    feed = VectorFeed(examples, examples, "pool", views, views[0], Sampling("none", 8, 0))
    batches = list(feed.training(range(2)).as_numpy_iterator())
    assert [len(batch[0]) for batch in batches] == [8, 8, 4] * 2
    for epoch in (batches[:3], batches[3:]):
        seen, targets = (np.concatenate([batch[part] for batch in epoch]) for part in (0, 1))
        rows = seen[:, 0].astype(int) % 20
        assert sorted(rows) == list(range(20))
        np.testing.assert_array_equal(targets.argmax(axis=1), rows % 2)
    assert {int(value) // 20 for batch in batches for value in batch[0][:, 0]} == {0, 1, 2}
