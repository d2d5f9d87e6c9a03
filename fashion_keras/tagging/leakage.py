"""Has the encoder seen the products that are to judge it?"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.support.atomic_files import read_json
from fashion_keras.training.classifier.artifacts import RunManifest


def leakage_warning(encoder: str, hold_out: float, seed: int, judges: NDArray[np.int64]) -> str:
    """Return a warning when an encoder has learnt from products that validate and test, else "".

    What a named encoder has learnt from is not known here; fashion_small did not see what `hold_out` keeps back with
    0.265 and seed 0, of the catalogue it was trained on.

    Args:
        encoder: a name, or the folder of an encoder or a run, which say what they learnt from.
        hold_out, seed: which products validate and test.
        judges [m] int64: their ids.
    """
    origin, config = Path(encoder) / "origin.json", Path(encoder) / "config.json"
    if origin.is_file():
        known = int(np.isin(judges, RunManifest.read(encoder).parts["train"]).sum())
        if known:
            return (
                f"{encoder} was trained on {known} of the {len(judges)} products that judge it: all scores flatter it"
            )
    elif config.is_file():
        values = read_json(config)
        own = values.get("hold_out", hold_out), values.get("seed", seed)
        if own != (hold_out, seed):
            return (
                f"{encoder} was trained with --hold-out {own[0]} --seed {own[1]}: with others, products judge it that "
                f"it has learnt from, and all scores flatter it"
            )
    return ""
