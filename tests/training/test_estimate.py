"""Estimates of a run from its first steps."""

import logging

import keras
import pytest

from fashion_keras.training import estimate
from fashion_keras.training.estimate import EstimateCallback, estimate_text, run_bytes


def test_estimate_counts_training_and_a_third_for_validation():
    # 2 s * (30 + 15 / 3) = 70 s an epoch.
    assert estimate_text("head", 2.0, 3, (30, 15), None) == (
        "estimate of phase head: 70 s per epoch, 0:03:30 for 3 epochs at most"
    )


@pytest.mark.slow
def test_callback_times_the_steps_after_the_first(tmp_path, monkeypatch, caplog):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    times = iter([100.0, 102.0])  # after the first step, and after the fifth: half a second each
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(times))
    monkeypatch.setattr(estimate, "peak_memory", lambda: None)
    callback = EstimateCallback("all", 4, (20, 0), model, tmp_path)
    with caplog.at_level(logging.INFO, "fashion_keras"):
        for step in range(9):
            callback.on_train_batch_end(step)
    lines = [record.message for record in caplog.records]
    assert lines[0] == "estimate of phase all: 10 s per epoch, 0:00:40 for 4 epochs at most"
    assert lines[1].startswith("the run takes up to 0 MB on the disk")
    assert len(lines) == 2


def test_run_bytes_counts_six_copies_of_float32():
    assert run_bytes(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])) == 6 * 4 * (3 * 2 + 2)


def test_peak_memory_is_that_of_a_process_with_tensorflow():
    memory = estimate.peak_memory()
    assert memory is None or 1e8 < memory < 1e11


def test_run_logs_an_estimate(run):
    lines = (run.folder / "log.txt").read_text()
    assert "estimate of phase all: " in lines or run.report.counts["train"] < 6 * 32


@pytest.mark.parametrize("free", [10, 10**9])
def test_estimate_warns_of_a_full_disk(tmp_path, monkeypatch, caplog, free):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    with caplog.at_level(logging.INFO, "fashion_keras"):
        estimate._warn_of_disk(model, tmp_path)
    assert caplog.records[0].levelname == ("WARNING" if free == 10 else "INFO")
