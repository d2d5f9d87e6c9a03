"""Pretraining of fashion_small: two stages, which are resumed."""

import pytest

from fashion_keras.models.serialization import load_spec
from fashion_keras.studies.pretrain import CLASSIFICATION, CONTRASTIVE
from fashion_keras.support.atomic_files import read_json


@pytest.mark.slow
def test_pretrain_trains_fashion_small_in_two_stages(command, sample, tmp_path):
    once = ("study", "pretrain", "--data", sample, "--out", tmp_path / "out", "--epochs", "0.02")
    done = command(*once)
    assert done.returncode == 0, done.stderr
    assert "article_type precision@10" in done.stdout
    second = tmp_path / "out" / "contrastive"
    assert load_spec(second)[0] == CONTRASTIVE.spec
    assert (second / "model.weights.h5").stat().st_size < 8 * 2**20
    assert read_json(second / "report.json")["weights"] == str(tmp_path / "out" / "classification")
    before = (second / "model.weights.h5").stat().st_mtime_ns
    assert command(*once).stdout == done.stdout
    assert (second / "model.weights.h5").stat().st_mtime_ns == before


def test_pretrain_stages_have_the_same_network():
    assert CLASSIFICATION.spec == CONTRASTIVE.spec
