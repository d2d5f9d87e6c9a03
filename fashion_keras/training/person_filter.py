"""Person detector (a finished run of `--task person`) in another run: as a filter or as a feature. No Keras here."""

import logging

import numpy as np

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.worn_rules import PERSON
from fashion_keras.features.runtime import load_classifier
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig

log = logging.getLogger("fashion_keras")

_THRESHOLD = 0.5


def person_input_spec(config: TrainConfig) -> ClassifierSpec | None:
    """Return the spec of the detector that `--person-input` names, if any.

    Raises:
        InputError: when it is no detector, or takes images of another size or fit than the run's network.
    """
    if config.person_input is None:
        return None
    detector = _detector_spec(config.person_input)
    theirs, ours = detector.image_spec, config.image_spec
    if theirs != ours:
        raise InputError(
            f"{config.person_input}: a detector of images of {theirs.height}x{theirs.width} {theirs.fit}, in a network "
            f"of {ours.height}x{ours.width} {ours.fit}: train one with --image-size {ours.height}x{ours.width} --fit "
            f"{ours.fit}"
        )
    return detector


def filter_persons(catalog: Catalog, run: str) -> Catalog:
    """Reject the products whose image the detector in `run` classifies as showing a person.

    Raises:
        InputError: when `run` is no detector, or no product is left.
    """
    code = _detector_spec(run).classes.index(PERSON)
    is_person = load_classifier(run).predict(catalog.paths).probabilities[:, code] >= _THRESHOLD
    log.info("%s predicts a person in %d of %d images", run, is_person.sum(), len(catalog))
    if is_person.all():
        raise InputError(f"--person-filter {run}: it predicts a person in all {len(catalog)} images; leave it out")
    return catalog.reject(np.where(is_person, "the person filter predicts a person", "").tolist())


def _detector_spec(run: str) -> ClassifierSpec:
    spec, _ = load_classifier_spec(run)
    if spec.task != "person":
        raise InputError(f"{run}: a run of --task {spec.task}; a person detector is a run of --task person")
    return spec
