"""Training products of encoders, to count and exclude those that an evaluation would score."""

from pathlib import Path

from fashion_keras.features.registry import resolve_encoder
from fashion_keras.training.manifests import folder_training_products, initial_training_products


def encoder_training_products(name: str, weights: str = "auto") -> frozenset[str]:
    """Return the hashes of the products that an encoder was trained on; none for a bare backbone.

    Args:
        name: as `load_encoder` takes it.
        weights: of a bare backbone; the folder of a run counts with what the run was trained on.

    Raises:
        InputError: for an unknown encoder, or one whose training products are not recorded.
    """
    if Path(weights).is_dir():
        return folder_training_products(Path(weights))
    source = resolve_encoder(name, own_weights(name, weights))
    if source.folder is not None:
        return folder_training_products(Path(source.folder))
    # A stage or another pooling of a bundled network has its weights, too.
    return initial_training_products(source.spec.backbone, weights)


def own_weights(name: str, weights: str) -> str:
    """Return the weights to load an encoder with: those given for a bare backbone, "auto" for a model folder."""
    return "auto" if Path(name).exists() else weights
