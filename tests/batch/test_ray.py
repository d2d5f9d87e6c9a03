"""Ray, for real, on this machine: the same bytes as without it, whatever happens to its workers and nodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from fashion_keras.batch.config import EncodeConfig
from fashion_keras.batch.parts import read_parts
from fashion_keras.batch.run import run_batch
from fashion_keras.batch.shards import encoder_model
from fashion_keras.support.errors import InputError
from tests.helpers.batch_shop import load_toy_job, shard_bytes, stored, write_products
from tests.helpers.cli import assert_one_line
from tests.helpers.shop import toy_encoder

pytestmark = pytest.mark.slow

ray = pytest.importorskip("ray")
SMALL = {"include_dashboard": False, "object_store_memory": 80 * 2**20, "logging_level": "error"}


@pytest.fixture(scope="module")
def whole(catalog, tmp_path_factory):
    """The shard files of a run without Ray."""
    out = tmp_path_factory.mktemp("whole")
    run(catalog[0], out, load_toy_job, engine="local")
    return shard_bytes(out)


@pytest.fixture
def local_ray():
    """Ray on this machine, with three CPUs."""
    ray.init("local", num_cpus=3, log_to_driver=False, **SMALL)
    yield
    ray.shutdown()


@pytest.fixture
def pids(tmp_path):
    """The folder in which workers leave the ids of their processes."""
    (tmp_path / "pids").mkdir()
    return tmp_path / "pids"


def run(data, out, load_job, **settings):
    """Process a catalog in twelve shards with three workers; return the folder when it is complete."""
    settings = {
        "engine": "ray",
        "shards": 12,
        **({"workers": 3} if settings.get("engine") != "local" else {}),
    } | settings
    config = EncodeConfig(data=str(data), encoder="toy-1", out=str(out), **settings)
    model = encoder_model(toy_encoder(), "toy-1", "auto")
    finished = run_batch(config, Path(out), model, read_parts(config), load_job)
    ray.shutdown()
    return finished[0]


class Background(threading.Thread):
    """What happens beside a run: an action once workers have left their ids; what it raises is raised in `end`."""

    def __init__(self, pids, count, action):
        super().__init__(daemon=True)
        self.pids, self.count, self.action, self.error, self.ended = pids, count, action, None, False
        self.start()

    def run(self):
        try:
            while len(list(self.pids.iterdir())) < self.count and not self.ended:
                time.sleep(0.02)
            assert not self.ended, "the run ended first"
            self.action([int(path.name) for path in self.pids.iterdir()])
        except BaseException as error:  # noqa: BLE001 - raised in the test
            self.error = error

    def end(self):
        self.ended = True
        self.join(20)
        if self.error:
            raise self.error


def test_workers_make_the_same_bytes(local_ray, catalog, whole, tmp_path, pids):
    batch = run(catalog[0], tmp_path / "out", partial(load_toy_job, str(pids), 0.1))
    assert shard_bytes(tmp_path / "out") == whole
    assert len(list(pids.iterdir())) == 3
    assert str(os.getpid()) not in {path.name for path in pids.iterdir()}
    entries = [*batch.entries()]
    assert sum(entry.encoded for entry in entries) == sum(entry.rows for entry in entries) == 79


def test_a_killed_worker_is_replaced(local_ray, catalog, whole, tmp_path, pids):
    killer = Background(pids, 3, lambda found: os.kill(found[0], signal.SIGKILL))
    run(catalog[0], tmp_path / "out", partial(load_toy_job, str(pids), 0.3))
    killer.end()
    assert shard_bytes(tmp_path / "out") == whole


def test_a_lost_node_is_done_without(catalog, whole, tmp_path, pids):
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": SMALL["object_store_memory"]},
    )
    try:
        second = cluster.add_node(num_cpus=2, object_store_memory=SMALL["object_store_memory"])
        cluster.wait_for_nodes()
        remover = Background(pids, 3, lambda _: cluster.remove_node(second, allow_graceful=False))
        job = partial(load_toy_job, str(pids), 0.3)
        run(catalog[0], tmp_path / "out", job, address=cluster.address)
        remover.end()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert shard_bytes(tmp_path / "out") == whole


def test_workers_find_relative_paths(tmp_path, monkeypatch):
    """Workers of a cluster that was started in another folder."""
    write_products(tmp_path / "here/shop", 6)
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))  # for the job, which is of tests.helpers
    monkeypatch.chdir(tmp_path / "there")
    ray.init("local", num_cpus=2, log_to_driver=False, **SMALL)
    monkeypatch.chdir(tmp_path / "here")
    run("shop", "out", load_toy_job, workers=2, shards=2)
    run("shop", "whole", load_toy_job, engine="local", shards=2)
    assert len(stored("out")) == 12
    assert shard_bytes("out") == shard_bytes("whole")


def test_errors_of_workers_are_one_line(local_ray, catalog, tmp_path):
    with pytest.raises(InputError, match=r"the encoder here \(toy-2-.*\) is not that of the run \(toy-1-"):
        run(catalog[0], tmp_path / "out", partial(load_toy_job, identity="toy-2"))
    ray.shutdown()


def encode_on_ray(catalog, out, *more, path=""):
    """Run `features encode --engine ray` in a process of its own, in which `path` comes first; return what it did."""
    program = [sys.executable, "-m", "tests.helpers.batch_shop", "0", "features", "encode", "--engine", "ray"]
    environment = os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [*program, "--data", str(catalog[0]), "--encoder", "toy-1", "--out", str(out), *more]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)


def test_an_address_without_a_cluster_is_one_line(catalog, tmp_path):
    start = time.monotonic()
    result = encode_on_ray(catalog, tmp_path / "out", "--address", "127.0.0.1:9")
    assert_one_line(result, "Ray cannot be reached at 127.0.0.1:9: ", "refused")
    assert time.monotonic() - start < 60


def test_without_ray_it_is_one_line(catalog, tmp_path):
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError('No module named ray', name='ray')\n")
    result = encode_on_ray(catalog, tmp_path / "out", path=str(tmp_path))
    assert_one_line(result, "--engine ray needs an extra: pip install 'fashion_keras[scale]'")
