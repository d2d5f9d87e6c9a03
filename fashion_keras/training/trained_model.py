"""Result of the training of an encoder or a tagger, and the folder of a training run that is refused."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class TrainedModel:
    """Trained encoder or tagger: its folder, from which it is loaded, and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]


@contextmanager
def discard_untrained(folder: Path) -> Iterator[None]:
    """Remove the folder of a run that is refused before anything was trained, so that it can be used again."""
    try:
        yield
    except InputError:
        if not any(folder.rglob("history.csv")):
            shutil.rmtree(folder)
        raise
