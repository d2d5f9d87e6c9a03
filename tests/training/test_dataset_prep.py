"""Data preparation: what a resumed run is checked against."""

from dataclasses import replace

import pytest

from fashion_keras import InputError
from fashion_keras.training.dataset_prep import prepare


def test_check_unchanged_refuses_other_parts_of_the_same_catalog(tiny_config):
    prepared = prepare(replace(tiny_config, limit=150, min_images=50))
    manifest = prepared.manifest(tiny_config, {"source": "none", "warning": ""})
    prepared.check_unchanged(manifest, "then")
    train, test = manifest.parts["train"], manifest.parts["test"]
    moved = replace(manifest, parts={**manifest.parts, "train": [*train, test[0]], "test": test[1:]})
    with pytest.raises(InputError, match="divided in another way since then"):
        prepared.check_unchanged(moved, "then")
    with pytest.raises(InputError, match="the catalog has changed since then"):
        prepared.check_unchanged(replace(manifest, fingerprint="other"), "then")


def test_manifest_counts_labels_and_known_rows(tiny_config):
    prepared = prepare(replace(tiny_config, task="gender,pattern", limit=150, min_images=20))
    manifest = prepared.manifest(tiny_config, {"source": "none", "warning": ""})
    rows = prepared.rows["train"]
    codes = prepared.targets.group("gender").codes[rows]
    assert manifest.train_counts["gender"] == [int((codes == code).sum()) for code in (0, 1)]
    assert manifest.known["train"]["gender"] == int((codes >= 0).sum())
    assert len(manifest.part_hashes["test"]) == len(manifest.image_hashes["test"]) == len(prepared.rows["test"])
