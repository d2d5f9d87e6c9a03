"""Learning-rate range test: rates, losses, and the command."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fashion_keras import InputError, RateTestConfig
from fashion_keras.training.classifier.lr_find import RateSweep, sweep
from tests.helpers.catalogs import read_rows
from tests.helpers.cli import run_cli
from tests.helpers.runs import flags_of
from tests.training.test_trainer import make_trainer


def test_sweep_raises_the_rate_evenly_and_reports_each_batch(tmp_path):
    trainer = make_trainer(tmp_path, schedule="cosine")
    trainer.model.get_layer("logits").set_weights([np.zeros((512, 2)), np.zeros(2)])
    rates, losses = sweep(trainer, 1e-6, 1e-2, 9)
    np.testing.assert_allclose(rates, 10.0 ** np.arange(-6, -1.5, 0.5), rtol=1e-6)
    # Of two classes, zero logits have the loss log 2; a mean over batches would lag behind the last ones.
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4)
    assert losses[-1] < losses[0] - 0.05
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("last", [3.7, math.nan, math.inf])
def test_sweep_ends_where_the_loss_is_four_times_the_lowest(last):
    model = SimpleNamespace(optimizer=SimpleNamespace(), reset_metrics=lambda: None, stop_training=False)
    sweep_callback = RateSweep(np.geomspace(1e-4, 1, 5))
    sweep_callback.set_model(model)
    for batch, loss in enumerate((2.0, 0.9, 3.5, last)):
        assert not model.stop_training
        sweep_callback.on_train_batch_begin(batch)
        sweep_callback.on_train_batch_end(batch, {"loss": loss})
    assert model.stop_training
    assert model.optimizer.learning_rate == pytest.approx(0.1)
    assert sweep_callback.losses == [2.0, 0.9, 3.5]


def test_config_checks_its_bounds():
    with pytest.raises(InputError, match=r"--lowest 1 must be below --highest 0\.1"):
        RateTestConfig(lowest=1, highest=0.1)
    with pytest.raises(InputError, match=r"ends in \.png"):
        RateTestConfig(out="figure.jpg")
    with pytest.raises(InputError, match="give --fold N"):
        RateTestConfig(folds=3)


@pytest.mark.slow
def test_command_suggests_a_rate_and_draws_it(tiny_config, tmp_path):
    config = replace(tiny_config, epochs=None)
    path = tmp_path / "lr.png"
    result = run_cli("lr-find", *flags_of(config), "--steps", 30, "--out", path)
    assert result.stdout.startswith("suggested  --learning-rate "), result.stderr
    assert 1e-6 < float(result.stdout.split()[2]) < 1
    rows = read_rows(path.with_suffix(".csv"))
    assert 8 <= len(rows) <= 30
    as_json = run_cli("lr-find", *flags_of(config), "--steps", 30, "--json")
    report = json.loads(as_json.stdout)
    assert report["losses"][0] == pytest.approx(float(rows[0]["loss"]), rel=1e-4)
