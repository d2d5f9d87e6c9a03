"""Image references: the bytes of files, members of archives and objects at addresses."""

import io
import os
import tarfile

import fsspec
import pytest

from fashion_keras.images import references
from fashion_keras.images.raster import ImageError
from fashion_keras.images.references import read_reference, reference_state
from fashion_keras.support.errors import InputError
from tests.helpers.file_server import file_server


@pytest.fixture
def archive(tmp_path):
    """A tar file with two members, and where their bytes are."""
    path = tmp_path / "a#1.tar"
    with tarfile.open(path, "w") as file:
        for name, data in (("1.jpg", b"first"), ("2.jpg", b"the second")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    data = path.read_bytes()
    return path, [f"#{data.index(part)}+{len(part)}" for part in (b"first", b"the second")]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(references, "_PAUSE", 0.001)


def test_members_of_an_archive(archive):
    path, places = archive
    assert [read_reference(f"{path}{place}") for place in places] == [b"first", b"the second"]
    with file_server(path.parent) as server:
        address = f"{server.url}/a%231.tar"
        assert [read_reference(f"{address}{place}") for place in places] == [b"first", b"the second"]


def test_what_is_no_member(archive, monkeypatch):
    path, _ = archive
    size = path.stat().st_size
    with pytest.raises(ImageError, match="truncated archive"):
        read_reference(f"{path}#{size - 5}+10")
    with pytest.raises(ImageError, match="no such file"):
        read_reference(f"{path.parent}/b.tar#0+10")
    monkeypatch.setattr(references, "MAX_BYTES", 9)
    with pytest.raises(ImageError, match="10 bytes; at most 9 are read"):
        read_reference(f"{path}#0+10")


def test_states_change_with_the_file(archive, tmp_path):
    path, places = archive
    plain = tmp_path / "1.jpg"
    plain.write_bytes(b"one")
    before = reference_state(str(plain)), reference_state(f"{path}{places[0]}")
    assert all(before)
    assert before == (reference_state(str(plain)), reference_state(f"{path}{places[0]}"))
    os.utime(plain, ns=(1, 1))
    os.utime(path, ns=(1, 1))
    assert reference_state(str(plain)) != before[0]
    assert reference_state(f"{path}{places[0]}") != before[1]
    assert reference_state(str(tmp_path / "none.jpg")) == reference_state("\0") == ""


def test_objects_in_memory():
    fsspec.filesystem("memory").pipe("/references/1.jpg", b"one")
    assert read_reference("memory://references/1.jpg") == b"one"
    assert "3" in reference_state("memory://references/1.jpg").split()
    with pytest.raises(ImageError, match="no such file"):
        read_reference("memory://references/2.jpg")
    assert reference_state("memory://references/2.jpg") == ""


def test_objects_on_a_server(tmp_path, impatient, monkeypatch):
    (tmp_path / "1.jpg").write_bytes(b"one")
    with file_server(tmp_path) as server:
        url = server.url
        assert read_reference(f"{url}/1.jpg") == b"one"
        before = reference_state(f"{url}/1.jpg")
        (tmp_path / "1.jpg").write_bytes(b"two")
        assert reference_state(f"{url}/1.jpg") != before
        with pytest.raises(ImageError, match="no such file"):
            read_reference(f"{url}/2.jpg")
        assert reference_state(f"{url}/2.jpg") == ""
        monkeypatch.setattr(references, "MAX_BYTES", 2)
        with pytest.raises(ImageError, match="3 bytes; at most 2 are read"):
            read_reference(f"{url}/1.jpg")
    # Nobody answers: that says nothing about the image.
    for request in (read_reference, reference_state):
        with pytest.raises(InputError, match=rf"{url}/1.jpg: cannot be read \(.*\); run again to go on"):
            request(f"{url}/1.jpg")


def test_a_server_that_fails_is_asked_again(tmp_path, impatient):
    (tmp_path / "1.jpg").write_bytes(b"one")
    with file_server(tmp_path) as server:
        server.failures = 2
        assert read_reference(f"{server.url}/1.jpg") == b"one"
        assert server.failures == 0
        server.failures = 2
        assert reference_state(f"{server.url}/1.jpg").startswith("3 ")
