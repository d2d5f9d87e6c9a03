"""The folder of a local index: killed, altered, written to by two, read while it changes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.search.test_index import SPEC, records


@pytest.fixture
def folder(tmp_path):
    index = LocalIndex.create(tmp_path / "index", SPEC)
    index.add(records(0, 20))
    index.add(records(20, 30))
    index.delete(np.array([50]))
    return index.folder


@pytest.mark.parametrize("suffix", ["vectors.npy", "products.arrow", "deleted.npy"])
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "truncated or altered"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3] + b"abc"), "altered: its content does not match"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_a_harmed_file_is_named(folder, suffix, harm, message):
    path = max(folder.glob(f"*.{suffix}"))
    harm(path)
    with pytest.raises(InputError, match=rf"{path.name}: {message}"):
        LocalIndex(folder)


def test_no_index_and_an_index_of_another_format(tmp_path, folder):
    with pytest.raises(InputError, match="no index here; `fashion-keras index"):
        LocalIndex(tmp_path)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": "other/9"}))
    with pytest.raises(InputError, match="this version reads"):
        LocalIndex(folder)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        LocalIndex.create(tmp_path, SPEC)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_reader_keeps_what_it_opened_until_it_asks_again(folder):
    reader, writer = LocalIndex(folder), LocalIndex(folder)
    writer.add(records(30, 40))
    writer.delete(np.arange(0, 50, 10))
    writer.compact()
    assert len(reader) == 29
    assert reader.nearest(records(0, 20).vectors[3], 1)[0].ids.tolist() == [30]
    reader.refresh()
    assert (len(reader), reader.version) == (34, writer.version)


def test_two_writers_follow_each_other(folder):
    one, other = LocalIndex(folder), LocalIndex(folder)
    one.add(records(30, 32))
    other.add(records(32, 34))
    assert len(LocalIndex(folder)) == 33


def test_a_second_writer_at_the_same_time_is_told(folder):
    import fcntl

    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is changing this index"):
            LocalIndex(folder).add(records(30, 32))
    LocalIndex(folder).add(records(30, 32))


def test_a_full_disk_leaves_the_old_version(folder, monkeypatch):
    index, real = LocalIndex(folder), os.fsync

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for change in (lambda: index.add(records(30, 40)), index.compact, lambda: index.delete(np.array([0]))):
        with pytest.raises(OSError, match="No space left"):
            change()
        assert len(index) == len(LocalIndex(folder)) == 29
    monkeypatch.setattr(os, "fsync", real)
    index.compact()
    assert len(LocalIndex(folder)) == 29


def test_what_no_version_needs_is_removed(folder):
    (folder / ".123.0000000009.vectors.npy").write_bytes(b"left by a killed writer")
    LocalIndex(folder).compact()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["0000000004.products.arrow", "0000000004.vectors.npy", "lock", "manifest.json"]


WRITER = """
import sys
import numpy as np
from fashion_keras.search.local import LocalIndex
from tests.search.test_index import records
index = LocalIndex(sys.argv[1])
print('ready', flush=True)
for turn in range(10**6):
    start = 1000 + 5 * turn
    index.add(records(start, start + 5)); print('add', turn, flush=True)
    index.update(records(start, start + 2, seed=turn + 1)); print('update', turn, flush=True)
    index.delete(records(start + 4, start + 5).ids); print('delete', turn, flush=True)
    index.compact(); print('compact', turn, flush=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments_every_acknowledged_change_is_there(folder):
    random, steps = np.random.default_rng(0), ("add", "update", "delete", "compact")
    for _ in range(20):
        LocalIndex(folder).delete(np.array(list(contents(LocalIndex(folder))), np.int64))
        process = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        said = [line.split() for line in process.communicate()[0].splitlines() if line.endswith(tuple("0123456789"))]
        index = LocalIndex(folder)
        done = len(said)
        assert said == [[steps[number % 4], str(number // 4)] for number in range(done)]
        # What was begun after the last acknowledged step may be there too, but only as a whole.
        assert expected(done) == contents(index) or expected(done + 1) == contents(index)
    index.compact()


def expected(done):
    """The vectors' first numbers by id after so many steps of the writer."""
    held = {}
    for number in range(done):
        turn, start = number // 4, 1000 + 5 * (number // 4)
        if number % 4 == 2:
            del held[(start + 4) * 10]
        elif number % 4 < 2:
            put = records(start, start + 5) if number % 4 == 0 else records(start, start + 2, seed=turn + 1)
            held |= dict(zip(put.ids.tolist(), put.vectors[:, 0].tolist(), strict=True))
    return held


def contents(index):
    ids = index._view.ids[index._view.alive]
    new = ids[ids >= 10_000]
    return dict(zip(new.tolist(), index.lookup(new).vectors[:, 0].tolist(), strict=True))
