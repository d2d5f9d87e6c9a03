"""Training on several devices or processes: it equals one device with the same batch, and one process writes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashion_keras.cli import main
from fashion_keras.images.shares import Shares
from fashion_keras.support.errors import InputError
from fashion_keras.training.cluster import Cluster, bypass_proxy, read_cluster
from tests.helpers.runs import read_history, start_command, wait_for_epoch
from tests.helpers.workers import finish, start_workers

SCORES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


@pytest.mark.parametrize(("rows", "batch_size"), [(7, 4), (33, 8), (64, 8), (1, 4)])
def test_shares_give_every_row_to_one_replica(rows, batch_size):
    """Of two processes with two replicas each."""
    seen = []
    for own in (range(2), range(2, 4)):
        for number, start, stop, first, count in Shares(4, own).bounds(rows, batch_size):
            begin = number // 4 * batch_size
            assert start == begin + first
            assert count == min(batch_size, rows - begin)
            assert stop - start in (count // 4, count // 4 + 1)
            seen += range(start, stop)
    assert sorted(seen) == list(range(rows))


@pytest.mark.parametrize(
    ("jobs", "task", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), Cluster(2, 1, ("a", "b"))),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, ("worker", 0), Cluster(3, 1, ("a", "b", "c"))),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), Cluster(2, 0, ("a", "b"))),
    ],
)
def test_read_cluster_counts_the_workers_behind_the_chief(jobs, task, expected, monkeypatch):
    content = {"cluster": jobs, "task": {"type": task[0], "index": task[1]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(content))
    assert read_cluster() == expected


def test_read_cluster_without_tf_config_is_one_process(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert read_cluster() == Cluster(1, 0)


def test_workers_are_reached_without_a_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "intranet")
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    bypass_proxy(Cluster(2, 0, ("host1", "host2")))
    assert os.environ["no_grpc_proxy"] == "intranet,host1,host2"  # noqa: SIM112


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "TF_CONFIG cannot be read; it must be like"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG cannot be read"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}', "a job 'ps'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "no task worker 1"),
    ],
)
def test_read_cluster_refuses_what_is_no_cluster_in_one_line(text, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=message):
        read_cluster()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--distribute", "multiworker"], "TF_CONFIG that names several workers"),
        (["--distribute", "mirrored", "--accumulate", "2"], "--accumulate averages the batches of one device"),
        (["--distribute", "two"], "unknown two|mirrored"),
    ],
)
def test_train_refuses_what_cannot_be_distributed(flags, message, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert main(["train", "--data", "nowhere", "--out", str(tmp_path / "run"), *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert any(part in line for part in message.split("|"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_train_refuses_another_backend(command, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    result = command("train", "--distribute", "mirrored", "--out", tmp_path / "run")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == "error: --distribute needs KERAS_BACKEND=tensorflow, not openvino"


@pytest.fixture(scope="module")
def two_devices():
    """What `tests/helpers/two_devices.py` prints."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.two_devices"], capture_output=True, text=True, timeout=900,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["features", "one row in the last batch", "batch normalization", "frozen, then images"]
)
def test_two_devices_train_as_one_with_the_same_batch(two_devices, case):
    """Loss and accuracy of each epoch, and all weights, but for rounding."""
    one, two = two_devices["runs"][case]
    for name in SCORES:
        values = [[row[name] for row in run["history"]] for run in (one, two)]
        np.testing.assert_allclose(*values, rtol=1e-5, err_msg=name)
    assert one["history"][0]["loss"] != one["history"][1]["loss"]
    for first, second in zip(one["weights"].values(), two["weights"].values(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.slow
def test_two_devices_drop_other_features_than_one(two_devices):
    one, two = (run["history"] for run in two_devices["runs"]["dropout"])
    assert one[0]["loss"] != two[0]["loss"]
    assert two[-1]["val_loss"] == pytest.approx(one[-1]["val_loss"], rel=0.2)


@pytest.mark.slow
def test_mirrored_refuses_a_batch_that_the_replicas_do_not_divide(two_devices):
    assert two_devices["refusal"].startswith("--batch-size 33 is the global batch, which 2 replicas must divide")


# A head on cached features of a random backbone, whose epochs take no time: what is tested is around them.
FLAGS = [
    "--data", "sample", "--backbone", "custom_cnn", "--weights", "none", "--strategy", "frozen", "--image-size", "32",
    "--limit", "300", "--min-images", "40", "--batch-size", "30", "--head", "plain", "--views", "2", "--epochs", "10",
    "--patience", "1000", "--precision", "float32",
]  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a run on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    process = start_command("train", *FLAGS, "--out", folder)
    assert process.wait(900) == 0, process.communicate()[1]
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory, alone):
    """The folder of the same run by two workers, and what each printed."""
    folder = tmp_path_factory.mktemp("together") / "run"
    results = finish(start_workers("train", *FLAGS, "--distribute", "auto", "--out", folder))
    assert [result[0] for result in results] == [0, 0], results
    return folder, results


def assert_same_history(folder, other, **tolerances):
    histories = [read_history(each) for each in (folder, other)]
    for name in ("epoch", *SCORES):
        np.testing.assert_allclose(*[[row[name] for row in history] for history in histories], **tolerances)


@pytest.mark.slow
def test_two_workers_train_as_one_device_with_the_same_batch(alone, together):
    folder, _ = together
    assert_same_history(folder, alone, rtol=1e-4)
    with h5py.File(alone / "model.weights.h5") as one, h5py.File(folder / "model.weights.h5") as two:
        compared = []
        one.visititems(lambda name, item: compared.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in compared:
            np.testing.assert_allclose(one[name][()], two[name][()], atol=1e-4, err_msg=name)
    assert compared
    reports = [json.loads((each / "report.json").read_text()) for each in (alone, folder)]
    assert reports[0]["test"]["accuracy"] == pytest.approx(reports[1]["test"]["accuracy"], abs=0.02)
    assert "distribute" not in reports[0]
    assert reports[1]["distribute"] == {"mode": "multiworker", "replicas": 2, "workers": 2, "global_batch": 30}


@pytest.mark.slow
def test_chief_alone_writes_the_run_and_computes_features(together):
    folder, (chief, worker) = together
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
    assert f"run folder  {folder}" in chief[1]
    assert worker[1] == "trained with the other workers; worker 0 writes the run\n"
    for output in (chief[2], worker[2]):
        assert "--distribute auto: multiworker (2 workers in TF_CONFIG, 0 GPUs here)" in output
        assert "global batch 30 = 2 replicas x 15 images, 2 workers" in output
    assert not (folder / "checkpoint").exists()


@pytest.mark.slow
def test_two_workers_resume_after_a_kill_as_if_nothing_was(together, tmp_path):
    folder = tmp_path / "run"
    workers = start_workers("train", *FLAGS, "--distribute", "multiworker", "--out", folder)
    wait_for_epoch(folder, 3, workers[0])
    for process in workers:
        process.send_signal(signal.SIGKILL)
    finish(workers)
    assert not (folder / "report.json").exists()
    results = finish(start_workers("train", "--resume", folder))
    assert [result[0] for result in results] == [0, 0], results
    assert_same_history(folder, together[0], rtol=1e-5)


@pytest.mark.slow
def test_worker_that_ends_is_one_line_for_the_others(tmp_path):
    folder = tmp_path / "run"
    chief, worker = start_workers("train", *FLAGS, "--epochs", "4000", "--distribute", "multiworker", "--out", folder)
    wait_for_epoch(folder, 2, chief)
    worker.send_signal(signal.SIGKILL)
    ((code, _, errors),) = finish([chief])
    worker.communicate()
    assert code == 2
    # TensorFlow's threads may print on their own when the process ends.
    (line,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert line.startswith("error: another worker has ended, or cannot be reached")
