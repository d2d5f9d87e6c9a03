"""The folder of a local index: killed, altered, written to by two, read while it changes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from filelock import FileLock

from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, records


@pytest.fixture
def folder(tmp_path):
    index = LocalIndex.create(tmp_path / "index", SPEC)
    index.add(records(0, 20))
    index.add(records(20, 30))
    index.delete(np.array([50]))
    return index.folder


@pytest.mark.parametrize("suffix", ["embeddings.npy", "products.arrow", "deleted.npy"])
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "truncated or altered"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3] + b"abc"), "altered: its content does not match"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_open_names_a_damaged_file(folder, suffix, harm, message):
    path = max(folder.glob(f"*.{suffix}"))
    harm(path)
    with pytest.raises(InputError, match=rf"{path.name}: {message}"):
        LocalIndex(folder)


def test_open_refuses_a_folder_without_index_and_another_format(tmp_path, folder):
    with pytest.raises(InputError, match="no index here; `fashion-keras index"):
        LocalIndex(tmp_path)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": "other/9"}))
    with pytest.raises(InputError, match="this version reads"):
        LocalIndex(folder)


def test_create_refuses_a_folder_with_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        LocalIndex.create(tmp_path, SPEC)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_reader_sees_what_it_opened_until_it_refreshes(folder):
    reader, writer = LocalIndex(folder), LocalIndex(folder)
    writer.add(records(30, 40))
    writer.delete(np.arange(0, 50, 10))
    writer.compact()
    assert len(reader) == 29
    assert reader.nearest(records(0, 20).embeddings[3], 1)[0].ids.tolist() == [30]
    reader.refresh()
    assert (len(reader), reader.version) == (34, writer.version)


def test_add_by_two_writers_in_turn(folder):
    first, other = LocalIndex(folder), LocalIndex(folder)
    first.add(records(30, 32))
    other.add(records(32, 34))
    assert len(LocalIndex(folder)) == 33


def test_add_refuses_while_another_writer_is_at_work(folder):
    with FileLock(folder / "lock"), pytest.raises(InputError, match="another process is changing this index"):
        LocalIndex(folder).add(records(30, 32))
    LocalIndex(folder).add(records(30, 32))


CHANGES = {
    "add": "index.add(records(1000, 4000))",
    "update": "index.update(Records(*(getattr(index.lookup(index.ids()), name) for name in NAMES)))",
    "delete": "index.delete(index.ids())",
    "compact": "index.compact()",
}
FULL = """
import resource, sys
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.base import Records
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import records
NAMES = ("ids", "embeddings", "paths", "columns")
index = LocalIndex(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    {change}
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("room", [0, 100, 700])
def test_change_without_room_leaves_the_old_version(folder, change, room):
    before, files = LocalIndex(folder), {path.name for path in folder.iterdir()}
    program = FULL.format(change=CHANGES[change])
    done = subprocess.run([sys.executable, "-c", program, folder, str(room)], capture_output=True, text=True)
    assert done.stdout == f"{folder}: File too large; the index is as it was: make room and try again\n"
    assert {path.name for path in folder.iterdir()} == files
    after = LocalIndex(folder)
    assert (after.version, after.ids().tolist()) == (before.version, before.ids().tolist())
    after.compact()
    assert len(LocalIndex(folder)) == 29


def test_what_no_version_needs_is_removed(folder):
    (folder / ".123.0000000009.embeddings.npy").write_bytes(b"left by a killed writer")
    LocalIndex(folder).compact()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["0000000004.embeddings.npy", "0000000004.products.arrow", "lock", "manifest.json"]
