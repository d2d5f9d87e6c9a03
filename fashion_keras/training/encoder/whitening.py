"""PCA whitening: make an encoder's features uncorrelated, of variance 1, and fewer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.product_hashes import product_hashes, write_training_products
from fashion_keras.features.cache import encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.features.registry import encoder_network, resolve_encoder
from fashion_keras.features.runtime import store_network
from fashion_keras.images.validation import load_catalog
from fashion_keras.models.builder import backbone_of, build_network, save_network, submodel_until
from fashion_keras.models.serialization import EncoderSpec
from fashion_keras.support.atomic_files import check_output_dir, make_output_dir
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.encoder.config import WhiteningConfig
from fashion_keras.training.manifests import initial_training_products

DEFAULT_OUT = "runs/whitened"


@takes_verbose
def whiten_encoder(config: WhiteningConfig | Mapping[str, Any]) -> Path:
    """Fit a whitening to a catalog, append it to an encoder's pooling, and return the folder of the new encoder.

    InputError for an encoder that has a projection already, or a width above the rank of its features.
    """
    config = as_config(WhiteningConfig, config)
    source = resolve_encoder(config.encoder, config.weights)
    if not isinstance(source.spec, EncoderSpec) or source.spec.width:
        raise InputError(
            f"{config.encoder}: only pooled features, such as resnet50:max, are whitened; this has layers on top"
        )
    check_output_dir(config.out, DEFAULT_OUT)
    network = encoder_network(source)
    catalog = load_catalog(config.data)
    features = encode(catalog, compile_encoder(submodel_until(network, "pool"), source.spec.image_spec)).values
    kernel, bias = whitening(np.asarray(features), config.width)
    spec = replace(source.spec, width=config.width)
    whitened = build_network(spec)
    backbone_of(whitened).set_weights(backbone_of(network).get_weights())
    whitened.get_layer("pool").set_weights(network.get_layer("pool").get_weights())
    whitened.get_layer("projection").set_weights([kernel, bias])
    folder = make_output_dir(config.out, DEFAULT_OUT)
    save_network(spec, whitened, folder)
    store_network(whitened, folder)
    initial = initial_training_products(source.spec.backbone, str(source.folder or config.weights))
    write_training_products(folder, {*product_hashes(catalog), *initial})
    return folder


def whitening(features: NDArray[np.float32], width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the kernel [d, width] and bias [width] float32 that whiten features [n, d]: x @ kernel + bias.

    The first `width` principal components, each scaled to variance 1 (Jégou & Chum 2012, section 3); InputError when
    the features vary in fewer directions.
    """
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(values - mean, rowvar=False))
    rank = int((variances > variances[-1] * 1e-9).sum())
    if not 1 <= width <= rank:
        raise InputError(
            f"--width must be from 1 to {rank}, the rank of the features of {len(values)} images, not {width}"
        )
    kernel = axes[:, : -width - 1 : -1] / np.sqrt(variances[: -width - 1 : -1])
    return kernel.astype(np.float32), (-mean @ kernel).astype(np.float32)
