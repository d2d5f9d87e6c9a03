"""Pretraining of fashion_encoder: three stages, which are resumed."""

import pytest

from fashion_keras.models.serialization import load_spec, load_text_spec
from fashion_keras.studies.pretrain import CLASSIFICATION, FINE_TUNING, IMAGE_TEXT, STAGES
from fashion_keras.support.atomic_files import read_json


@pytest.mark.study
@pytest.mark.slow
def test_pretrain_trains_fashion_encoder_in_three_stages(command, sample, tmp_path):
    once = ("study", "pretrain", "--data", sample, "--out", tmp_path / "out", "--epochs", "0.02", "--limit", "450")
    done = command(*once)
    assert done.returncode == 0, done.stderr
    assert "article_type precision@10" in done.stdout
    second = tmp_path / "out" / "image_text"
    assert load_spec(second)[0] == IMAGE_TEXT.spec
    assert load_text_spec(second)[0].width == IMAGE_TEXT.width
    sizes = [(second / name / "model.weights.h5").stat().st_size for name in ("", "text")]
    assert sum(sizes) < 16 * 2**20
    assert read_json(second / "report.json")["weights"] == str(tmp_path / "out" / "fine_tuning")
    before = (second / "model.weights.h5").stat().st_mtime_ns
    assert command(*once).stdout == done.stdout
    assert (second / "model.weights.h5").stat().st_mtime_ns == before


def test_pretrain_keeps_the_projection_of_the_first_stages_and_the_backbone_of_all():
    assert CLASSIFICATION.spec == FINE_TUNING.spec
    assert {(stage.spec.backbone, stage.spec.image_spec, stage.width) for stage in STAGES.values()} == {
        (IMAGE_TEXT.backbone, IMAGE_TEXT.image_spec, IMAGE_TEXT.width)
    }
    assert IMAGE_TEXT.strategy == "frozen"
