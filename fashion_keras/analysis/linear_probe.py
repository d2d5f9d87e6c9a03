"""Judge backbones in seconds, without training: by a linear probe and by neighbours, on cached vectors."""

import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.features.cache import encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.models.builder import submodel_until
from fashion_keras.models.pretrained_weights import initialise
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, prepare
from fashion_keras.training.targets import check_one_task, model_spec

NEIGHBOURS = 10


def probe(configs: Sequence[TrainConfig]) -> dict[str, Any]:
    """Judge backbones by what simple classifiers make of their pooled features.

    linear: ridge regression on standardised features in closed form, its penalty chosen by leave-one-out on the
    training part; knn: a vote of the ten training images of highest cosine. Both are judged on the validation part:
    the test part is for the run that follows.

    Args:
        configs: one for each backbone; the task, a single-label one, catalogue and split are those of the first.

    Raises:
        InputError: as `train`, and for several heads.
    """
    check_one_task(configs[0])
    prepared = prepare(configs[0])
    rows = [_judge(config, prepared) for config in configs]
    return {
        "task": configs[0].task,
        "data": prepared.data,
        "classes": len(prepared.goal.groups[0].classes),
        "counts": prepared.counts,
        "backbones": sorted(rows, key=lambda row: -row["linear"]),
        "warnings": list(prepared.warnings),
    }


def _judge(config: TrainConfig, prepared: PreparedData) -> dict[str, Any]:
    began = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    network, origin = initialise(model_spec(config, prepared.goal.groups), config.weights)
    encoder = compile_encoder(submodel_until(network, "pool"), config.image_spec, config.runtime, config.precision)
    encoding = time.perf_counter()
    parts = [prepared.catalog.take(rows) for rows in (prepared.split.train, prepared.split.validation)]
    train, held_out = (encode(part, encoder) for part in parts)
    encoding = time.perf_counter() - encoding
    codes = [prepared.goal.strata[rows] for rows in (prepared.split.train, prepared.split.validation)]
    said = _answers(np.asarray(train.values), codes[0], np.asarray(held_out.values))
    encoded = train.encoded + held_out.encoded
    return {
        "backbone": config.backbone,
        "image": f"{config.image_spec.height}x{config.image_spec.width}",
        "weights": origin.source,
        "width": train.values.shape[1],
        **{name: float((answers == codes[1]).mean()) for name, answers in said.items()},
        "linear_ci95": list(accuracy_interval(said["linear"] == codes[1])),
        "seconds": round(time.perf_counter() - began, 1),
        "encoded": encoded,
        "images_per_second": round(encoded / encoding, 1) if encoded else None,
    }


def _answers(
    train: NDArray[np.float32], codes: NDArray[np.int64], held_out: NDArray[np.float32]
) -> dict[str, NDArray[np.int64]]:
    # Imported here: scikit-learn takes a second, for which help and errors must not wait.
    from sklearn.linear_model import RidgeClassifierCV  # noqa: PLC0415
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    judges = {
        "linear": make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(0, 5, 11))),
        "knn": KNeighborsClassifier(min(NEIGHBOURS, len(train)), metric="cosine", weights="distance"),
    }
    return {name: judge.fit(train, codes).predict(held_out) for name, judge in judges.items()}
