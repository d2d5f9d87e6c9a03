"""JSON and YAML files: taxonomy, model.json, and every dataclass that is stored as JSON."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from fashion_keras.batch.plan import Plan
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.evaluation.reports.report import EvaluationReport, Report
from fashion_keras.exports.contract import Contract
from fashion_keras.exports.export import ExportManifest
from fashion_keras.features.batch_folder import BatchManifest, ShardEntry
from fashion_keras.models.serialization import load_classifier_spec, load_spec, load_text_spec
from fashion_keras.search.hnsw import HnswManifest
from fashion_keras.search.manifest import FORMAT as INDEX_FORMAT
from fashion_keras.search.manifest import IndexManifest
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.json_record import JsonRecord, dataclass_from_json
from fashion_keras.tagging.model.manifest import Provenance, TaggerManifest
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.encoder.config import EncoderReport
from fashion_keras.training.manifests import EncoderManifest, RunManifest
from tests.fuzz.target import Check, Target

RECORDS = (
    Report,
    EvaluationReport,
    RunManifest,
    EncoderManifest,
    EncoderReport,
    Contract,
    ExportManifest,
    BatchManifest,
    TaggerManifest,
)
PLAIN = (ShardEntry, HnswManifest, Provenance, Plan, IndexManifest)
# What the package takes of a record that was read.
_USES: dict[type, Callable[[Any], object]] = {
    RunManifest: lambda record: (record.source, record.trained_on),
    EncoderManifest: lambda record: record.source,
    Report: lambda record: (record.summary(), record._repr_html_()),
    EvaluationReport: lambda record: record.summary(),
    BatchManifest: lambda record: record.model.digest,
    Provenance: lambda record: {name for ids in record.parts.values() for name in ids},
    IndexManifest: lambda record: record.files,
}


def example(hint: Any, name: str = "") -> Any:
    """Return a small JSON value of a field's type."""
    if name == "accuracy_ci95":
        return [0.1, 0.9]
    if isinstance(hint, UnionType):
        hint = get_args(hint)[0]
    if is_dataclass(hint):
        return example_record(hint)
    container, parts = get_origin(hint), get_args(hint)
    if container in (tuple, list):
        return [example(parts[0])]
    if container is dict:
        return {"train": example(parts[1]), "validation": example(parts[1]), "source": example(parts[1])}
    return {str: "fashion_encoder", int: 3, float: 0.5, bool: True}.get(hint, 1)


def example_record(kind: type) -> dict[str, Any]:
    """Return the JSON object of a dataclass with every field."""
    hints = get_type_hints(kind)
    own = {
        "image_spec": {"height": 8, "width": 6},
        "sha256": "0" * 64,
        "test": {"accuracy": 0.5, "accuracy_ci95": [0.1, 0.9]},
        "counts": {"test": 3},
        "per_class": [{"name": "a", "support": 2}],
    }
    values = {each.name: own.get(each.name, example(hints[each.name])) for each in fields(kind)}
    if kind.__name__ == "StoredFile":
        values["name"] = "0000000001.embeddings.npy"
    return values


def _record_seeds() -> list[bytes]:
    """A first line with the name of the dataclass, then its file."""
    documents = [(kind.__name__, {"format": kind.FORMAT, **example_record(kind)}) for kind in RECORDS]
    documents += [(kind.__name__, example_record(kind)) for kind in PLAIN]
    documents += [("TrainConfig", json.loads(json.dumps(TrainConfig().to_dict())))]
    documents = [
        (name, {**values, "format": INDEX_FORMAT} if name == "IndexManifest" else values) for name, values in documents
    ]
    return [f"{name}\n{json.dumps(values)}".encode() for name, values in documents]


def _prepare_records(folder: Path) -> Check:
    kinds = {kind.__name__: kind for kind in (*RECORDS, *PLAIN)}

    def check(data: bytes) -> None:
        name, _, text = data.partition(b"\n")
        name = name.decode("latin-1")
        if name == "TrainConfig":
            (folder / "config.json").write_bytes(text)
            TrainConfig.from_dict(read_json(folder / "config.json"))
            return
        kind = kinds.get(name)
        if kind is None:
            return
        path = folder / getattr(kind, "FILE", "manifest.json")
        path.write_bytes(text)
        if issubclass(kind, JsonRecord) or kind is IndexManifest:
            record = kind.read(folder)
        else:
            record = dataclass_from_json(kind, read_json(path), path)
        _USES.get(kind, lambda record: None)(record)

    return check


