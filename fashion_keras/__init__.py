"""fashion_keras: a fashion catalogue in; trained classifiers, trusted tags and visual search out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_keras.catalog.products import Catalog, read_catalog
    from fashion_keras.catalog.sources import locate
    from fashion_keras.encoding.encoder import Encoder
    from fashion_keras.encoding.loading import load_encoder
    from fashion_keras.encoding.runtime import load_classifier
    from fashion_keras.evaluation.evaluate import evaluate
    from fashion_keras.evaluation.explanations import Explanation, explain
    from fashion_keras.evaluation.robustness import robustness
    from fashion_keras.models.classifier import Classifier
    from fashion_keras.models.predictions import AttributePredictions, Predictions
    from fashion_keras.search.build import build_index, open_index, update_index
    from fashion_keras.search.compare import evaluate_search
    from fashion_keras.search.maps import draw_map
    from fashion_keras.search.similar import Match, search_similar
    from fashion_keras.support.errors import InputError
    from fashion_keras.tagging.config import TaggerConfig
    from fashion_keras.tagging.tagger import Tag, Tagger, Tags, load_tagger
    from fashion_keras.tagging.training import train_tagger
    from fashion_keras.training.audit import audit
    from fashion_keras.training.config import TrainConfig
    from fashion_keras.training.encoder_config import EncoderConfig
    from fashion_keras.training.metric import train_encoder
    from fashion_keras.training.run import Run, resume, train

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
    "locate",
    "open_index",
    "read_catalog",
    "resume",
    "robustness",
    "search_similar",
    "train",
    "train_encoder",
    "train_tagger",
    "update_index",
]

_HOMES = {
    "Catalog": "catalog.products",
    "read_catalog": "catalog.products",
    "locate": "catalog.sources",
    "evaluate": "evaluation.evaluate",
    "Explanation": "evaluation.explanations",
    "explain": "evaluation.explanations",
    "robustness": "evaluation.robustness",
    "Classifier": "models.classifier",
    "AttributePredictions": "models.predictions",
    "Predictions": "models.predictions",
    "Encoder": "encoding.encoder",
    "load_encoder": "encoding.loading",
    "load_classifier": "encoding.runtime",
    "build_index": "search.build",
    "open_index": "search.build",
    "update_index": "search.build",
    "evaluate_search": "search.compare",
    "draw_map": "search.maps",
    "Match": "search.similar",
    "search_similar": "search.similar",
    "Tag": "tagging.tagger",
    "Tagger": "tagging.tagger",
    "Tags": "tagging.tagger",
    "load_tagger": "tagging.tagger",
    "TaggerConfig": "tagging.config",
    "train_tagger": "tagging.training",
    "EncoderConfig": "training.encoder_config",
    "train_encoder": "training.metric",
    "InputError": "support.errors",
    "audit": "training.audit",
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
