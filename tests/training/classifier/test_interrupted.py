"""A run that is killed goes on as if nothing was."""

import shutil
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras import InputError, load_classifier, resume, train
from fashion_keras.models.predictions import probabilities
from fashion_keras.training.dataset_prep import prepare
from tests.helpers.runs import read_history, start_command, start_training, wait_for_epoch

pytestmark = pytest.mark.slow  # several runs


@pytest.fixture(scope="module")
def config(small_config):
    """Two phases, dropout, a plateau that is reached, and a learning rate that falls."""
    return replace(
        small_config, strategy="frozen+full", weights="none", epochs=6, optimizer="adam", plateau_patience=1, limit=300
    )


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    return train(replace(config, out=str(tmp_path_factory.mktemp("whole") / "run")))


def assert_same(folder, whole):
    first, second = read_history(folder), read_history(whole.folder)
    assert [row["phase"] for row in first] == [row["phase"] for row in second]
    for name in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_allclose([row[name] for row in first], [row[name] for row in second], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("epoch", [pytest.param(1, marks=pytest.mark.study), 2, 4])
def test_resume_after_a_kill_equals_an_uninterrupted_run(config, whole, tmp_path, epoch):
    process = start_training(config, tmp_path / "run")
    wait_for_epoch(tmp_path / "run", epoch, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = resume(tmp_path / "run")
    assert_same(tmp_path / "run", whole)
    for name in ("accuracy", "top_3", "macro_f1", "ece"):
        assert resumed.report.test[name] == pytest.approx(whole.report.test[name], abs=1e-4)
    assert not (tmp_path / "run" / "checkpoint").exists()


@pytest.mark.study
def test_resume_after_ten_kills_equals_an_uninterrupted_run(config, tmp_path):
    long = replace(config, strategy="frozen", epochs=150, patience=1000, plateau_patience=1000)
    whole = train(replace(long, out=str(tmp_path / "whole")))
    folder, random = tmp_path / "run", np.random.default_rng(0)
    process = start_training(long, folder)
    for _ in range(10):
        # Five seconds pass before the first epoch; later kills hit the writing of vectors, weights and history.
        time.sleep(random.uniform(3, 9))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = (
            start_command("train", "--resume", folder)
            if (folder / "config.json").is_file()
            else start_training(long, folder)
        )
    process.communicate(timeout=240)
    resumed = resume(folder)
    assert_same(folder, whole)
    assert resumed.report.test["accuracy"] == whole.report.test["accuracy"]


def test_train_command_prints_how_to_resume_when_interrupted(config, whole, tmp_path):
    process = start_training(config, tmp_path / "run")
    wait_for_epoch(tmp_path / "run", 1, process)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "--resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    resume(tmp_path / "run")
    assert_same(tmp_path / "run", whole)


def test_resume_refuses_a_changed_catalog(tiny_config, sample, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(sample, data)
    run = train(replace(tiny_config, data=str(data), epochs=1, out=str(tmp_path / "run")))
    (run.folder / "report.json").unlink()
    table = data / "styles.csv"
    table.write_text(table.read_text().replace("Casual", "Formal", 1))
    with pytest.raises(InputError, match="the catalog has changed"):
        resume(run.folder)


def test_resume_refuses_a_folder_without_a_run(tmp_path):
    with pytest.raises(InputError, match="no run was begun here"):
        resume(tmp_path)


def test_saved_weights_are_those_of_the_best_epoch(whole, config):
    prepared = prepare(config)
    rows = prepared.rows["validation"]
    predicted = probabilities(
        prepared.targets.groups, load_classifier(whole.folder).logits(prepared.catalog.paths[rows])
    )
    loss = -np.log(predicted[np.arange(len(rows)), prepared.targets.strata[rows]]).mean()
    assert loss == pytest.approx(
        min(row["val_loss"] for row in read_history(whole.folder) if row["phase"] == "all"), rel=1e-3
    )
