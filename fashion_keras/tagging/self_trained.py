"""Self-trained taggers: trained on a catalog's own labels, and kept beside its tags."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.support.atomic_files import check_output_dir
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.model.manifest import TaggerManifest
from fashion_keras.tagging.model.provenance import read_provenance, taxonomy_digest
from fashion_keras.tagging.train_tagger import train_tagger

log = logging.getLogger("fashion_keras")

_TAGGER, _UNFINISHED = "tagger", ".tagger.part"


def check_tag_dir(out: str | Path | None) -> Path:
    """Return the folder for a catalog's tags: empty, missing, or with a tagger that was trained there before.

    Raises:
        InputError: when it holds anything else.
    """
    if out is not None and any((Path(out) / name).is_dir() for name in (_TAGGER, _UNFINISHED)):
        return Path(out)
    return check_output_dir(out, "runs/tags")


def self_trained_tagger(config: TaggerConfig, fingerprint: str, folder: Path) -> Path:
    """Return the folder of a catalog's own tagger: the one that is there, or one that is trained now.

    After an interruption training starts again, which is quick: the catalog's features are cached.

    Args:
        config: of the tagger; its `out` is not used.
        fingerprint: of the catalog.
        folder: of the tags; the tagger lies in its subfolder tagger.

    Raises:
        InputError: as `train_tagger`, and when the tagger that is there was trained on something else.
    """
    home, unfinished = folder / _TAGGER, folder / _UNFINISHED
    digest = taxonomy_digest(load_taxonomy(config.taxonomy))
    if not home.is_dir():
        log.info("no --tagger: one is trained on the labels of the catalog itself, into %s", home)
        shutil.rmtree(unfinished, ignore_errors=True)
        train_tagger(replace(config, out=str(unfinished)))
        unfinished.rename(home)
        return home
    provenance = read_provenance(home, fingerprint)
    target_precision = TaggerManifest.read(home).target_precision
    if provenance is None or (provenance.taxonomy, target_precision) != (digest, config.target_precision):
        raise InputError(
            f"{home}: not trained on this catalog, taxonomy and target precision; give another --out, or use it as "
            f"it is: --tagger {home} --out ANOTHER"
        )
    log.info("%s: trained on this catalog before, used again", home)
    return home
