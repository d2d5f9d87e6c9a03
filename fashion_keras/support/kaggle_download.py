"""Downloads from Kaggle with kagglehub, which keeps what it has in a cache of its own."""

import logging
import zipfile
import zlib
from pathlib import Path

from fashion_keras.support.errors import InputError


def kaggle_download(kind: str, handle: str, advice: str) -> Path:
    """Return the folder of a dataset or model in kagglehub's cache, where it is downloaded unless it is there.

    Args:
        kind: dataset or model.
        handle: as kagglehub takes it, with a version: a fixed one is found in the cache without a network.
        advice: what to do, for the error.

    Raises:
        InputError: when the download fails, with the reason and the advice.
    """
    import kagglehub  # noqa: PLC0415 - half a second, for a download alone
    from kagglehub.exceptions import BackendError, DataCorruptionError  # noqa: PLC0415

    logging.getLogger("kagglehub").setLevel(logging.WARNING)  # it logs to standard output
    download = kagglehub.dataset_download if kind == "dataset" else kagglehub.model_download
    try:
        return Path(download(handle))
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, BackendError, DataCorruptionError) as error:
        name, reason = handle.partition("/versions/")[0], " ".join(str(error).split())[:120]
        raise InputError(f"kagglehub could not download {name} ({reason}); {advice}") from None
