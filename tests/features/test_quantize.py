"""int8 networks of finished runs."""

import numpy as np
import openvino
import pyarrow.parquet as pq
import pytest

from fashion_keras import load_classifier, train
from fashion_keras.features.quantize import quantize_stored
from fashion_keras.features.runtime import NETWORK, compiled_fault
from fashion_keras.models.serialization import load_classifier_spec

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):
    config = {"task": "master_category", "data": str(sample), "image_size": "112x84", "epochs": 20, "limit": 300}
    out = tmp_path_factory.mktemp("int8") / "run"
    return train(config | {"min_images": 20, "views": 1, "precision": "int8", "out": str(out), "seed": 1})


def weight_types(folder):
    operations = openvino.Core().read_model(folder / NETWORK).get_ops()
    return {str(row.get_element_type().to_string()) for row in operations if row.get_type_name() == "Constant"}


def test_train_in_int8_predicts_with_the_network_that_was_scored(run):
    parity = run.report.int8
    assert parity["used"] and parity["accuracy"] >= parity["float32_accuracy"] - 0.005 and parity["mean_cosine"] >= 0.98
    assert "i8" in weight_types(run.folder)
    table = pq.read_table(run.folder / "predictions.parquet").to_pandas()
    assert run.report.test["accuracy"] == pytest.approx((table.predicted == table.truth).mean())


def test_quantize_stored_keeps_float32_where_int8_is_less_accurate(run, sample):
    folder, paths = run.folder, sorted((sample / "images").iterdir())[:40]
    before = (folder / NETWORK).read_bytes()
    accuracies = iter([0.90, 0.91])
    logits, parity = quantize_stored(folder, paths, paths[:8], lambda _: next(accuracies))
    assert (parity.used, parity.accuracy, parity.float32_accuracy) == (False, 0.90, 0.91)
    assert (folder / NETWORK).read_bytes() == before
    assert not compiled_fault(folder, load_classifier_spec(folder)[1])
    np.testing.assert_allclose(logits, load_classifier(folder).logits(paths[:8]), atol=1e-5)
    assert not list(folder.glob(".int8-*"))
