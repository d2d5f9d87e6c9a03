"""Convolutional autoencoders: networks that reconstruct an image from a code of 512 numbers."""

import keras
from keras import KerasTensor, layers

from fashion_keras.models.architectures.convolutional import BATCH_NORM_MOMENTUM
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import build_network, cast_copy, last_feature_map
from fashion_keras.models.heads import Head
from fashion_keras.models.serialization import EncoderSpec
from fashion_keras.support.errors import unknown_name_error

_WIDTHS = (32, 64, 128, 256)


def li2020_autoencoder(x: KerasTensor) -> KerasTensor:
    """Encoder half of li2020's autoencoder: scaled pixels [b, 60, 60, 3] -> [b, 1, 1, 512], its 8x8x8 features.

    Three 3x3 convolutions with 16, 8 and 8 filters, each downsampled by 2.
    """
    for number, filters in enumerate((16, 8, 8), 1):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Reshape((1, 1, 512), name="code")(x)


def autoencoder(x: KerasTensor) -> KerasTensor:
    """Encoder half of a batch-normalized autoencoder: scaled pixels [b, 80, 60, 3] -> a linear code [b, 1, 1, 512]."""
    for number, filters in enumerate(_WIDTHS, 1):
        x = layers.Conv2D(filters, 3, 2, "same", use_bias=False, name=f"stage{number}_conv")(x)
        x = _batch_norm_relu(x, f"stage{number}")
    # As large as the feature map: a dense layer.
    x = layers.Conv2D(512, (5, 4), use_bias=False, name="code")(x)
    # Centers the codes: without, all point in about the same direction and cosines differ little.
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name="code_bn")(x)


def encoder_spec(name: str) -> EncoderSpec:
    """Return the spec of an autoencoder's encoder half, at its default size; InputError for an unknown name."""
    if name not in _DECODERS:
        raise unknown_name_error("autoencoder", name, _DECODERS)
    row = get_backbone(name)
    return EncoderSpec(name, row.image_spec, row.scaling, Head("encoder"))


def build_autoencoder(name: str, policy: str = "float32") -> keras.Model:
    """Build an autoencoder: pixels [b, h, w, 3] float32 in 0..255 -> reconstructions [b, h, w, 3] float32 in 0..1.

    Under a dtype policy scaling and the last layer stay float32; InputError for an unknown name.
    """
    encoder = build_network(encoder_spec(name))
    x = _DECODERS[name](last_feature_map(encoder))
    x = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="reconstruction")(x)
    return cast_copy(keras.Model(encoder.input, x, name=name), policy)


def encoder_half(trained: keras.Model) -> keras.Model:
    """Return a copy of the encoder half of a `build_autoencoder` model: pixels -> embeddings [b, 512] of length 1."""
    encoder = build_network(encoder_spec(trained.name))
    for layer in encoder.layers:
        if layer.weights:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
    return encoder


def _decode_li2020(code: KerasTensor) -> KerasTensor:
    x = layers.Reshape((8, 8, 8), name="decode")(code)
    # The "valid" padding is the authors': it reduces 32 to 30, and so 64 to 60.
    for number, (filters, padding) in enumerate(((8, "same"), (8, "same"), (16, "valid")), 1):
        x = layers.Conv2D(filters, 3, padding=padding, activation="relu", name=f"decode_conv{number}")(x)
        x = layers.UpSampling2D(2, name=f"decode_up{number}")(x)
    return x


def _decode(code: KerasTensor) -> KerasTensor:
    x = layers.Conv2DTranspose(_WIDTHS[-1], (5, 4), use_bias=False, name="decode")(code)
    x = _batch_norm_relu(x, "decode")
    for number, filters in enumerate((128, 64, 32, 16), 1):
        x = layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False, name=f"decode_conv{number}")(x)
        x = _batch_norm_relu(x, f"decode_conv{number}")
    # From 80x64 to 80x60.
    return layers.Cropping2D((0, 2), name="decode_crop")(x)


def _batch_norm_relu(x: KerasTensor, name: str) -> KerasTensor:
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_out")(x)


_DECODERS = {"li2020_autoencoder": _decode_li2020, "autoencoder": _decode}
