"""Batch runs in processes that are killed, run out of disk, meet each other, or lose their server."""

import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.batch import encode
from fashion_keras.support.errors import InputError
from tests.helpers.batch_shop import image_names, jpeg, shard_bytes, stored, write_products, write_table
from tests.helpers.cli import assert_one_line
from tests.helpers.file_server import file_server
from tests.helpers.shop import toy_encoder


def program(data, out, seconds=0.0, shards=4, *more):
    """The command that runs `features encode` with the toy encoder."""
    flags = {"--data": data, "--encoder": "toy-1", "--out": out, "--shards": shards}
    pairs = [str(part) for pair in flags.items() for part in pair]
    return [sys.executable, "-m", "tests.helpers.batch_shop", str(seconds), "features", "encode", *pairs, *more]


def run_program(*arguments, **options):
    return subprocess.run(program(*arguments), capture_output=True, text=True, timeout=120, **options)


def wait_until(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_at_any_moment(sample, run_encode, tmp_path):
    """Of 20 runs on the drawn sample each is killed somewhere, the later ones in what the earlier ones left."""
    run_encode(sample, tmp_path / "whole", shards=12)
    random = np.random.default_rng(0)
    begun = ended = 0
    for kill in range(20):
        out = tmp_path / f"out{ended}"
        process = subprocess.Popen(program(sample, out, 0.03, 12), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # A third of them while the catalog is read, the others in the shards.
        wait_until((out if kill % 3 == 0 else out / "shards").is_dir, process)
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        begun += 1
        if process.returncode == 0 or kill == 19 or len(list((out / "shards").glob("*.json"))) > 9:
            result = run_program(sample, out, 0, 12)
            assert result.returncode == 0, result.stderr
            assert shard_bytes(out) == shard_bytes(tmp_path / "whole")
            assert len(list((out / "shards").iterdir())) == 24  # nothing is left of files that were not finished
            ended += 1
    assert begun == 20


def limited():
    """Let this process write no file above 6,000 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))


@pytest.mark.slow
def test_a_file_that_cannot_be_written(catalog, run_encode, tmp_path):
    run_encode(catalog[0], tmp_path / "whole")
    result = run_program(catalog[0], tmp_path / "out", preexec_fn=limited)
    assert_one_line(result, "/shards/")
    run_encode(catalog[0], tmp_path / "out")
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 100 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no right to mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk(catalog, run_encode, tmp_path, small_disk):
    run_encode(catalog[0], tmp_path / "whole")
    (small_disk / "other").write_bytes(bytes(30_000))
    result = run_program(catalog[0], small_disk / "out")
    assert_one_line(result, "no space left on the disk", str(small_disk / "out"))
    (small_disk / "other").unlink()
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    run_encode(catalog[0], small_disk / "out")
    assert shard_bytes(small_disk / "out") == shard_bytes(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_in_one_folder(catalog, tmp_path):
    first = subprocess.Popen(program(catalog[0], tmp_path / "out", 6), stderr=subprocess.PIPE)
    wait_until((tmp_path / "out/shards").is_dir, first)
    second = run_program(catalog[0], tmp_path / "out")
    first.kill()
    first.communicate()
    assert_one_line(second, f"{tmp_path / 'out'}: another process is at work here; wait for it, or give another --out")


@pytest.mark.slow
def test_parts_in_processes_at_once(catalog, run_encode, tmp_path):
    """A scheduler starts all parts at the same moment: one reads the catalog, the others wait for it."""
    run_encode(catalog[0], tmp_path / "whole", shards=6)
    commands = [program(catalog[0], tmp_path / "out", 0.05, 6, "--shard", f"{part}/3") for part in (1, 2, 3)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert (tmp_path / "out/rejected.csv").is_file()
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")


@pytest.fixture
def impatient(monkeypatch):
    """Requests are tried again at once."""
    monkeypatch.setattr("fashion_keras.images.references._PAUSE", 0.001)


def test_a_server_that_goes_away(run_encode, tmp_path, monkeypatch, impatient):
    folder, rows = write_products(tmp_path / "shop", 12)
    with file_server(folder) as server:
        url, port = server.url, server.server_address[1]
        passes = []

        def forward(pixels):
            passes.append(len(pixels))
            if len(passes) == 3:
                server.shutdown()
                server.socket.close()
            return toy_encoder().forward(pixels)

        with monkeypatch.context() as patch:
            patch.setattr(encode, "load_encoder", lambda *_: replace(toy_encoder(), forward=forward))
            with pytest.raises(InputError, match=rf"{url}/images/.*: cannot be read .*; run again to go on"):
                run_encode(url, tmp_path / "out")
    with file_server(folder, port):
        report = run_encode(url, tmp_path / "out")
        assert (report.accepted, report.rejected) == (24, 0)
        run_encode(url, tmp_path / "whole")
        assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")
        assert run_encode(url, tmp_path / "out").encoded == 0
        (folder / "images/5_1.jpg").write_bytes(jpeg(1000))
        (folder / "images/7_0.jpg").unlink()
        report = run_encode(url, tmp_path / "out")
        assert (report.encoded, report.rejected) == (1, 1)
    references = {row["reference"] for row in stored(tmp_path / "out")}
    assert references == {f"{url}/{name}" for name in image_names(rows)} - {f"{url}/images/7_0.jpg"}


def test_a_server_that_is_away_before_the_images_are_looked_for(run_encode, tmp_path, impatient):
    """Nothing is known about the images then: none counts as missing."""
    folder, rows = write_products(tmp_path / "shop", 3)
    with file_server(folder / "images") as server:
        url = server.url
        write_table(
            folder, [row | {"image": f"{url}/{row['image'].partition('/')[2].partition('|')[0]}"} for row in rows]
        )
    with pytest.raises(InputError, match=rf"{url}/.*: cannot be read"):
        run_encode(folder / "table.csv", tmp_path / "out", allow_outside=True)
