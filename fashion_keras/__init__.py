"""fashion_keras: train and evaluate classifiers, tag products and search by image, from a fashion catalog."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_keras.analysis.config import (
        AuditConfig,
        EvaluateConfig,
        ProbeConfig,
        ProjectionConfig,
        RetrievalConfig,
        RobustnessConfig,
    )
    from fashion_keras.analysis.grad_cam import Explanation, explain
    from fashion_keras.analysis.label_audit import audit
    from fashion_keras.analysis.linear_probe import probe
    from fashion_keras.analysis.projection import draw_map
    from fashion_keras.analysis.retrieval_comparison import evaluate_search
    from fashion_keras.analysis.robustness import robustness
    from fashion_keras.analysis.run_evaluation import evaluate
    from fashion_keras.catalog.datasets import resolve_dataset
    from fashion_keras.catalog.readers import Catalog, read_catalog
    from fashion_keras.features.encoder import Encoder
    from fashion_keras.features.registry import load_encoder
    from fashion_keras.features.runtime import load_classifier
    from fashion_keras.features.transformer import FashionEncoder
    from fashion_keras.models.classifier import Classifier
    from fashion_keras.models.predictions import Predictions
    from fashion_keras.search.indexing import build_index, open_index, update_index
    from fashion_keras.search.similar import Match, search_similar
    from fashion_keras.support.errors import InputError
    from fashion_keras.support.progress import set_verbosity
    from fashion_keras.tagging.config import TaggerConfig
    from fashion_keras.tagging.model.tagger import Tag, Tagger, Tags, load_tagger
    from fashion_keras.tagging.train_tagger import train_tagger
    from fashion_keras.training.classifier.artifacts import Run
    from fashion_keras.training.classifier.run import resume, train
    from fashion_keras.training.config import TrainConfig
    from fashion_keras.training.encoder.config import EncoderConfig
    from fashion_keras.training.encoder.metric_learning import train_encoder

__all__ = [
    "AuditConfig",
    "Catalog",
    "Classifier",
    "Encoder",
    "EncoderConfig",
    "EvaluateConfig",
    "Explanation",
    "FashionEncoder",
    "InputError",
    "Match",
    "Predictions",
    "ProbeConfig",
    "ProjectionConfig",
    "RetrievalConfig",
    "RobustnessConfig",
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
    "probe",
    "read_catalog",
    "resolve_dataset",
    "resume",
    "robustness",
    "search_similar",
    "set_verbosity",
    "train",
    "train_encoder",
    "train_tagger",
    "update_index",
]

# Public name -> module, loaded on first use: importing the package must not import TensorFlow.
_MODULES = {
    "AuditConfig": "analysis.config",
    "Catalog": "catalog.readers",
    "Classifier": "models.classifier",
    "Encoder": "features.encoder",
    "EncoderConfig": "training.encoder.config",
    "EvaluateConfig": "analysis.config",
    "Explanation": "analysis.grad_cam",
    "FashionEncoder": "features.transformer",
    "InputError": "support.errors",
    "Match": "search.similar",
    "Predictions": "models.predictions",
    "ProbeConfig": "analysis.config",
    "ProjectionConfig": "analysis.config",
    "RetrievalConfig": "analysis.config",
    "RobustnessConfig": "analysis.config",
    "Run": "training.classifier.artifacts",
    "Tag": "tagging.model.tagger",
    "Tagger": "tagging.model.tagger",
    "TaggerConfig": "tagging.config",
    "Tags": "tagging.model.tagger",
    "TrainConfig": "training.config",
    "audit": "analysis.label_audit",
    "build_index": "search.indexing",
    "draw_map": "analysis.projection",
    "evaluate": "analysis.run_evaluation",
    "evaluate_search": "analysis.retrieval_comparison",
    "explain": "analysis.grad_cam",
    "load_classifier": "features.runtime",
    "load_encoder": "features.registry",
    "load_tagger": "tagging.model.tagger",
    "open_index": "search.indexing",
    "probe": "analysis.linear_probe",
    "read_catalog": "catalog.readers",
    "resolve_dataset": "catalog.datasets",
    "resume": "training.classifier.run",
    "robustness": "analysis.robustness",
    "search_similar": "search.similar",
    "set_verbosity": "support.progress",
    "train": "training.classifier.run",
    "train_encoder": "training.encoder.metric_learning",
    "train_tagger": "tagging.train_tagger",
    "update_index": "search.indexing",
}
# Those that import TensorFlow when they are loaded.
_TENSORFLOW_MODULES = {"analysis.linear_probe", "training.classifier.run", "training.encoder.metric_learning"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Load a public name, or the version of the installed package, when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("fashion_keras")
    if name not in _MODULES:
        raise AttributeError(f"module 'fashion_keras' has no attribute {name!r}")
    if _MODULES[name] in _TENSORFLOW_MODULES:
        from fashion_keras.support.tensorflow_import import import_tensorflow

        import_tensorflow()
    return getattr(import_module(f"fashion_keras.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, "__version__"])
