"""Datasets: the Kaggle download, the drawn sample, and the default of `--data`."""

import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

from fashion_keras.catalog.sample.generate import generate_sample
from fashion_keras.support.atomic_files import cache_dir, temporary_path
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

SMALL = "paramaggarwal/fashion-product-images-small"
LARGE = "paramaggarwal/fashion-product-images-dataset"
SAMPLE = "sample"
_DATA = Path("data")


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
    if data == "-":
        return Path(data), False
    if not data:
        raise InputError("--data is empty: give a folder, a CSV file, or 'sample'")
    return Path(data).resolve(), False


def download(large: bool = False, root: Path = _DATA) -> Path:
    """Download and unpack the Kaggle set with the `kaggle` program; return its folder.

    The program resumes an interrupted download; the folder appears when it is complete.

    Args:
        large: full-size images (25 GB) instead of 60x80 images (0.6 GB).
        root: folder that receives the archive and the catalog.

    Raises:
        InputError: when the download fails, with what to do by hand.
    """
    dataset = LARGE if large else SMALL
    folder = root / _home(dataset).name
    if folder.is_dir():
        return folder
    archive = root / "downloads" / f"{folder.name}.zip"
    # A partial archive is not a zip file; the program resumes it.
    if not zipfile.is_zipfile(archive):
        _fetch(dataset, archive)
    _unpack(archive, folder)
    archive.unlink()
    return folder


def _fetch(dataset: str, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "kaggle", "datasets", "download", "-q", dataset, "-p", str(archive.parent)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **streams) as process, ProgressBar(dataset, None, "MB") as bar:
        while process.poll() is None:
            time.sleep(0.2)
            bar.set_completed(archive.stat().st_size // 2**20 if archive.is_file() else 0)
        messages = process.stderr.read().strip().splitlines()[-1:] or ["it wrote no archive"]
    if process.returncode or not zipfile.is_zipfile(archive):
        raise InputError(
            f"kaggle could not download {dataset} ({messages[0][:200]}); by hand: get the archive from "
            f"https://www.kaggle.com/datasets/{dataset}, save it as {archive}, and run this command again"
        )


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the files beside styles.csv; the archives hold a second copy of everything, which is skipped."""
    temporary = temporary_path(folder)
    try:
        with zipfile.ZipFile(archive) as file:
            tables = [name for name in file.namelist() if Path(name).name == "styles.csv"]
            if not tables:
                raise InputError(f"{archive}: no styles.csv inside; delete it and download again")
            home = min(tables, key=len).removesuffix("styles.csv")
            wanted = (home + "styles.csv", home + "images/")
            file.extractall(temporary, [name for name in file.namelist() if name.startswith(wanted)])
        (temporary / home).replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive}: not a complete archive ({error}); delete it and download again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _home(dataset: str) -> Path:
    return _DATA / dataset.partition("/")[2]
