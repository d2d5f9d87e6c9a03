"""probe: backbones compared on the same validation products, training products counted and left out."""

import json

import numpy as np
import pytest

from fashion_keras.analysis import linear_probe
from fashion_keras.analysis.config import ProbeConfig
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.support.errors import InputError
from fashion_keras.training.dataset_prep import prepare
from tests.helpers.cli import run_cli

FLAGS = {"backbones": "custom_cnn,fashion_small", "limit": 400, "image_size": "32x32"}


@pytest.fixture
def half_trained(sample, monkeypatch):
    """fashion_small was trained on every other validation product; their number."""
    prepared = prepare(ProbeConfig(data=sample, **FLAGS).train_configs[0])
    hashes = product_hashes(prepared.catalog)[prepared.rows["validation"]]
    known = frozenset(hashes[::2].tolist())
    monkeypatch.setattr(
        linear_probe, "encoder_training_products", lambda name, _: known if name == "fashion_small" else frozenset()
    )
    return int(np.isin(hashes, list(known)).sum()), len(hashes)


def test_probe_counts_training_products_and_leaves_them_out(sample, half_trained):
    trained, validation = half_trained
    report = linear_probe.probe({"data": sample, **FLAGS})
    counts = {row["backbone"]: row["trained_products"] for row in report["backbones"]}
    assert counts == {"fashion_small": trained, "custom_cnn": 0}
    assert (report["counts"]["validation"], report["excluded"]) == (validation, 0)
    for row in report["backbones"]:
        low, high = row["linear_ci95"]
        assert 0 <= low <= row["linear"] <= high <= 1
    flags = [text for name, value in FLAGS.items() for text in (f"--{name.replace('_', '-')}", value)]
    result = run_cli("probe", "--data", sample, *flags, "--exclude-trained", "--json")
    without = json.loads(result.stdout)
    # All backbones are scored on the same products.
    assert (without["counts"]["validation"], without["excluded"]) == (validation - trained, trained)
    assert {row["trained_products"] for row in without["backbones"]} == {0}
    assert sum(without["counts"].values()) + without["excluded"] == sum(report["counts"].values())


def test_probe_refuses_wrong_configs():
    with pytest.raises(InputError, match="--backbones must name at least one backbone"):
        ProbeConfig(backbones=",")
    with pytest.raises(InputError, match="unknown --backbone 'vgg91'; did you mean 'vgg19'"):
        ProbeConfig(backbones="vgg91")
    with pytest.raises(InputError, match="compared on one task"):
        ProbeConfig(backbones="vgg19", task="gender,season")
