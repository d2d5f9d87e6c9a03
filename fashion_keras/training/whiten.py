"""PCA whitening: an encoder's features made uncorrelated, of one scale, and fewer."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.products import read_catalog
from fashion_keras.catalog.sources import locate
from fashion_keras.encoding.compilation import compile_encoder
from fashion_keras.encoding.loading import encoder_network, find_encoder
from fashion_keras.encoding.runtime import store_network
from fashion_keras.encoding.vectors import encode
from fashion_keras.images.whole import with_pictures
from fashion_keras.models.network import build_network, save_network, trunk_of, up_to
from fashion_keras.models.storage import EncoderSpec
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import new_folder


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
    source = find_encoder(encoder, weights)
    if not isinstance(source.spec, EncoderSpec) or source.spec.width:
        raise InputError(
            f"{encoder}: what is whitened is pooled features, such as resnet50:max; this has layers on them"
        )
    network = encoder_network(source)
    catalog = with_pictures(read_catalog(locate(data)[0]))
    features = encode(catalog, compile_encoder(up_to(network, "pool"), source.spec.image)).values
    kernel, bias = whitening(np.asarray(features), width)
    spec = replace(source.spec, width=width)
    whitened = build_network(spec)
    trunk_of(whitened).set_weights(trunk_of(network).get_weights())
    whitened.get_layer("pool").set_weights(network.get_layer("pool").get_weights())
    whitened.get_layer("projection").set_weights([kernel, bias])
    return _save(spec, whitened, new_folder(out, "runs/whitened"))


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
