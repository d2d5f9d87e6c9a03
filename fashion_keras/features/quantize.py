"""int8 networks: post-training quantization of a stored OpenVINO network by NNCF, kept where it stays as accurate."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.features.networks import OpenVINONetwork
from fashion_keras.features.runtime import NETWORK, replace_stored
from fashion_keras.images.pipeline import for_inference
from fashion_keras.models.classifier import Classifier
from fashion_keras.models.serialization import load_classifier_spec

log = logging.getLogger("fashion_keras")

# Images on which the ranges of activations are measured.
CALIBRATION_IMAGES = 300
# Parity with float32 on the validation images: loss of accuracy, and mean cosine of the logits.
MAX_ACCURACY_LOSS, MIN_COSINE = 0.005, 0.98
_VERDICTS = {True: "predictions run in int8", False: "too far apart, predictions run in float32"}


@dataclass(frozen=True)
class Int8Parity:
    """An int8 network beside its float32 one on the validation images; `used`: whether it replaced it."""

    accuracy: float
    float32_accuracy: float
    mean_cosine: float
    used: bool


def quantize_stored(
    folder: Path, training: Sequence[Path], validation: Sequence[Path], accuracy: Callable[[NDArray[np.float32]], float]
) -> tuple[NDArray[np.float32], Int8Parity]:
    """Quantize the network that is stored in a run folder; it is replaced where the int8 network passes the check.

    Args:
        folder: with model.json and the network of `store_network`.
        training: images that measure the ranges of activations; a few hundred are used.
        validation: images on which both networks are compared.
        accuracy: logits [n, K] of the validation images -> accuracy.

    Returns the logits [n, K] of the validation images by the network that is stored then, and the comparison.
    """
    spec, _ = load_classifier_spec(folder)
    reference = Classifier(spec, OpenVINONetwork(folder / NETWORK)).logits(validation)
    step = -(-len(training) // CALIBRATION_IMAGES)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".int8-") as temporary:
        xml = Path(temporary) / NETWORK
        _quantize(folder / NETWORK, np.concatenate(list(for_inference(training[::step], spec.image_spec))), xml)
        logits = Classifier(spec, OpenVINONetwork(xml)).logits(validation)
        cosines = (logits * reference).sum(axis=1) / np.linalg.norm(logits, axis=1) / np.linalg.norm(reference, axis=1)
        scores = accuracy(logits), accuracy(reference), float(cosines.mean())
        used = scores[0] >= scores[1] - MAX_ACCURACY_LOSS and scores[2] >= MIN_COSINE
        text = "int8 on %d validation images: accuracy %.3f, float32 %.3f; mean cosine of their logits %.4f: %s"
        log.log(logging.INFO if used else logging.WARNING, text, len(validation), *scores, _VERDICTS[used])
        if used:
            replace_stored(folder, xml)
    return logits if used else reference, Int8Parity(*scores, used)


def _quantize(source: Path, images: NDArray[np.float32], target: Path) -> None:
    """Write the int8 network of `source`, with ranges of activations measured on images [n, h, w, 3]."""
    logging.getLogger("nncf").setLevel(logging.ERROR)
    import nncf  # noqa: PLC0415 - an extra
    import openvino  # noqa: PLC0415 - an extra

    data = nncf.Dataset(range(len(images)), lambda row: images[row : row + 1])
    quantized = nncf.quantize(
        openvino.Core().read_model(source), data, preset=nncf.QuantizationPreset.MIXED, subset_size=len(images)
    )
    openvino.save_model(quantized, target, compress_to_fp16=False)
