"""Indexes of embeddings in a file: searched by image id and SKU, without an encoder; analyses of such files."""

import json

import numpy as np
import pytest

from fashion_keras import build_index, open_index, search_similar, update_index
from fashion_keras.support.errors import InputError
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.embedding_files import IDS, LISTS, UNIT, VALUES, write_npy, write_parquet, write_products


@pytest.fixture
def data(tmp_path):
    return write_products(tmp_path / "catalog")


def test_index_of_a_file_is_searched_by_id_alone(data, tmp_path, location):
    index = build_index(data, write_parquet(tmp_path / "a.parquet"), location)
    assert (index.spec.image_spec, index.spec.width) == (None, 4)
    nearest = np.argsort(-(UNIT @ UNIT[4]))[1:4]
    matches = search_similar("105", 3, index=location, collapse_duplicates=False)
    assert [match.sku for match in matches] == [IDS[row] for row in nearest]
    np.testing.assert_allclose([match.score for match in matches], (UNIT @ UNIT[4])[nearest], atol=2e-3)
    with pytest.raises(InputError, match=r"made of the embeddings in .*a.parquet, so there is no encoder .* SKU"):
        search_similar(data / "images" / "105.jpg", 3, index=location)


def test_index_of_a_file_follows_its_catalog_while_the_file_is_the_same(data, tmp_path):
    path = write_npy(tmp_path / "a.npy")
    index = build_index(data, path, tmp_path / "index")
    lines = (data / "styles.csv").read_text().splitlines()
    (data / "styles.csv").write_text("\n".join(lines[:-2]) + "\n")
    change = update_index(index, data)
    assert (change.added, change.updated, change.deleted) == (0, 0, 2)
    write_npy(path, 2 * VALUES)
    with pytest.raises(InputError, match=r"made by another .*a.npy .* --overwrite"):
        update_index(index, data)
    assert len(open_index(tmp_path / "index")) == 10


def test_commands_take_files(data, tmp_path):
    path, out = write_parquet(tmp_path / "a.parquet"), tmp_path / "index"
    built = run_cli("index", "--data", data, "--encoder", path, "--out", out)
    assert built.returncode == 0, built.stderr
    report = json.loads(run_cli("evaluate-search", "--data", data, "--encoder", path, "--index", out, "--json").stdout)
    scores = [row["scores"]["article_type precision@10"]["value"] for row in report["rows"]]
    relevant = (UNIT @ UNIT.T - 9 * np.eye(12)).argsort(axis=1)[:, :1:-1] % 3 == np.arange(12)[:, None] % 3
    assert scores[0] == pytest.approx(relevant.mean(), abs=1e-6)
    assert scores[1] == pytest.approx(scores[0], abs=1e-6)
    assert [row["trained_products"] for row in report["rows"]] == [0] * 4
    figure = tmp_path / "map.png"
    assert run_cli("map", "--data", data, "--encoder", path, "--out", figure).returncode == 0
    assert figure.with_suffix(".csv").is_file()
    audit = ("audit", "--data", data, "--encoder", path, "--min-images", 2, "--folds", 2)
    assert run_cli(*audit, "--out", tmp_path / "audit").returncode == 0
    searched = run_cli("search", data / "images" / "101.jpg", "--index", out, "--json")
    assert_one_line(searched, "there is no encoder for new images")
    assert json.loads(run_cli("search", "101", "--index", out, "--json").stdout)["matches"]
    for command in (audit, ("map", "--data", data, "--encoder", path), ("index", "--data", data, "--encoder", path)):
        write_parquet(path, LISTS[1:], IDS[1:])
        result = run_cli(*command, "--out", tmp_path / f"refused-{command[0]}.png")
        assert_one_line(result, "no row for 1 of 12 images of the catalog, the first '101'")
        assert not (tmp_path / f"refused-{command[0]}.png").exists()
