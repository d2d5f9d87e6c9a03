"""Model cards: README.md with Hugging Face's metadata, of a run and of an export. No Keras here."""

from pathlib import Path
from typing import Any

import yaml

from fashion_keras.evaluation.reports.report import Report
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.serialization import Spec
from fashion_keras.support.atomic_files import write_text

CARD = "README.md"
_LIBRARIES = {"onnx": "onnx", "openvino": "openvino", "litert": "tflite", "saved_model": "keras", "keras": "keras"}
_SHOWN_CLASSES = 60
_METRICS = (
    ("accuracy", "accuracy", "Accuracy"),
    ("macro_f1", "f1", "Macro F1"),
    ("top_3", "top_3_accuracy", "Top 3 accuracy"),
    ("ece", "ece", "Expected calibration error"),
)
_LIMITS = """## Use and limits

For photos that resemble those it was trained on, such as product photos on a plain background. Photos of people in the
street, several products in one image and product types that are not among the classes are out of distribution: the
network predicts one of its classes all the same. Labels of shops contain errors and reflect how a shop sorts its goods;
"gender" is a department, not a property of a person. It must not be used to infer anything about persons.
"""


def write_model_card(folder: Path, source: Path | None, spec: Spec, model_format: str = "", report: Any = None) -> None:  # noqa: ANN401
    """Write README.md into a folder: of the `report` given or of report.json in `source`, else of the card there.

    Args:
        folder: of a run or an export.
        source: folder of the model; None where it has none.
        spec: of the model.
        model_format: of an export; "" for a run.
        report: `Report` of the run, where report.json is not written yet.
    """
    if report is None and source is not None and (source / Report.FILE).is_file() and isinstance(spec, ClassifierSpec):
        report = Report.read(source)
    metadata = card_metadata(spec, model_format, report)
    own = source / CARD if source else None
    if report is None and own and own.is_file() and not own.read_text(encoding="utf-8").startswith("---"):
        body = own.read_text(encoding="utf-8")
    else:
        body = _body(spec, report)
    header = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    write_text(folder / CARD, f"---\n{header}---\n\n{body.strip()}\n\n{_usage(spec, model_format).strip()}\n")


def card_metadata(spec: Spec, model_format: str = "", report: Report | None = None) -> dict[str, Any]:
    """Return the metadata of a model card, as huggingface.co/docs/hub/model-cards describes them."""
    is_classifier = isinstance(spec, ClassifierSpec)
    metadata: dict[str, Any] = {
        "library_name": _LIBRARIES[model_format] if model_format else "keras",
        "pipeline_tag": "image-classification" if is_classifier else "image-feature-extraction",
        "tags": ["fashion", "fashion_keras", spec.backbone],
    }
    if report is not None:
        metadata["metrics"] = ["accuracy", "f1"]
        metadata["model-index"] = [_model_index(spec, report)]
    return metadata


def _model_index(spec: ClassifierSpec, report: Report) -> dict[str, Any]:
    metrics = [
        {"type": kind, "name": name, "value": float(report.test[key])}
        for key, kind, name in _METRICS
        if report.test.get(key) is not None
    ]
    result = {
        "task": {"type": "image-classification", "name": spec.task},
        "dataset": {"type": "custom", "name": f"{report.counts['test']} test images of the run's catalog"},
        "metrics": metrics,
    }
    return {"name": f"{spec.task}-{spec.backbone}", "results": [result]}


def _body(spec: Spec, report: Report | None) -> str:
    image = spec.image_spec
    if not isinstance(spec, ClassifierSpec):
        title, purpose = f"Encoder on {spec.backbone}", "maps a product image to an embedding of length 1"
    else:
        title, purpose = f"{spec.task} on {spec.backbone}", f"classifies product images by {spec.task}"
    rows = [
        ("what it does", purpose),
        ("network", spec.backbone + (f", up to {spec.cut}" if spec.cut else "")),
        ("input", f"RGB, {image.height}x{image.width} pixels, fit: {image.fit}, {image.interpolation}"),
    ]
    if report is not None:
        rows += _report_rows(report)
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    parts = [f"# Model card: {title}", f"| | |\n|---|---|\n{table}", _classes(spec), _scores(report), _LIMITS]
    return "\n\n".join(part.strip() for part in parts if part)


def _report_rows(report: Report) -> list[tuple[str, str]]:
    counts = ", ".join(f"{part} {count}" for part, count in report.counts.items())
    versions = ", ".join(f"{name} {text}" for name, text in report.versions.items())
    return [
        ("initial weights", report.weights),
        ("strategy", report.strategy),
        ("images", counts),
        ("trained on", f"{report.device}, {report.seconds.get('train', 0) / 60:.1f} minutes"),
        ("versions", versions),
    ]


def _classes(spec: Spec) -> str:
    if not isinstance(spec, ClassifierSpec):
        return ""
    lines = []
    for group in spec.groups:
        more = len(group.classes) - _SHOWN_CLASSES
        rest = f" and {more} more" if more > 0 else ""
        lines.append(f"- {group.name} ({len(group.classes)}): {', '.join(group.classes[:_SHOWN_CLASSES])}{rest}")
    return "## Classes\n\n" + "\n".join(lines)


def _scores(report: Report | None) -> str:
    if report is None:
        return ""
    rows = [f"| {name} | {report.test[key]:.3f} |" for key, _, name in _METRICS if report.test.get(key) is not None]
    if interval := report.test.get("accuracy_ci95"):
        rows.insert(1, f"| Accuracy, 95 % interval over products | {interval[0]:.3f}–{interval[1]:.3f} |")
    warnings = "".join(f"\n> {text}\n" for text in report.warnings)
    return "\n".join(["## Scores on test products", "", "| | |", "|---|---|", *rows]) + "\n" + warnings


def _usage(spec: Spec, model_format: str) -> str:
    if model_format:
        return (
            "## Use\n\nThis folder is an export: `contract.json` describes input and output, `golden/` tests a\n"
            "client, and `client.py` is one that does not need fashion_keras:\n\n"
            "```text\npip install -r requirements.txt\n"
            "python client.py --check\npython client.py IMAGE\n```\n"
        )
    loader = "load_classifier" if isinstance(spec, ClassifierSpec) else "load_encoder"
    call = "predict" if isinstance(spec, ClassifierSpec) else "embed"
    return (
        "## Use\n\nWith fashion_keras installed:\n\n```text\nimport fashion_keras\n\n"
        f'model = fashion_keras.{loader}("FOLDER")\nmodel.{call}(["photo.jpg"])\n```\n'
    )
