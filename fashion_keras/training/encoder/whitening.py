"""PCA whitening: an encoder's features made uncorrelated, of one scale, and fewer."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.features.cache import encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.features.registry import encoder_network, resolve_encoder
from fashion_keras.features.runtime import store_network
from fashion_keras.images.validation import load_catalog
from fashion_keras.models.builder import backbone_of, build_network, save_network, submodel_until
from fashion_keras.models.serialization import EncoderSpec
from fashion_keras.support.atomic_files import make_output_dir
from fashion_keras.support.errors import InputError


def whiten_encoder(
    encoder: str, width: int, data: str | None = None, out: str | None = None, weights: str = "auto"
) -> Path:
    """Fit a whitening to a catalogue, put it behind an encoder's pooling, and save that as an encoder of its own.

    Args:
        encoder: a bare backbone or a preset, as `load_encoder` takes it; it must end with its pooling.
        width: of the vectors.
        data: the catalogue.
        out: a new folder; by default runs/whitened-N.
        weights: of the backbone.

    Raises:
        InputError: for an encoder that has a projection already, or a width that the catalogue cannot give.
    """
    source = resolve_encoder(encoder, weights)
    if not isinstance(source.spec, EncoderSpec) or source.spec.width:
        raise InputError(
            f"{encoder}: what is whitened is pooled features, such as resnet50:max; this has layers on them"
        )
    network = encoder_network(source)
    catalog = load_catalog(data)
    features = encode(catalog, compile_encoder(submodel_until(network, "pool"), source.spec.image_spec)).values
    kernel, bias = whitening(np.asarray(features), width)
    spec = replace(source.spec, width=width)
    whitened = build_network(spec)
    backbone_of(whitened).set_weights(backbone_of(network).get_weights())
    whitened.get_layer("pool").set_weights(network.get_layer("pool").get_weights())
    whitened.get_layer("projection").set_weights([kernel, bias])
    return _save(spec, whitened, make_output_dir(out, "runs/whitened"))


def whitening(features: NDArray[np.float32], width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the kernel [d, width] and bias [width] float32 that whiten features [n, d]: x @ kernel + bias.

    The first `width` principal components, each scaled to variance 1 (Jégou & Chum 2012, section 3).

    Raises:
        InputError: when the features do not vary in so many directions.
    """
    values = features.astype(np.float64)
    middle = values.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(values - middle, rowvar=False))
    rank = int((variances > variances[-1] * 1e-9).sum())
    if not 1 <= width <= rank:
        raise InputError(f"--width is from 1 to {rank}, in which these {len(values)} images differ, not {width}")
    kernel = axes[:, : -width - 1 : -1] / np.sqrt(variances[: -width - 1 : -1])
    return kernel.astype(np.float32), (-middle @ kernel).astype(np.float32)


def _save(spec: EncoderSpec, network: keras.Model, folder: Path) -> Path:
    save_network(spec, network, folder)
    store_network(network, folder)
    return folder
