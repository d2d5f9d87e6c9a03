"""The folder of a local index: killed, altered, written to by two, read while it changes."""

import json
import subprocess
import sys

import pytest
from filelock import FileLock

from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, names, records


@pytest.fixture
def folder(tmp_path):
    index = LocalIndex.create(tmp_path / "index", SPEC)
    index.add(records(0, 20))
    index.add(records(20, 30))
    index.delete(names(50))
    return index.folder


@pytest.mark.parametrize("suffix", ["embeddings.npy", "images.arrow", "lookup.npy", "deleted.npy"])
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
    writer.delete(names(*range(0, 50, 10)))
    writer.compact()
    assert len(reader) == 29
    assert reader.nearest(records(0, 20).embeddings[3], 1)[0].ids.tolist() == names(30)
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


FULL = """
import resource, sys
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import records
index = LocalIndex(sys.argv[1])
products, added = index.lookup(index.ids()), records(1000, 4000)
changes = {
    "add": lambda: index.add(added), "update": lambda: index.update(products),
    "delete": lambda: index.delete(products.ids), "compact": index.compact,
}
for name, change in changes.items():
    for room in (0, 100, 700):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            change()
        except InputError as error:
            print(name, room, error)
"""


def test_change_without_room_leaves_the_old_version(folder):
    before, files = LocalIndex(folder), {path.name for path in folder.iterdir()}
    done = subprocess.run([sys.executable, "-c", FULL, folder], capture_output=True, text=True)
    message = f"{folder}: File too large; the index is as it was: make room and try again"
    changes = [(name, room) for name in ("add", "update", "delete", "compact") for room in (0, 100, 700)]
    assert done.stdout.splitlines() == [f"{name} {room} {message}" for name, room in changes]
    assert {path.name for path in folder.iterdir()} == files
    after = LocalIndex(folder)
    assert (after.version, after.ids().tolist()) == (before.version, before.ids().tolist())
    after.compact()
    assert len(LocalIndex(folder)) == 29


def test_compact_removes_what_no_version_needs(folder):
    for name in (".123.0000000009.embeddings.npy", ".tmp-00ff00ff00ff00ff-manifest.json"):
        (folder / name).write_bytes(b"left by a killed writer")
    LocalIndex(folder).compact()
    files = sorted(path.name for path in folder.iterdir())
    assert files == [
        "0000000004.embeddings.npy",
        "0000000004.images.arrow",
        "0000000004.lookup.npy",
        "lock",
        "manifest.json",
    ]


def test_change_leaves_foreign_files_alone(folder):
    foreign = {".gitignore", ".DS_Store", ".mine.npy", "notes.npy", "table.arrow"}
    for name in foreign:
        (folder / name).write_text("mine")
    LocalIndex(folder).compact()
    assert foreign <= {path.name for path in folder.iterdir()}


def test_create_goes_on_after_a_killed_build(tmp_path):
    for name in ("lock", "0000000000.embeddings.npy", ".77.0000000000.products.arrow"):
        (tmp_path / name).write_bytes(b"left by a killed writer")
    assert len(LocalIndex.create(tmp_path, SPEC, records(0, 3))) == 3
    assert not list(tmp_path.glob(".*"))


def test_create_overwrites_an_index_of_an_older_format(folder):
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"format": "fashion_keras.index/1", "version": 7}))
    old = [folder / "0000000007.vectors.npy", folder / "0000000007.products.arrow"]
    for path in old:
        path.write_bytes(b"old")
    with pytest.raises(InputError, match=r"index/1'; this version reads .*index/4'.*--overwrite"):
        LocalIndex(folder)
    index = LocalIndex.create(folder, SPEC, records(0, 3), overwrite=True)
    assert (len(index), index.version) == (3, 8)
    assert not any(path.exists() for path in old)


def edited(folder, edit):
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda values: values.pop("id"), "key 'id' is missing"),
        (lambda values: values.pop("spec"), "key 'spec' is missing"),
        (lambda values: values["spec"].pop("width"), "key 'spec.width' is missing"),
        (lambda values: values["spec"].update(width="16"), "'spec.width' must be a whole number, not '16'"),
        (lambda values: values["spec"].update(columns="gender"), "'spec.columns' must be a list, not 'gender'"),
        (lambda values: values["spec"]["image_spec"].update(height=-1), "'spec.image_spec': image height must be"),
        (
            lambda values: values["segments"][1].update(rows=None),
            r"'segments\[1\].rows' must be a whole number, not None",
        ),
        (lambda values: values.update(segments={}), "'segments' must be a list"),
        (lambda values: values["deleted"].update(name="../../secret"), "'deleted': '../../secret' is no name"),
        (lambda values: values.update(extra=1), "unknown key 'extra'"),
    ],
)
def test_open_names_a_wrong_key_of_the_manifest(folder, edit, message):
    edited(folder, edit)
    with pytest.raises(InputError, match=message) as caught:
        LocalIndex(folder)
    assert str(caught.value).startswith(f"{folder}/manifest.json: ")
    assert len(str(caught.value).splitlines()) == 1


LIMITED = """
import resource, sys
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, names, records
index, products = LocalIndex(sys.argv[1]), records(50, 60)
resource.setrlimit(resource.{limit})
try:
    {call}
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("limit", "call", "message"),
    [
        ("RLIMIT_NOFILE, (3, 3)", "LocalIndex(sys.argv[1])", "Too many open files: close some"),
        ("RLIMIT_NOFILE, (3, 3)", "index.add(products)", "Too many open files: close some"),
        (
            "RLIMIT_FSIZE, (0, 0)",
            "LocalIndex.create(sys.argv[1] + '/new', SPEC)",
            "File too large; no index was made: make",
        ),
    ],
)
def test_index_reports_the_systems_reason_in_one_line(folder, limit, call, message):
    program = LIMITED.format(limit=limit, call=call)
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True)
    assert (done.stderr, message in done.stdout, len(done.stdout.splitlines())) == ("", True, 1), done
    assert "truncated" not in done.stdout
    assert len(LocalIndex(folder)) == 29


def test_search_is_imported_without_fcntl():
    program = "import sys; sys.modules['fcntl'] = None; import fashion_keras.search.similar, fashion_keras.search.local"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_readers_write_nothing_to_the_folder(folder):
    (folder / "lock").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    index = LocalIndex(folder)
    index.refresh()
    index.nearest(records(0, 1).embeddings, 3, {"gender": "Men"})
    index.lookup(names(10))
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
