"""Training products of a model folder, and of the weights that a network starts from."""

from pathlib import Path

from fashion_keras.catalog.product_hashes import TRAINING_PRODUCTS, read_training_products
from fashion_keras.models.backbones import get_backbone
from fashion_keras.training.classifier.artifacts import RunManifest


def folder_training_products(folder: Path) -> frozenset[str]:
    """Return the hashes of the products that the model in `folder` was trained on; a run's validation part counts.

    Raises:
        InputError: when they are not recorded.
    """
    if not (folder / RunManifest.FILE).is_file():
        return read_training_products(folder)
    return frozenset(RunManifest.read(folder).trained_on[0])


def initial_training_products(backbone: str, weights: str) -> frozenset[str]:
    """Return the hashes of the products that initial weights were trained on; none for ImageNet, random or a file.

    Args:
        backbone: of the network.
        weights: their source: "fashion" or "auto" for those that ship with the package, or a path.
    """
    folder = get_backbone(backbone).bundled if weights in ("auto", "fashion") else Path(weights)
    recorded = folder and any((folder / name).is_file() for name in (TRAINING_PRODUCTS, RunManifest.FILE))
    return folder_training_products(folder) if recorded else frozenset()
