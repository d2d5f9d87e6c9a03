"""Model cards: metadata that Hugging Face reads, and the scores of the report."""

import pytest

from fashion_keras.evaluation.reports.report import Report
from fashion_keras.training.model_card import write_model_card
from tests.helpers.specs import classifier_spec

REPORT = Report(
    task="gender", classes=["a", "b"], counts={"train": 70, "validation": 10, "test": 20, "rejected": 3},
    test={"accuracy": 0.85, "accuracy_ci95": [0.7, 0.95], "macro_f1": 0.8, "top_3": None, "ece": 0.04}, groups={},
    per_class=[], by_frequency={}, backbone="custom_cnn", strategy="scratch", weights="none",
    seconds={"train": 90.0}, versions={"keras": "3.15"}, warnings=["DRAWN SAMPLE: drawings"], device="CPU x",
)  # fmt: skip


def test_card_of_a_run_is_read_by_hugging_face(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    write_model_card(tmp_path, None, classifier_spec(), report=REPORT)
    card = hub.ModelCard.load(tmp_path / "README.md")
    assert (card.data.pipeline_tag, card.data.library_name) == ("image-classification", "keras")
    scores = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert scores == {"accuracy": 0.85, "f1": 0.8, "ece": 0.04}
    assert "| Accuracy, 95 % interval over products | 0.700–0.950 |" in card.text
    assert "> DRAWN SAMPLE: drawings" in card.text
    assert "- gender (2): a, b" in card.text


def test_card_of_an_export_names_the_format_and_the_client(tmp_path):
    write_model_card(tmp_path, None, classifier_spec(), "onnx", REPORT)
    text = (tmp_path / "README.md").read_text()
    assert "library_name: onnx" in text
    assert "python client.py --check" in text


def test_training_writes_the_card(run):
    text = (run.folder / "README.md").read_text()
    assert f"value: {run.accuracy!r}" in text
    assert "# Model card: article_type on custom_cnn" in text
