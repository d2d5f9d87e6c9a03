"""Thumbnails of images in files, in archives and at addresses."""

import io
import tarfile

import pytest
from PIL import Image

from fashion_keras.images.raster import ImageError
from fashion_keras.web.service.thumbnails import Thumbnails
from tests.helpers.file_server import file_server


@pytest.fixture
def archive(tmp_path):
    """A tar file with a red image of 300 x 400 pixels and with text, and where their bytes are."""
    photo = io.BytesIO()
    Image.new("RGB", (300, 400), (200, 30, 30)).save(photo, "JPEG")
    members = {"red.jpg": photo.getvalue(), "note.jpg": b"no image"}
    with tarfile.open(tmp_path / "photos.tar", "w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    data = (tmp_path / "photos.tar").read_bytes()
    return tmp_path / "photos.tar", [f"#{data.index(part)}+{len(part)}" for part in members.values()]


def test_images_in_archives_and_at_addresses_have_thumbnails(archive):
    path, (red, _) = archive
    with file_server(path.parent) as server:
        for place in (f"{path}{red}", f"{server.url}/photos.tar{red}"):
            with Image.open(io.BytesIO(Thumbnails().get(place, 96).data)) as image:
                assert image.size == (72, 96)
                assert image.getpixel((36, 48))[0] > 180


def test_the_tag_changes_with_the_archive(archive):
    path, (red, _) = archive
    thumbnails = Thumbnails()
    first = thumbnails.get(f"{path}{red}", 96)
    assert thumbnails.get(f"{path}{red}", 96) is first
    path.write_bytes(path.read_bytes() + b"\0" * 512)
    assert thumbnails.get(f"{path}{red}", 96).etag != first.etag


def test_what_is_gone_or_damaged_is_named(archive):
    path, (red, note) = archive
    with pytest.raises(ImageError, match=r"photos\.tar#\d+\+8: not an image"):
        Thumbnails().get(f"{path}{note}", 96)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"photos\.tar"):
        Thumbnails().get(f"{path}{red}", 96)
