"""Atomic files and folders: whole or not there, whoever else writes at the same time."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fashion_keras.support.atomic_files import (
    atomic_write,
    check_output_dir,
    check_room,
    file_sha256,
    make_output_dir,
    read_json,
    safe_file_name,
    temporary_path,
    write_csv,
    write_json,
    write_text,
)
from fashion_keras.support.errors import InputError


def test_atomic_write_that_fails_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_replaces(tmp_path):
    with atomic_write(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_atomic_write_from_many_threads_writes_one_of_the_texts(tmp_path):
    """Temporary names of one process used to be equal: threads renamed each other's halves."""
    path, texts = tmp_path / "a.txt", [str(number) * 200_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            list(pool.map(lambda text: write_text(path, text), texts))
            assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_atomic_write_names_the_file_when_the_disk_is_full(tmp_path, number):
    with pytest.raises(OSError, match=r"a\.txt") as caught, atomic_write(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "a.txt"))


def test_temporary_path_is_unique_and_ends_alike(tmp_path, monkeypatch):
    """Process numbers repeat across containers."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    names = {temporary_path(tmp_path / "model.weights.h5").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(".") and name.endswith("model.weights.h5") for name in names)


def test_write_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()
    write_json(tmp_path / "a.json", {"é": 1})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not JSON"), (b"[1]", "expected one JSON object"), (b"\xff{}", "not JSON"), (b"[" * 100_000, "not JSON")],
)
def test_read_json_names_the_file(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=f"a.json: {message}"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b.json: no such file"):
        read_json(tmp_path / "b.json")


def test_write_csv_quotes_what_needs_it(tmp_path):
    write_csv(tmp_path / "a.csv", ("id", "reason"), [{"id": 1, "reason": "a, b"}])
    assert (tmp_path / "a.csv").read_text() == 'id,reason\n1,"a, b"\n'


def test_file_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_check_output_dir_refuses_a_folder_with_files(tmp_path):
    (tmp_path / "a").write_text("")
    for folder in (tmp_path, tmp_path / "a"):
        with pytest.raises(InputError, match="not an empty folder; give another --out"):
            check_output_dir(folder, "")
    assert check_output_dir(None, str(tmp_path / "run")) == tmp_path / "run-1"
    assert check_output_dir(str(tmp_path / "new"), "") == tmp_path / "new"


def test_make_output_dir_numbers_folders(tmp_path):
    (tmp_path / "run-2").write_text("a file")
    assert [make_output_dir(None, str(tmp_path / "run")).name for _ in range(2)] == ["run-1", "run-3"]
    assert make_output_dir(tmp_path / "a" / "b", "").is_dir()
    assert make_output_dir(tmp_path / "a" / "b", "") == tmp_path / "a" / "b"


def test_make_output_dir_gives_threads_different_folders(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: make_output_dir(None, str(tmp_path / "run")), range(64)))
    assert len(set(folders)) == 64


def test_make_output_dir_gives_processes_different_folders(tmp_path):
    """Each takes ten, all begin together."""
    program = (
        "import sys\nfrom fashion_keras.support.atomic_files import make_output_dir\nprint(flush=True)\ninput()\n"
        "for _ in range(10): print(make_output_dir(None, sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    folders = [line for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert sorted(folders) == sorted(str(tmp_path / f"run-{number}") for number in range(1, 41))


def test_make_output_dir_refuses_a_given_folder_that_another_process_creates(tmp_path, monkeypatch):
    folder, mkdir = tmp_path / "run", Path.mkdir

    def create_after_another(path, *arguments, **options):
        if path == folder:
            mkdir(path)
        mkdir(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", create_after_another)
    with pytest.raises(InputError, match="another process has just created it"):
        make_output_dir(folder, "")


HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "C:\\x", "a\0b", "a\nb", ".hidden", "x. ", "CON",
    "nul.txt", "x" * 400, "日" * 200, "\udcff", "\u202egpj", "~", "$HOME", "`id`", "-rf", "a|b", "labels:a/b",
    "%2e%2e%2f",
]  # fmt: skip
USUAL = ["color", "T-shirts", "Casual Shoes", "Größe", "色", "3.5+", "a_b", "a.b"]


@pytest.mark.parametrize("name", [*HOSTILE, *USUAL])
def test_safe_file_name_is_one_component_of_the_folder(tmp_path, name):
    folder = tmp_path / "groups"
    path = folder / safe_file_name(name)
    path.mkdir(parents=True)
    assert path.resolve().parent == folder.resolve() != path.resolve()
    assert [entry.name for entry in folder.iterdir()] == [path.name]
    assert len(path.name.encode()) <= 120
    assert not set(path.name) & set('<>:"/\\|?*\0\n')
    assert path.name[0] != "." and path.name[-1] not in " ."


def test_safe_file_name_keeps_usual_names():
    assert [safe_file_name(name) for name in USUAL] == USUAL
    assert safe_file_name("column:category") == "column=category"


def test_safe_file_name_keeps_names_distinct():
    names = [*HOSTILE, *USUAL, "a=b", "a:b", "x" * 401, "a b"]
    names = {*names, *map(safe_file_name, names)}
    assert len({safe_file_name(name) for name in names}) == len(names)


def test_check_room_is_an_error_of_the_system(tmp_path):
    check_room(tmp_path / "new/file", 1)
    with pytest.raises(OSError, match="No space left on device") as caught:
        check_room(tmp_path / "file", 2**60)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "file"))
