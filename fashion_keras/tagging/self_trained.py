"""A catalogue that is tagged by a tagger of its own: learnt from its labelled products, kept beside its tags."""

import logging
import shutil
from pathlib import Path

from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.support.atomic_files import check_output_dir, read_json
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.model.provenance import read_provenance, taxonomy_digest
from fashion_keras.tagging.train_tagger import train_tagger

log = logging.getLogger("fashion_keras")

_OWN, _UNFINISHED = "tagger", ".tagger.part"


def check_tag_dir(out: str | Path | None) -> Path:
    """Return the folder for a catalogue's tags: empty, missing, or with a tagger that was learnt there before.

    Raises:
        InputError: when it holds anything else.
    """
    if out is not None and any((Path(out) / name).is_dir() for name in (_OWN, _UNFINISHED)):
        return Path(out)
    return check_output_dir(out, "runs/tags")


def self_trained_tagger(data: str | None, fingerprint: str, taxonomy: str, promise: float, folder: Path) -> Path:
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
    wanted = taxonomy_digest(load_taxonomy(taxonomy)), promise
    config = TaggerConfig(data=data, taxonomy=taxonomy, promise=promise, out=str(unfinished))
    if not home.is_dir():
        log.info("no --tagger: one is learnt from the labels of the catalogue itself, into %s", home)
        shutil.rmtree(unfinished, ignore_errors=True)
        train_tagger(config)
        unfinished.rename(home)
        return home
    origin = read_provenance(home, fingerprint)
    if origin is None or (origin.taxonomy, read_json(home / "config.json")["promise"]) != wanted:
        raise InputError(
            f"{home}: not learnt from this catalogue, taxonomy and promise; give another --out, or take it as it is: "
            f"--tagger {home} --out ANOTHER"
        )
    log.info("%s: learnt from this catalogue before, taken again", home)
    return home
