"""Studies: an experiment whole, by its name, and taken up where it stopped."""

import pytest

from fashion_keras.models.serialization import load_spec
from fashion_keras.studies.pretrain import ALIKE, LABELS
from fashion_keras.support.atomic_files import read_json


@pytest.mark.slow
def test_fashion_small_is_trained_again_in_two_stages(command, sample, tmp_path):
    once = ("study", "pretrain", "--data", sample, "--out", tmp_path / "out", "--epochs", "0.02")
    done = command(*once)
    assert done.returncode == 0, done.stderr
    assert "article_type precision@10" in done.stdout
    second = tmp_path / "out" / "alike"
    assert load_spec(second)[0] == ALIKE.spec
    assert (second / "model.weights.h5").stat().st_size < 8 * 2**20
    assert read_json(second / "report.json")["weights"] == str(tmp_path / "out" / "labels")
    before = (second / "model.weights.h5").stat().st_mtime_ns
    assert command(*once).stdout == done.stdout
    assert (second / "model.weights.h5").stat().st_mtime_ns == before


def test_the_second_stage_goes_on_from_the_first():
    assert LABELS.spec == ALIKE.spec
