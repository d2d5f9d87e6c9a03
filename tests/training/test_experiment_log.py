"""Experiment logs: what TensorBoard, MLflow and Weights & Biases then hold."""

import time
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras import InputError, TrainConfig
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.training import experiment_log
from fashion_keras.training.experiment_log import ExperimentLog, MLflowWriter, WandbWriter, resolve_log
from tests.helpers.runs import read_history

CONFIG = TrainConfig(task="gender", epochs=3)


def write_figure(path):
    """A figure of 2 x 3 pixels."""
    from PIL import Image

    Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3)).save(path)


def read_events(folder):
    """The events of TensorBoard in a run folder."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = loader.EventAccumulator(str(folder / "tensorboard"), {"tensors": 0, "images": 0})
    events.Reload()
    return events


def test_default_is_tensorboard_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(experiment_log, "find_spec", lambda name: None)
    assert resolve_log(None) == "none"
    with pytest.raises(InputError, match=r"--log mlflow needs mlflow.*fashion_keras\[mlflow\]"):
        resolve_log("mlflow")
    monkeypatch.setattr(experiment_log, "find_spec", lambda name: object())
    assert resolve_log(None) == "tensorboard"


def test_run_logs_its_epochs_scores_and_figures_for_tensorboard(run):
    import tensorflow as tf

    events = read_events(run.folder)
    for column, tag in (("loss", "train/loss"), ("val_accuracy", "validation/accuracy")):
        values = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        expected = [(int(row["epoch"]), pytest.approx(row[column], abs=1e-6)) for row in read_history(run.folder)]
        assert values == expected
    accuracy = events.Tensors("test/accuracy")[0]
    assert (accuracy.step, float(tf.make_ndarray(accuracy.tensor_proto))) == (2, pytest.approx(run.accuracy, abs=1e-6))
    assert {"confusion", "history", "augmentation"} <= set(events.Tags()["tensors"])


def test_no_log_is_written_on_request(tmp_path):
    with ExperimentLog(replace(CONFIG, log="none"), tmp_path) as log:
        assert log.callbacks == []
    assert list(tmp_path.iterdir()) == []


def finish(log, folder):
    """Log an epoch, a score and a figure."""
    log._writer.scalars({"train/loss": 0.5}, 1)
    log._writer.scalars({"train/loss": 0.25}, 2)
    write_figure(folder / "confusion.png")
    scores = {"accuracy": 0.75, "accuracy_ci95": [0.7, 0.8], "top_3": None}
    log.finish(Report(
        task="gender", classes=[], counts={"test": 4}, test=scores, groups={}, per_class=[], by_frequency={},
        backbone="", strategy="", weights="", seconds={}, versions={},
    ), 2)  # fmt: skip


@pytest.mark.slow
def test_mlflow_holds_parameters_metrics_and_figures_and_is_continued(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    with ExperimentLog(replace(CONFIG, log="mlflow"), folder) as log:
        finish(log, folder)
    client = mlflow.MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("fashion_keras").experiment_id])
    assert [entry.info.status for entry in runs] == ["FINISHED"]
    assert runs[0].data.params["task"] == "gender"
    assert runs[0].data.metrics == {"train/loss": 0.25, "test/accuracy": 0.75}
    history = client.get_metric_history(runs[0].info.run_id, "train/loss")
    assert [(row.step, row.value) for row in history] == [(1, 0.5), (2, 0.25)]
    assert [file.path for file in client.list_artifacts(runs[0].info.run_id, "figures")] == ["figures/confusion.png"]
    with pytest.raises(RuntimeError), ExperimentLog(replace(CONFIG, log="mlflow"), folder) as log:
        assert type(log._writer) is MLflowWriter
        raise RuntimeError
    assert [entry.info.status for entry in client.search_runs([runs[0].info.experiment_id])] == ["FAILED"]


@pytest.mark.slow
def test_wandb_offline_writes_a_run(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with ExperimentLog(replace(CONFIG, log="wandb"), tmp_path) as log:
        assert type(log._writer) is WandbWriter
        finish(log, tmp_path)
    files = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 1
    # A process of its own writes it, which on a busy machine may take longer than the run.
    until = time.monotonic() + 60
    while b"train/loss" not in files[0].read_bytes() and time.monotonic() < until:
        time.sleep(0.1)
    assert b"train/loss" in files[0].read_bytes()
