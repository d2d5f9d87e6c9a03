"""fashion_keras: a fashion catalogue in; trained classifiers, trusted tags and visual search out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_keras.analysis.grad_cam import Explanation, explain
    from fashion_keras.analysis.label_audit import audit
    from fashion_keras.analysis.projection import draw_map
    from fashion_keras.analysis.retrieval_comparison import evaluate_search
    from fashion_keras.analysis.robustness import robustness
    from fashion_keras.analysis.run_evaluation import evaluate
    from fashion_keras.catalog.datasets import resolve_dataset
    from fashion_keras.catalog.readers import Catalog, read_catalog
    from fashion_keras.features.encoder import Encoder
    from fashion_keras.features.registry import load_encoder
    from fashion_keras.features.runtime import load_classifier
    from fashion_keras.models.classifier import Classifier
    from fashion_keras.models.predictions import AttributePredictions, Predictions
    from fashion_keras.search.indexing import build_index, open_index, update_index
    from fashion_keras.search.similar import Match, search_similar
    from fashion_keras.support.errors import InputError
    from fashion_keras.tagging.config import TaggerConfig
    from fashion_keras.tagging.model.tagger import Tag, Tagger, Tags, load_tagger
    from fashion_keras.tagging.train_tagger import train_tagger
    from fashion_keras.training.classifier.run import Run, resume, train
    from fashion_keras.training.config import TrainConfig
    from fashion_keras.training.encoder.config import EncoderConfig
    from fashion_keras.training.encoder.metric_learning import train_encoder

__all__ = [
    "AttributePredictions",
    "Catalog",
    "Classifier",
    "Encoder",
    "EncoderConfig",
    "Explanation",
    "InputError",
    "Match",
    "Predictions",
    "Run",
    "Tag",
    "Tagger",
    "TaggerConfig",
    "Tags",
    "TrainConfig",
    "audit",
    "build_index",
    "draw_map",
    "evaluate",
    "evaluate_search",
    "explain",
    "load_classifier",
    "load_encoder",
    "load_tagger",
    "open_index",
    "read_catalog",
    "resolve_dataset",
    "resume",
    "robustness",
    "search_similar",
    "train",
    "train_encoder",
    "train_tagger",
    "update_index",
]

_HOMES = {
    "Catalog": "catalog.readers",
    "read_catalog": "catalog.readers",
    "resolve_dataset": "catalog.datasets",
    "evaluate": "analysis.run_evaluation",
    "Explanation": "analysis.grad_cam",
    "explain": "analysis.grad_cam",
    "robustness": "analysis.robustness",
    "Classifier": "models.classifier",
    "AttributePredictions": "models.predictions",
    "Predictions": "models.predictions",
    "Encoder": "features.encoder",
    "load_encoder": "features.registry",
    "load_classifier": "features.runtime",
    "build_index": "search.indexing",
    "open_index": "search.indexing",
    "update_index": "search.indexing",
    "evaluate_search": "analysis.retrieval_comparison",
    "draw_map": "analysis.projection",
    "Match": "search.similar",
    "search_similar": "search.similar",
    "Tag": "tagging.model.tagger",
    "Tagger": "tagging.model.tagger",
    "Tags": "tagging.model.tagger",
    "load_tagger": "tagging.model.tagger",
    "TaggerConfig": "tagging.config",
    "train_tagger": "tagging.train_tagger",
    "EncoderConfig": "training.encoder.config",
    "train_encoder": "training.encoder.metric_learning",
    "InputError": "support.errors",
    "audit": "analysis.label_audit",
    "TrainConfig": "training.config",
    "Run": "training.classifier.run",
    "resume": "training.classifier.run",
    "train": "training.classifier.run",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Load a public name when it is first asked for: importing the package must not import TensorFlow."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fashion_keras' has no attribute {name!r}")
    return getattr(import_module(f"fashion_keras.{_HOMES[name]}"), name)
