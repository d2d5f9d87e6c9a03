"""Linear probe of backbones: simple classifiers on cached features of the frozen network."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import ProbeConfig
from fashion_keras.analysis.evaluation_subset import encoder_training_products
from fashion_keras.catalog.product_hashes import is_training_product
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.features.cache import Features, encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.features.hub import HUB
from fashion_keras.features.registry import encoder_network, resolve_encoder
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.builder import submodel_until
from fashion_keras.models.pretrained_weights import initialize
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, prepare
from fashion_keras.training.targets import model_spec

NEIGHBORS = 10


@takes_verbose
def probe(config: ProbeConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Compare backbones by the validation accuracy of simple classifiers on their pooled features.

    linear: ridge regression on standardized features in closed form, its penalty chosen by leave-one-out on the
    training part; knn: a vote of the ten training images of highest cosine. The test part is not used.

    Returns:
        task, data, classes, counts, excluded (validation rows that a backbone was trained on), warnings, and backbones,
        the most accurate first: backbone, image, weights, width, linear, knn, linear_ci95, trained_products (validation
        rows that it was trained on), seconds, encoded, images_per_second.

    Raises:
        InputError: as `train`; for several heads; when no validation row is left.
    """
    config = as_config(ProbeConfig, config)
    training_products = [encoder_training_products(name, config.weights) for name in config.backbones]
    prepared = prepare(config.train_configs[0])
    validation = prepared.rows["validation"]
    trained = [is_training_product(prepared.catalog.take(validation), products) for products in training_products]
    scored = ~np.any(trained, axis=0) if config.exclude_trained else np.ones(len(validation), bool)
    if not scored.any():
        raise InputError("no validation product left: the backbones were trained on all of them")
    rows = [
        {**_probe(*backbone, prepared, validation[scored]), "trained_products": int(mask[scored].sum())}
        for *backbone, mask in zip(config.backbones, config.train_configs, trained, strict=True)
    ]
    return {
        "task": config.task,
        "data": prepared.data,
        "classes": len(prepared.targets.groups[0].classes),
        "counts": {**prepared.counts, "validation": int(scored.sum())},
        "excluded": int((~scored).sum()),
        "backbones": sorted(rows, key=lambda row: -row["linear"]),
        "warnings": list(prepared.warnings),
    }


def _probe(name: str, config: TrainConfig, prepared: PreparedData, validation: NDArray[np.int64]) -> dict[str, Any]:
    began = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    network, image_spec, weights = _network(name, config, prepared)
    encoder = compile_encoder(submodel_until(network, "pool"), image_spec, config.runtime, config.precision)
    encoding = time.perf_counter()
    parts = prepared.rows["train"], validation
    train, held_out = (encode(prepared.catalog.take(rows), encoder) for rows in parts)
    encoding = time.perf_counter() - encoding
    codes = [prepared.targets.strata[rows] for rows in parts]
    correct = {name: labels == codes[1] for name, labels in _predicted_codes(train, codes[0], held_out).items()}
    encoded = train.encoded + held_out.encoded
    return {
        "backbone": name,
        "image": f"{image_spec.height}x{image_spec.width}",
        "weights": weights,
        "width": train.values.shape[1],
        **{name: float(values.mean()) for name, values in correct.items()},
        "linear_ci95": list(accuracy_interval(correct["linear"], prepared.catalog.product_groups[validation])),
        "seconds": round(time.perf_counter() - began, 1),
        "encoded": encoded,
        "images_per_second": round(encoded / encoding, 1) if encoded else None,
    }


def _network(name: str, config: TrainConfig, prepared: PreparedData) -> tuple[keras.Model, ImageSpec, str]:
    """Return a network with the layer "pool", its input, and where its weights are from."""
    if name.startswith(HUB):
        source = resolve_encoder(name, image_size=config.image_size)
        return encoder_network(source), replace(source.spec.image_spec, fit=config.fit), "preset"
    network, origin = initialize(model_spec(config, prepared.targets.groups), config.weights)
    return network, config.image_spec, origin.source


def _predicted_codes(train: Features, codes: Sequence[int], held_out: Features) -> dict[str, NDArray[np.int64]]:
    # Imported here: scikit-learn takes a second, for which help and errors must not wait.
    from sklearn.linear_model import RidgeClassifierCV  # noqa: PLC0415
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    train_values, held_out_values = np.asarray(train.values), np.asarray(held_out.values)
    classifiers = {
        "linear": make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(0, 5, 11))),
        "knn": KNeighborsClassifier(min(NEIGHBORS, len(train_values)), metric="cosine", weights="distance"),
    }
    return {name: model.fit(train_values, codes).predict(held_out_values) for name, model in classifiers.items()}
