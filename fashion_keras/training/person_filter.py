"""A person detector, which is a finished run of `--task person`, at work in another run. No Keras here."""

import logging

import numpy as np

from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.worn_rules import PERSON
from fashion_keras.features.runtime import load_classifier
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig

log = logging.getLogger("fashion_keras")

_SEEN = 0.5


def person_input_spec(config: TrainConfig) -> ClassifierSpec | None:
    """Return the detector that `--person-input` names, if any.

    Raises:
        InputError: when it is no detector, or sees pictures in another way than the run's network.
    """
    if config.person_input is None:
        return None
    detector = _detector_spec(config.person_input)
    if detector.image_spec != config.image_spec:
        theirs, ours = (
            f"{image.height}x{image.width} {image.fit}" for image in (detector.image_spec, config.image_spec)
        )
        raise InputError(
            f"{config.person_input}: a detector of pictures of {theirs}, in a network of {ours}: train one with "
            f"--image-size {config.image_spec.height}x{config.image_spec.width} --fit {config.image_spec.fit}"
        )
    return detector


def filter_persons(catalog: Catalog, run: str) -> Catalog:
    """Set the products aside whose picture, the detector in `run` says, rather shows a person than not.

    Raises:
        InputError: when `run` is no detector, or no product is left.
    """
    number = _detector_spec(run).classes.index(PERSON)
    shares = load_classifier(run).predict(catalog.paths).probabilities[:, number]
    seen = shares >= _SEEN
    log.info("%s sees a person in %d of %d pictures", run, seen.sum(), len(catalog))
    if seen.all():
        raise InputError(f"--person-filter {run}: it sees a person in all {len(catalog)} pictures; leave it out")
    return catalog.reject(np.where(seen, "the person filter sees a person", "").tolist())


def _detector_spec(run: str) -> ClassifierSpec:
    spec, _ = load_classifier_spec(run)
    if spec.task != "person":
        raise InputError(f"{run}: a run of --task {spec.task}; a person detector is a run of --task person")
    return spec
