"""Label audit: flipped labels are ranked first, rows that are not audited are counted."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fashion_keras.analysis import label_audit
from fashion_keras.analysis.config import AuditConfig
from fashion_keras.analysis.label_audit import audit, out_of_fold
from fashion_keras.catalog.corrections import Correction, append_corrections
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.images.validation import check_images
from tests.helpers.cli import run_cli

FLIPPED, BLANK = 100, 3


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def spoilt(sample, tmp_path_factory):
    """The drawn sample with 100 labels flipped, one image saved again under another label, and 3 labels missing."""
    folder = tmp_path_factory.mktemp("spoilt") / "data"
    shutil.copytree(sample, folder)
    catalog = read_catalog(sample)
    catalog = catalog.reject(check_images(catalog.paths))
    lines = [line.split(",", 5) for line in (folder / "styles.csv").read_text().splitlines()]
    place = {line[0]: at for at, line in enumerate(lines) if line[0].isdecimal()}
    labels = sorted({tuple(lines[place[number]][2:5]) for number in catalog.image_ids.tolist()})
    rng = np.random.default_rng(0)
    chosen = rng.choice(catalog.image_ids, FLIPPED + BLANK + 1, replace=False).tolist()
    for number in chosen[:FLIPPED]:
        line = lines[place[number]]
        line[2:5] = labels[(labels.index(tuple(line[2:5])) + rng.integers(1, len(labels))) % len(labels)]
    for number in chosen[FLIPPED:-1]:
        lines[place[number]][4] = ""
    twin = lines[place[chosen[-1]]]
    other = labels[labels.index(tuple(twin[2:5])) - 1]
    lines.append(["999999", twin[1], *other, "Black,Summer,2012,Casual,Twin of another"])
    with Image.open(folder / "images" / f"{chosen[-1]}.jpg") as image:
        image.save(folder / "images" / "999999.jpg", quality=92)
    (folder / "styles.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    return folder, set(chosen[:FLIPPED]), chosen[-1]


@pytest.mark.slow
def test_audit_ranks_flipped_labels_first(command, spoilt, tmp_path):
    data, flipped, twin = spoilt
    result = command("audit", "--data", data, "--out", tmp_path / "audit", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    rows = rows_of(tmp_path / "audit/audit.csv")
    assert len(rows) == len({row["id"] for row in rows}) == 200
    assert len(flipped & {row["id"] for row in rows}) >= 80
    assert (rows[0]["reason"], {rows[0]["id"], rows[0]["other"]}) == ("near_duplicate", {twin, "999999"})
    scores = [float(row["score"]) for row in rows if row["reason"] != "near_duplicate"]
    assert scores == sorted(scores, reverse=True)
    assert report["by_reason"]["same_title"] > 0
    assert [str(row["id"]) for row in report["issues"]] == [row["id"] for row in rows]
    catalog = read_catalog(data)
    for row in rows:
        (at,) = np.flatnonzero(catalog.image_ids == row["id"])
        assert row["given"] == catalog.columns["article_type"][at] != row["suggested"]
    counts = report["counts"]
    assert counts["without_label"] == BLANK
    assert counts["inputs"] == sum(counts.values()) - counts["inputs"]
    assert len(rows_of(tmp_path / "audit/rejected.csv")) == counts["inputs"] - counts["audited"]
    with Image.open(tmp_path / "audit/audit.png") as image:
        assert min(image.size) > 500


def test_out_of_fold_ignores_rows_of_the_same_product():
    rng = np.random.default_rng(0)
    vectors, codes, groups = rng.normal(size=(40, 4)), np.arange(40) % 2, np.arange(40)
    groups[:5] = 0
    changed = vectors.copy()
    changed[1:5] += 5
    before, after = (out_of_fold(values, codes, groups, 4) for values in (vectors, changed))
    np.testing.assert_allclose(before.sum(axis=1), 1)
    assert before[0].tolist() == after[0].tolist()
    assert (before[5:] != after[5:]).any()


@pytest.fixture
def small(tmp_path):
    """Six shirts under three titles, and nine caps under nine."""
    (tmp_path / "images").mkdir()
    lines = ["id,articleType,productDisplayName"]
    lines += [f"{n},Shirts,Shirt {n % 3}" for n in range(6)] + [f"{n},Caps,Cap {n}" for n in range(6, 15)]
    (tmp_path / "styles.csv").write_text("\n".join(lines) + "\n")
    for n in range(15):
        Image.new("RGB", (60, 80), (n, 0, 0)).save(tmp_path / "images" / f"{n}.jpg")
    return tmp_path


def test_audit_counts_training_products_and_leaves_them_out(small, tmp_path, monkeypatch):
    trained = read_catalog(small).product_groups[9:12].tolist()  # three caps
    monkeypatch.setattr(label_audit, "encoder_training_products", lambda _: frozenset(trained))
    options = {"data": small, "min_images": 1, "folds": 3}
    report = audit({**options, "out": tmp_path / "with"})
    assert (report["trained_products"], report["counts"]["excluded"]) == (3, 0)
    result = run_cli(
        "audit", "--data", small, "--min-images", 1, "--folds", 3, "--out", tmp_path / "without", "--exclude-trained",
        "--json",
    )  # fmt: skip
    without = json.loads(result.stdout)
    assert (without["trained_products"], without["counts"]["excluded"]) == (0, 3)
    assert without["counts"]["audited"] == report["counts"]["audited"] - 3
    assert sum(without["counts"].values()) == 2 * without["counts"]["inputs"]
    rejected = rows_of(tmp_path / "without" / "rejected.csv")
    assert [row["reason"] for row in rejected] == ["the encoder was trained on it"] * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_images": 5}, r"'Shirts' has 3 products \(6 images\).*5 folds.*--min-images 7, or take --folds 3"),
        ({"min_images": 8}, "1 of 2 classes have at least 8 images"),
        ({"folds": 1}, "--folds must be a whole number at least 2"),
        ({"top": 0}, "--top must be a whole number at least 1, not 0"),
        ({"min_images": 0}, "--min-images must be a whole number at least 1"),
        ({"task": "articletype"}, "did you mean 'article_type'"),
        ({"task": "column:size"}, "needs the column 'size'"),
    ],
)
def test_audit_refuses(small, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        audit({"data": small, "out": tmp_path / "audit", **options})
    assert not (tmp_path / "audit").exists()


@pytest.mark.slow
def test_audit_applies_corrections_and_lists_no_reviewed_label(spoilt, sample, tmp_path):
    data, flipped, _ = spoilt
    given, right = (dict(zip(each.image_ids.tolist(), each.columns["article_type"].tolist(), strict=True))
                    for each in (read_catalog(data), read_catalog(sample)))  # fmt: skip
    skus = sorted(flipped)[:40]
    append_corrections(
        tmp_path / "c.csv",
        [Correction(sku=sku, column="article_type", before=given[sku], after=right[sku], action="correct")
         for sku in skus],
    )  # fmt: skip
    report = audit(
        AuditConfig(data=data, corrections=tmp_path / "c.csv", out=tmp_path / "audit", encoder="fashion_small")
    )
    assert report["corrections"]["changed"] == report["reviewed"] == 40
    assert not set(skus) & {row["id"] for row in report["issues"]}
    frame = report.to_frame()
    assert (list(frame.columns), len(frame)) == (list(label_audit.COLUMNS), len(report["issues"]))
