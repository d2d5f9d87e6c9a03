"""Datasets: what --data means, kagglehub's cache and archives saved by hand, whole and damaged."""

import shutil
import zipfile

import pytest

from fashion_keras.catalog.datasets import LARGE, SMALL, download, resolve_dataset
from fashion_keras.support.errors import InputError

NAME = SMALL.partition("/")[2]


@pytest.fixture
def kagglehub_cache(tmp_path, monkeypatch):
    """kagglehub's cache with both sets, as kagglehub unpacks them: the large one has a folder more, and styles/."""
    cache = tmp_path / "kagglehub"
    for dataset, home in ((SMALL, "."), (LARGE, "fashion-dataset")):
        for name in ("styles.csv", "images/1.jpg", "styles/1.json", "copy/deep/styles.csv"):
            path = cache / "datasets" / dataset / "versions" / "1" / home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of {dataset}")
        (cache / "datasets" / dataset / "1.complete").touch()
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(cache))
    return cache


@pytest.fixture
def archive(tmp_path):
    """A complete archive of a product, as Kaggle serves it, saved by hand."""
    path = tmp_path / "downloads" / f"{NAME}.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("styles.csv", "id,articleType\n" + "1,Tops\n" * 500)
        file.writestr("images/1.jpg", "x" * 500)
        file.writestr("styles/1.json", "{}")
        file.writestr("myntradataset/styles.csv", "id")
        file.writestr("other/../../evil.txt", "x")
    return path


def test_resolve_dataset_takes_paths_and_the_sample(tmp_path, sample):
    assert resolve_dataset(str(tmp_path)) == (tmp_path.resolve(), False)
    assert resolve_dataset("sample") == (sample, True)
    with pytest.raises(InputError, match="--data is empty"):
        resolve_dataset("")


def test_download_unpacks_one_copy_of_the_set(tmp_path, archive):
    folder = download(root=tmp_path)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert names == ["images", "images/1.jpg", "styles", "styles.csv", "styles/1.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", NAME]
    assert not archive.exists()


@pytest.mark.parametrize(("large", "dataset"), [(False, SMALL), (True, LARGE)])
def test_download_links_to_the_cache_of_kagglehub(tmp_path, kagglehub_cache, large, dataset):
    """Without a network: what kagglehub has is not asked for again."""
    folder = download(large, tmp_path / "data")
    assert folder == tmp_path / "data" / dataset.partition("/")[2]
    assert (folder / "styles.csv").read_text() == f"styles.csv of {dataset}"
    assert (folder / "images" / "1.jpg").read_text() == f"images/1.jpg of {dataset}"
    assert download(large, tmp_path / "data") == folder


def test_download_says_what_to_do_without_a_network(tmp_path, kagglehub_cache):
    """An interrupted download has no mark of completeness; a link into a cache that was cleared leads nowhere."""
    folder = download(root=tmp_path)
    shutil.rmtree(kagglehub_cache / "datasets" / SMALL / "versions")
    with pytest.raises(InputError) as error:
        download(root=tmp_path)
    assert "\n" not in str(error.value)
    command = (
        f"curl -L --create-dirs -o {tmp_path}/downloads/{NAME}.zip https://www.kaggle.com/api/v1/datasets/download"
    )
    assert command in str(error.value)
    assert not folder.is_symlink()


def test_download_refuses_a_set_without_a_table(tmp_path, kagglehub_cache):
    (kagglehub_cache / "datasets" / SMALL / "versions" / "1" / "styles.csv").unlink()
    with pytest.raises(InputError, match=r"versions/1: no styles\.csv inside; delete the folder"):
        download(root=tmp_path)


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
