"""Training products of encoders, to count and exclude those that an evaluation would score."""

from pathlib import Path

from fashion_keras.features.registry import resolve_encoder
from fashion_keras.training.training_products import folder_training_products


def encoder_training_products(name: str, weights: str = "auto") -> frozenset[str]:
    """Return the hashes of the products that an encoder was trained on; none for a bare backbone.

    Args:
        name: as `load_encoder` takes it.
        weights: of a bare backbone; the folder of a run counts with what the run was trained on.

    Raises:
        InputError: for an unknown encoder, or one whose training products are not recorded.
    """
    folder = Path(weights) if Path(weights).is_dir() else resolve_encoder(name, own_weights(name, weights)).folder
    return frozenset() if folder is None else folder_training_products(folder)


def own_weights(name: str, weights: str) -> str:
    """Return the weights to load an encoder with: those given for a bare backbone, "auto" for a model folder."""
    return "auto" if Path(name).exists() else weights
