"""Indexes of tagged catalogs, in a folder and in PostgreSQL: those of `build_index`, with columns of tags."""

import csv

import numpy as np
import pytest

from fashion_keras.features import embeddings
from fashion_keras.search.indexing import build_index, open_index
from fashion_keras.support.errors import InputError
from tests.batch.test_tags import change
from tests.helpers.shop import toy_encoder
from tests.search.conftest import _served


@pytest.fixture(scope="module")
def server():
    yield from _served()


@pytest.fixture(params=["local", pytest.param("postgres", marks=pytest.mark.slow)])
def place(request, tmp_path):
    """Where the index is made."""
    if request.param == "local":
        return str(tmp_path / "index")
    return f"{request.getfixturevalue('server').address()}&index=batch {request.node.name}"


@pytest.fixture
def built(monkeypatch, tmp_path):
    """Make an index of a catalog without a batch run, in a folder."""
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_: toy_encoder())

    def build(shop, name):
        return build_index(str(shop), encoder="toy", out=tmp_path / name)

    return build


def assert_agree(place, index, tags):
    """An index of tags holds the images of another index, and the released labels of a table."""
    batch = open_index(place)
    ids = np.sort(index.ids())
    assert np.sort(batch.ids()).tolist() == ids.tolist()
    stored, expected = batch.lookup(ids), index.lookup(ids)
    close = 1e-3 if place.startswith("postgres") else 1e-6  # the server stores 16 bits
    np.testing.assert_allclose(stored.embeddings, expected.embeddings, atol=close)
    assert stored.skus.tolist() == expected.skus.tolist()
    assert stored.paths.tolist() == expected.paths.tolist()
    names = [name for name in stored.columns if not name.startswith("tag_")]
    assert names == list(expected.columns)
    for name in names:
        np.testing.assert_array_equal(stored.columns[name], expected.columns[name])
    with tags.open(newline="", encoding="utf-8") as file:
        rows = {row["sku"]: row for row in csv.DictReader(file)}
    for name in ("dial", "cloth", "gender"):
        labels = dict(zip(stored.skus.tolist(), stored.columns[f"tag_{name}"].tolist(), strict=True))
        assert labels == {sku: row[name] for sku, row in rows.items()}
    return batch


def test_index_of_a_tagged_catalog(run_tag, built, shop, tmp_path, place):
    report = run_tag(shop, tmp_path / "out", index=place)
    assert report.index == {"added": 58, "updated": 0, "deleted": 0, "rejected": 0}
    batch = assert_agree(place, built(shop, "first"), tmp_path / "out/tags.csv")
    (best, *_) = batch.nearest(batch.lookup(["6"]).embeddings, 3, {"tag_gender": "Men"})
    rows = batch.lookup(best.ids)
    assert set(rows.columns["tag_gender"].tolist()) == {"Men"}
    again = run_tag(shop, tmp_path / "out", index=place)
    assert again.index == {"added": 0, "updated": 0, "deleted": 0, "rejected": 0}
    change(shop)
    # Product 61 is new and 8 gone; 6 has another image, and 1 other labels.
    changed = run_tag(shop, tmp_path / "out", index=place)
    assert changed.index == {"added": 1, "updated": 2, "deleted": 1, "rejected": 0}
    assert_agree(place, built(shop, "second"), tmp_path / "out/tags.csv")


def test_an_index_that_somebody_else_changed_is_brought_up_to_date(run_tag, built, shop, tmp_path, place):
    run_tag(shop, tmp_path / "out", index=place)
    index = open_index(place)
    index.delete(["6", "7"])
    report = run_tag(shop, tmp_path / "out", index=place)
    assert report.index == {"added": 2, "updated": 0, "deleted": 0, "rejected": 0}
    assert_agree(place, built(shop, "built"), tmp_path / "out/tags.csv")


def test_another_index_is_refused(run_tag, built, shop, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_: toy_encoder("toy-2"))
    build_index(str(shop), encoder="toy", out=tmp_path / "other")
    with pytest.raises(InputError, match=r"made by another toy \(weights toy-2, now toy-1\)"):
        run_tag(shop, tmp_path / "out", index=str(tmp_path / "other"))
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_: toy_encoder())
    build_index(str(shop), encoder="toy", out=tmp_path / "untagged")
    with pytest.raises(InputError, match=r"untagged: has other columns than .*out; make another index"):
        run_tag(shop, tmp_path / "out", index=str(tmp_path / "untagged"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="folder"):
        run_tag(shop, tmp_path / "out", index=str(tmp_path / "folder"))
