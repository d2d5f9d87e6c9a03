"""fashion_keras: a fashion catalogue in; trained classifiers, trusted tags and visual search out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_keras.catalog.products import Catalog, read_catalog
    from fashion_keras.catalog.sources import locate
    from fashion_keras.encoding.runtime import load_classifier
    from fashion_keras.evaluation.evaluate import evaluate
    from fashion_keras.models.classifier import Classifier, Predictions
    from fashion_keras.support.errors import InputError
    from fashion_keras.training.config import TrainConfig
    from fashion_keras.training.run import Run, resume, train

__all__ = [
    "Catalog",
    "Classifier",
    "InputError",
    "Predictions",
    "Run",
    "TrainConfig",
    "evaluate",
    "load_classifier",
    "locate",
    "read_catalog",
    "resume",
    "train",
]

_HOMES = {
    "Catalog": "catalog.products",
    "read_catalog": "catalog.products",
    "locate": "catalog.sources",
    "evaluate": "evaluation.evaluate",
    "Classifier": "models.classifier",
    "Predictions": "models.classifier",
    "load_classifier": "encoding.runtime",
    "InputError": "support.errors",
    "TrainConfig": "training.config",
    "Run": "training.run",
    "resume": "training.run",
    "train": "training.run",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Load a public name when it is first asked for: importing the package must not import TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fashion_keras' has no attribute {name!r}")
    return getattr(import_module(f"fashion_keras.{_HOMES[name]}"), name)
