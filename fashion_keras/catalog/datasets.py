"""Datasets: the Kaggle download, the drawn sample, and the default of `--data`."""

import shutil
import zipfile
import zlib
from pathlib import Path

from fashion_keras.catalog.sample.generate import generate_sample
from fashion_keras.support.atomic_files import cache_dir, temporary_path
from fashion_keras.support.errors import InputError
from fashion_keras.support.kaggle_download import kaggle_download

SMALL = "paramaggarwal/fashion-product-images-small"
LARGE = "paramaggarwal/fashion-product-images-dataset"
SAMPLE = "sample"
_DATA = Path("data")
_SPARE_BYTES = 2**20
_MAX_RATIO = 50  # of bytes to compressed bytes: styles/*.json shrink to a fifth, images hardly
_VERSION = 1  # of both sets on Kaggle: a fixed one is found in the cache without a network


def resolve_dataset(data: str | None) -> tuple[Path, bool]:
    """Return (catalog folder or file, whether it is the drawn sample).

    Args:
        data: a path, or "-" for standard input; "sample" for the drawn sample, which is drawn on first use; None for
            the Kaggle set in data/, or the sample when that is missing.

    Raises:
        InputError: for an empty path.
    """
    if data is None:
        data = next((str(folder) for folder in (_home(SMALL), _home(LARGE)) if folder.is_dir()), SAMPLE)
    if data == SAMPLE:
        return generate_sample(cache_dir() / "sample"), True
    if data == "-" or data.startswith("tfds:"):
        return Path(data), False
    if not data:
        raise InputError("--data is empty: give a folder, a CSV file, or 'sample'")
    return Path(data).resolve(), False


def download(large: bool = False, root: Path = _DATA) -> Path:
    """Download the Kaggle set with kagglehub, which needs no account for it; return its folder.

    The files stay in kagglehub's cache (`~/.cache/kagglehub`, or `$KAGGLEHUB_CACHE`), from where an earlier download is
    taken; the folder is a link to them. An interrupted download is resumed. An archive that was saved by hand as
    `downloads/NAME.zip` in `root` is unpacked instead.

    Args:
        large: full-size images (25 GB) instead of 60x80 images (0.6 GB).
        root: folder that receives the catalog.

    Raises:
        InputError: when the download fails, with what to do by hand.
    """
    dataset = LARGE if large else SMALL
    folder = root / _home(dataset).name
    if folder.is_dir():
        return folder
    if folder.is_symlink():  # into a cache that was cleared
        folder.unlink()
    archive = root / "downloads" / f"{folder.name}.zip"
    if archive.is_file():
        _unpack(archive, folder)
        archive.unlink()
    else:
        _link(_fetch(dataset, archive), folder)
    return folder


def _fetch(dataset: str, archive: Path) -> Path:
    """Return the folder with the table of a set in kagglehub's cache, where it is downloaded unless it is there."""
    by_hand = (
        f"run this command again to resume, or by hand: curl -L --create-dirs -o {archive} "
        f"https://www.kaggle.com/api/v1/datasets/download/{dataset}, and run it again"
    )
    folder = kaggle_download("dataset", f"{dataset}/versions/{_VERSION}", by_hand)
    tables = [*folder.glob("styles.csv"), *folder.glob("*/styles.csv")]
    if not tables:
        raise InputError(f"{folder}: no styles.csv inside; delete the folder and download again")
    return tables[0].parent


def _link(home: Path, folder: Path) -> None:
    """Make `folder` a link to `home`, or a copy where links are not allowed, as on Windows."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.symlink_to(home.absolute(), target_is_directory=True)
    except OSError:
        temporary = temporary_path(folder)
        shutil.copytree(home, temporary)
        temporary.replace(folder)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack styles.csv, images/ and styles/; the archives hold a second copy of everything, which is skipped."""
    temporary = temporary_path(folder)
    try:
        with zipfile.ZipFile(archive) as file:
            tables = [name for name in file.namelist() if Path(name).name == "styles.csv"]
            if not tables:
                raise InputError(f"{archive}: no styles.csv inside; delete it and download again")
            home = min(tables, key=len).removesuffix("styles.csv")
            wanted = (home + "styles.csv", home + "images/", home + "styles/")
            _extract(file, [member for member in file.infolist() if member.filename.startswith(wanted)], temporary)
        (temporary / home).replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive}: not a complete archive ({error}); delete it and download again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Extract members below a folder; BadZipFile for a name that leads out of it, or far more bytes than they take."""
    sizes = [sum(getattr(member, name) for member in members) for name in ("file_size", "compress_size")]
    if sizes[0] > _MAX_RATIO * sizes[1] + _SPARE_BYTES:
        raise zipfile.BadZipFile("its files are declared to be much larger than it is")
    for member in members:
        path = folder / member.filename
        if ".." in path.parts or not path.is_relative_to(folder):
            raise zipfile.BadZipFile(f"the name {member.filename[:80]!r} leads out of it")
        if member.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)


def _home(dataset: str) -> Path:
    return _DATA / dataset.partition("/")[2]
