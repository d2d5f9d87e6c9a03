"""Training products of encoders, to count and exclude those that an evaluation would score."""

from pathlib import Path

from fashion_keras.catalog.product_hashes import read_training_products
from fashion_keras.features.registry import resolve_encoder
from fashion_keras.models.backbones import get_backbone
from fashion_keras.training.classifier.artifacts import RunManifest


def encoder_training_products(name: str, weights: str = "auto") -> frozenset[str]:
    """Return the hashes of the products that an encoder was trained on; none for a bare backbone.

    Args:
        name: as `load_encoder` takes it.
        weights: of a bare backbone; the folder of a run counts with what the run was trained on.

    Raises:
        InputError: for an unknown encoder, or one whose training products are not recorded.
    """
    if Path(weights).is_dir():
        return _folder_training_products(Path(weights))
    source = resolve_encoder(name, own_weights(name, weights))
    # A stage or another pooling of a bundled network has its weights, too.
    bundled = get_backbone(source.spec.backbone).bundled if weights in ("auto", "fashion") else None
    folder = source.folder or bundled
    return frozenset() if folder is None else _folder_training_products(Path(folder))


def own_weights(name: str, weights: str) -> str:
    """Return the weights to load an encoder with: those given for a bare backbone, "auto" for a model folder."""
    return "auto" if Path(name).exists() else weights


def _folder_training_products(folder: Path) -> frozenset[str]:
    """Return the hashes recorded in an encoder's folder, or those of a run's training and validation parts."""
    if not (folder / RunManifest.FILE).is_file():
        return read_training_products(folder)
    return frozenset(RunManifest.read(folder).trained_on[0])