def _model_seeds() -> list[bytes]:
    spec = {"height": 32, "width": 24, "fit": "pad", "interpolation": "bilinear"}
    head = {"name": "plain", "pooling": "avg", "normalize": False, "dropout_before": 0.0, "dense": [8], "dropout": 0.0}
    group = {
        "name": "gender",
        "kind": "single",
        "classes": ["Men", "Women"],
        "paths": [["Men"], ["Women"]],
        "activation": "softmax",
        "temperature": 1.5,
        "thresholds": [],
    }
    common = {
        "format": "fashion_keras.model/2",
        "sha256": "0" * 64,
        "backbone": "custom_cnn",
        "image_spec": spec,
        "scaling": "unit",
        "head": head,
        "cut": "",
        "architecture": "",
    }
    classifier = {**common, "kind": "classifier", "task": "gender", "groups": [group], "person": None}
    tags = {**group, "kind": "multi", "activation": "sigmoid", "thresholds": [0.5, None]}
    text = {
        "format": "fashion_keras.model/2",
        "kind": "text",
        "sha256": "0" * 64,
        "width": 8,
        "buckets": 32,
        "dim": 4,
        "hidden": 8,
        "tokens": 8,
        "temperature": 0.05,
        "floor": -1.0,
    }
    documents = [
        classifier,
        {**classifier, "person": classifier | {}},
        {**common, "kind": "encoder", "width": 4},
        {**classifier, "groups": [group, tags]},
        text,
    ]
    for document in documents:
        document.get("person") and [document["person"].pop(key) for key in ("format", "kind", "sha256")]
    return [json.dumps(document).encode() for document in documents]


def _prepare_model(folder: Path) -> Check:
    for place in (folder, folder / "text"):
        place.mkdir(exist_ok=True)
        (place / "model.weights.h5").write_bytes(b"weights")

    def check(data: bytes) -> None:
        if b'"text"' in data[:200]:
            (folder / "text" / "model.json").write_bytes(data)
            load_text_spec(folder)
            return
        (folder / "model.json").write_bytes(data)
        spec, _ = load_spec(folder)
        hash(spec)
        if hasattr(spec, "groups"):
            load_classifier_spec(folder)
            _ = (
                spec.classes,
                [group.threshold_array for group in spec.groups],
                [group.target_width for group in spec.groups],
            )

    return check


def _taxonomy_seeds() -> list[bytes]:
    shipped = Path(__file__).parents[3] / "fashion_keras" / "catalog" / "taxonomies"
    small = b"""product_types:
  - {name: watch, column: sub_category, values: [Watches, "2", no]}
  - {name: shoe, column: sub_category, values: [Shoes]}
attributes:
  - name: display
    kind: single
    labels: [Analogue, Digital]
    column: display_type
    applies_to: [watch]
  - {name: gender, kind: multi, labels: [Men, Women], column: gender}
"""
    return [
        small,
        small.replace(b"\n", b"\r\n"),
        *(path.read_bytes()[:6000] for path in sorted(shipped.glob("*.yaml"))),
    ]


def _prepare_taxonomy(folder: Path) -> Check:
    path = folder / "t.yaml"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        load_taxonomy(path)

    return check


YAML_TOKENS = (
    b"&a",
    b"*a",
    b"!!python/object/apply:os.system",
    b"!x",
    b"<<: *a",
    b"[",
    b"{",
    b"- ",
    b"? ",
    b"|\n",
    b">\n",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"\t",
    b"'",
    b'"',
    b"#",
    b"\xef\xbb\xbf",
    b"\0",
    b"\x85",
    b": ",
    b"[[[[[[[[[[[[[[[[",
    b"rules: display",
    b"\xff\xfe",
    "\ufeff".encode(),
)
JSON_TOKENS = (
    b"null",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"[[[[[[[[",
    b"{}",
    b'"\\ud800"',
    b"\\u0000",
    b"9" * 400,
    b"-0",
    b"true",
)
TARGETS = (
    Target("taxonomy", _taxonomy_seeds, _prepare_taxonomy, YAML_TOKENS, weight=1),
    Target("JSON records", _record_seeds, _prepare_records, JSON_TOKENS, weight=16),
    Target("model.json", _model_seeds, _prepare_model, JSON_TOKENS, weight=10),
)
