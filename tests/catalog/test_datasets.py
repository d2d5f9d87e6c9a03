"""Datasets: what --data means, and archives that are damaged."""

import zipfile

import pytest

from fashion_keras.catalog.datasets import SMALL, download, resolve_dataset
from fashion_keras.support.errors import InputError

NAME = SMALL.partition("/")[2]


@pytest.fixture
def archive(tmp_path):
    """A complete archive of a product, as the Kaggle program saves it."""
    path = tmp_path / "downloads" / f"{NAME}.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("styles.csv", "id,articleType\n" + "1,Tops\n" * 500)
        file.writestr("images/1.jpg", "x" * 500)
        file.writestr("other/../../evil.txt", "x")
    return path


def test_resolve_dataset_takes_paths_and_the_sample(tmp_path, sample):
    assert resolve_dataset(str(tmp_path)) == (tmp_path.resolve(), False)
    assert resolve_dataset("sample") == (sample, True)
    with pytest.raises(InputError, match="--data is empty"):
        resolve_dataset("")


def test_download_unpacks_table_and_images_only(tmp_path, archive):
    folder = download(root=tmp_path)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert names == ["images", "images/1.jpg", "styles.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", NAME]
    assert not archive.exists()


def test_download_refuses_a_damaged_archive(tmp_path, archive):
    """Damaged in the middle: a zip file still, by its end."""
    content = bytearray(archive.read_bytes())
    content[45:60] = b"\xff" * 15
    archive.write_bytes(content)
    with pytest.raises(InputError, match=rf"{NAME}.zip: not a complete archive .*; delete it and download again"):
        download(root=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["downloads"]


def test_download_refuses_an_archive_without_a_table(tmp_path, archive):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "x")
    with pytest.raises(InputError, match=r"no styles\.csv inside"):
        download(root=tmp_path)
