"""fashion_keras: train and evaluate classifiers, tag products, search by image and words, from a fashion catalog."""

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
    from fashion_keras.analysis.review import ReviewItem, ReviewQueue, ReviewSession
    from fashion_keras.analysis.robustness import robustness
    from fashion_keras.analysis.run_comparison import compare_runs
    from fashion_keras.analysis.run_evaluation import evaluate
    from fashion_keras.analysis.run_list import list_runs
    from fashion_keras.batch.config import EncodeConfig
    from fashion_keras.batch.encode import encode_catalog
    from fashion_keras.catalog.datasets import resolve_dataset
    from fashion_keras.catalog.readers import Catalog, read_catalog
    from fashion_keras.exports.config import ExportConfig
    from fashion_keras.exports.export import export
    from fashion_keras.exports.hub import load_from_hub, push_to_hub
    from fashion_keras.features.batch_folder import BatchFolder
    from fashion_keras.features.encoder import Encoder
    from fashion_keras.features.registry import load_encoder
    from fashion_keras.features.runtime import load_classifier
    from fashion_keras.features.transformer import FashionEncoder
    from fashion_keras.features.zero_shot import ZeroShotClassifier
    from fashion_keras.models.classifier import Classifier
    from fashion_keras.models.predictions import Predictions
    from fashion_keras.monitoring.config import DriftConfig
    from fashion_keras.monitoring.drift import drift
    from fashion_keras.search.from_batch import sync_index
    from fashion_keras.search.indexing import build_index, open_index, update_index
    from fashion_keras.search.match import Match, Matches
    from fashion_keras.search.similar import search_similar
    from fashion_keras.support.errors import InputError
    from fashion_keras.support.progress import set_verbosity
    from fashion_keras.tagging.config import TagConfig, TaggerConfig
    from fashion_keras.tagging.model.tagger import Tag, Tagger, Tags, load_tagger
    from fashion_keras.tagging.review import build_review_queue
    from fashion_keras.tagging.tag_catalog import tag_catalog
    from fashion_keras.tagging.train_tagger import train_tagger
    from fashion_keras.training.classifier.lr_find import find_learning_rate
    from fashion_keras.training.classifier.run import resume, train
    from fashion_keras.training.config import RateTestConfig, TrainConfig
    from fashion_keras.training.encoder.config import EncoderConfig
    from fashion_keras.training.encoder.metric_learning import train_encoder
    from fashion_keras.training.run_folder import Run

# Module -> its public names, loaded on first use: importing the package must not import TensorFlow.
_PUBLIC_NAMES = {
    "analysis.config": "AuditConfig EvaluateConfig ProbeConfig ProjectionConfig RetrievalConfig RobustnessConfig",
    "analysis.grad_cam": "Explanation explain",
    "analysis.label_audit": "audit",
    "analysis.linear_probe": "probe",
    "analysis.projection": "draw_map",
    "analysis.retrieval_comparison": "evaluate_search",
    "analysis.review": "ReviewItem ReviewQueue ReviewSession",
    "analysis.robustness": "robustness",
    "analysis.run_comparison": "compare_runs",
    "analysis.run_evaluation": "evaluate",
    "analysis.run_list": "list_runs",
    "catalog.datasets": "resolve_dataset",
    "catalog.readers": "Catalog read_catalog",
    "exports.config": "ExportConfig",
    "exports.export": "export",
    "exports.hub": "load_from_hub push_to_hub",
    "batch.config": "EncodeConfig",
    "batch.encode": "encode_catalog",
    "features.batch_folder": "BatchFolder",
    "features.encoder": "Encoder",
    "features.registry": "load_encoder",
    "features.runtime": "load_classifier",
    "features.transformer": "FashionEncoder",
    "features.zero_shot": "ZeroShotClassifier",
    "models.classifier": "Classifier",
    "models.predictions": "Predictions",
    "monitoring.config": "DriftConfig",
    "monitoring.drift": "drift",
    "search.from_batch": "sync_index",
    "search.indexing": "build_index open_index update_index",
    "search.match": "Match Matches",
    "search.similar": "search_similar",
    "support.errors": "InputError",
    "support.progress": "set_verbosity",
    "tagging.config": "TagConfig TaggerConfig",
    "tagging.model.tagger": "Tag Tagger Tags load_tagger",
    "tagging.review": "build_review_queue",
    "tagging.tag_catalog": "tag_catalog",
    "tagging.train_tagger": "train_tagger",
    "training.run_folder": "Run",
    "training.classifier.run": "resume train",
    "training.classifier.lr_find": "find_learning_rate",
    "training.config": "RateTestConfig TrainConfig",
    "training.encoder.config": "EncoderConfig",
    "training.encoder.metric_learning": "train_encoder",
}
_MODULES = {name: module for module, names in _PUBLIC_NAMES.items() for name in names.split()}
# Those that import TensorFlow when they are loaded.
_TENSORFLOW_MODULES = {
    "analysis.linear_probe",
    "training.classifier.lr_find",
    "training.classifier.run",
    "training.encoder.metric_learning",
}

__all__ = sorted(_MODULES)


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
