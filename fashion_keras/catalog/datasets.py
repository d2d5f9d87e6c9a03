"""Where catalogues come from: what stands in data/, the Kaggle download, the drawn sample."""

import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from fashion_keras.catalog.sample.generate import generate_sample
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

SMALL = "paramaggarwal/fashion-product-images-small"
LARGE = "paramaggarwal/fashion-product-images-dataset"
SAMPLE = "sample"
_DATA = Path("data")


def resolve_dataset(data: str | None) -> tuple[Path, bool]:
    """Return (catalogue folder or file, whether it is the drawn sample).

    Args:
        data: a path; "sample" for the drawn sample, which is made when it is not there yet; None for the Kaggle set in
            data/, and the sample when that is not there either.
    """
    if data is None:
        data = next((str(folder) for folder in (_home(SMALL), _home(LARGE)) if folder.is_dir()), SAMPLE)
    if data == SAMPLE:
        return generate_sample(cache_dir() / "sample"), True
    if not data:
        raise InputError("--data is empty: give a folder, a CSV file, or 'sample'")
    return Path(data).resolve(), False


def download(large: bool = False, root: Path = _DATA) -> Path:
    """Download and unpack the Kaggle set, with the `kaggle` program; return its folder.

    A download that was cut off is taken up or begun again by the program; the folder appears when it is whole.

    Args:
        large: the full-size pictures (25 GB) in place of 60x80 ones (0.6 GB).
        root: folder that receives the archive and the catalogue.

    Raises:
        InputError: when it cannot be had, with what to do by hand.
    """
    dataset = LARGE if large else SMALL
    folder = root / _home(dataset).name
    if folder.is_dir():
        return folder
    archive = root / "downloads" / f"{folder.name}.zip"
    # A part of an archive is none yet: the program goes on with it.
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
        words = process.stderr.read().strip().splitlines()[-1:] or ["it wrote no archive"]
    if process.returncode or not zipfile.is_zipfile(archive):
        raise InputError(
            f"kaggle could not download {dataset} ({words[0][:200]}); by hand: get the archive from "
            f"https://www.kaggle.com/datasets/{dataset}, save it as {archive}, and run this command again"
        )


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what lies beside styles.csv; the archives hold a second copy of everything, which is left out."""
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            tables = [name for name in packed.namelist() if Path(name).name == "styles.csv"]
            if not tables:
                raise InputError(f"{archive}: no styles.csv inside; delete it and download again")
            home = min(tables, key=len).removesuffix("styles.csv")
            wanted = (home + "styles.csv", home + "images/")
            packed.extractall(temporary, [name for name in packed.namelist() if name.startswith(wanted)])
    except (zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{archive}: not a whole archive ({error}); delete it and download again") from None
    (temporary / home).replace(folder)
    shutil.rmtree(temporary, ignore_errors=True)


def _home(dataset: str) -> Path:
    return _DATA / dataset.partition("/")[2]
