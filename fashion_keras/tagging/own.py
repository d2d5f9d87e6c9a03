"""A catalogue that is tagged by a tagger of its own: learnt from its labelled products, kept beside its tags."""

import logging
import shutil
from pathlib import Path

from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import free_folder, read_json
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.origin import digest, origin_in
from fashion_keras.tagging.training import train_tagger

log = logging.getLogger("fashion_keras")

_OWN, _UNFINISHED = "tagger", ".tagger.part"


def tag_folder(out: str | Path | None) -> Path:
    """Return the folder for a catalogue's tags: empty, missing, or with a tagger that was learnt there before.

    Raises:
        InputError: when it holds anything else.
    """
    if out is not None and any((Path(out) / name).is_dir() for name in (_OWN, _UNFINISHED)):
        return Path(out)
    return free_folder(out, "runs/tags")


def own_tagger(data: str | None, fingerprint: str, taxonomy: str, promise: float, folder: Path) -> Path:
    """Return the folder of a catalogue's own tagger: the one that is there, or one that is learnt now.

    It learns what `train_tagger` learns unless told otherwise. After an interruption it is begun again, which is quick:
    the catalogue's vectors are kept.

    Args:
        data, fingerprint: the catalogue.
        taxonomy, promise: as in `TaggerConfig`.
        folder: of the tags; the tagger lies in its subfolder tagger.

    Raises:
        InputError: as `train_tagger`, and when the tagger that is there was learnt from something else.
    """
    home, unfinished = folder / _OWN, folder / _UNFINISHED
    wanted = digest(load_taxonomy(taxonomy)), promise
    config = TaggerConfig(data=data, taxonomy=taxonomy, promise=promise, out=str(unfinished))
    if not home.is_dir():
        log.info("no --tagger: one is learnt from the labels of the catalogue itself, into %s", home)
        shutil.rmtree(unfinished, ignore_errors=True)
        train_tagger(config)
        unfinished.rename(home)
        return home
    origin = origin_in(home, fingerprint)
    if origin is None or (origin.taxonomy, read_json(home / "config.json")["promise"]) != wanted:
        raise InputError(
            f"{home}: not learnt from this catalogue, taxonomy and promise; give another --out, or take it as it is: "
            f"--tagger {home} --out ANOTHER"
        )
    log.info("%s: learnt from this catalogue before, taken again", home)
    return home
