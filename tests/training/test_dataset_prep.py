"""Data preparation: what a resumed run is checked against."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras import InputError, evaluate, train
from fashion_keras.catalog.corrections import Correction, append_corrections
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


def _correct(path, catalog, before, after, count):
    """Correct the article type of the first `count` products of a class; return their SKUs."""
    skus = [str(sku) for sku in catalog.skus[catalog.columns["article_type"] == before][:count]]
    append_corrections(
        path,
        [Correction(sku=sku, column="article_type", before=before, after=after, action="correct") for sku in skus],
    )
    return skus


def test_corrections_change_the_labels_that_are_trained(tiny_config, tmp_path):
    config = replace(tiny_config, limit=None, corrections=str(tmp_path / "c.csv"))
    plain = prepare(tiny_config.__class__(**{**vars(config), "corrections": None}))
    kinds = Counter(plain.catalog.columns["article_type"].tolist())
    (most, count), (other, other_count) = kinds.most_common(2)
    skus = _correct(tmp_path / "c.csv", plain.catalog, most, other, 7)
    emptied = _correct(tmp_path / "c.csv", plain.catalog.take(~np.isin(plain.catalog.skus, skus)), most, "", 2)
    corrected = prepare(config)
    labels = dict(zip(corrected.catalog.skus.tolist(), corrected.targets.codes.tolist(), strict=True))
    classes = corrected.targets.classes
    assert {classes[labels[sku]] for sku in skus} == {other}
    assert not set(emptied) & set(labels)  # without a label, so not in any part
    after = Counter(classes[code] for code in corrected.targets.codes.tolist())
    assert (after[most], after[other]) == (count - 9, other_count + 7)
    assert corrected.catalog.corrections.columns == {"article_type": 9}
    assert corrected.fingerprint != plain.fingerprint


@pytest.mark.slow
def test_a_run_reports_its_corrections_and_is_scored_with_them(tiny_config, tmp_path):
    path = tmp_path / "c.csv"
    config = replace(
        tiny_config, corrections=str(path), out=str(tmp_path / "run"), epochs=1, limit=150, min_images=50
    )  # fmt: skip
    catalog = prepare(replace(config, corrections=None)).catalog
    before, after = (kind for kind, _ in Counter(catalog.columns["article_type"].tolist()).most_common(2))
    _correct(path, catalog, before, after, 3)
    run = train(config)
    report = json.loads((run.folder / "report.json").read_text())
    assert report["corrections"] == {
        "file": str(path), "read": 3, "changed": 3, "verified": 0, "skipped": 0, "superseded": 0, "conflicts": 0,
        "rejected": 0, "products": 3, "columns": {"article_type": 3}, "problems": [],
    }  # fmt: skip
    assert "3 labels of 3 products changed (article_type 3)" in (run.folder / "log.txt").read_text()
    scored = evaluate({"run": run.folder})
    assert scored.corrections["changed"] == 3
    assert scored.test["accuracy"] == pytest.approx(run.accuracy)
