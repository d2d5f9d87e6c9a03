"""evaluate-search: encoders and indexes in one table, on products that they were not trained on."""

import json
import shutil

import numpy as np
import pytest

from fashion_keras.analysis.evaluation_subset import encoder_training_products
from fashion_keras.analysis.retrieval_comparison import color_histograms, evaluate_search, load_part
from fashion_keras.catalog.product_hashes import product_hashes, write_training_products
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.features import registry
from fashion_keras.images.validation import load_catalog
from fashion_keras.search.indexing import build_index
from fashion_keras.support.errors import InputError
from tests.helpers.cli import run_cli

COUNT = 60


@pytest.fixture(scope="module")
def data(sample, tmp_path_factory):
    """The sample's first products with a readable image."""
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "images").mkdir()
    lines = (sample / "styles.csv").read_text().splitlines()
    numbers = load_catalog(sample).ids[:COUNT].tolist()
    numbered = {line.split(",")[0]: line for line in lines[1:]}
    for number in numbers:
        shutil.copy(sample / "images" / f"{number}.jpg", folder / "images")
    (folder / "styles.csv").write_text("\n".join([lines[0], *(numbered[str(number)] for number in numbers)]) + "\n")
    return folder


@pytest.fixture
def trained(data, tmp_path, monkeypatch):
    """A copy of fashion_small that was trained on every other product of `data`, and their hashes."""
    folder = tmp_path / "encoder"
    shutil.copytree(registry.resolve_encoder("fashion_small").folder, folder)
    hashes = frozenset(product_hashes(read_catalog(data))[::2].tolist())
    write_training_products(folder, hashes)
    return folder, hashes


def test_color_histograms_by_hand():
    red, half = np.zeros((80, 60, 3), np.uint8), np.zeros((80, 60, 3), np.uint8)
    red[..., 0] = half[:40, :, 0] = 255
    histograms = color_histograms([red, half])
    np.testing.assert_allclose(np.linalg.norm(histograms, axis=1), 1, rtol=1e-6)
    assert histograms[0].argmax() == 7 * 64
    assert histograms[0] @ histograms[1] == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_evaluate_search_scores_indexes_and_encoders_in_one_table(data, tmp_path):
    index = tmp_path / "index"
    build_index(data, "fashion_small", index)
    report = evaluate_search({"data": data, "index": [index], "encoder": "fashion_small", "part": "all"})
    scores = {row["name"]: row["scores"]["article_type precision@10"]["value"] for row in report["rows"]}
    assert list(scores) == [str(index), "fashion_small", "color histogram", "random"]
    assert scores[str(index)] == pytest.approx(scores["fashion_small"], abs=0.01)
    assert report["products"] == COUNT
    result = run_cli("evaluate-search", "--index", index, "--data", data, "--part", "all")
    assert result.returncode == 0, result.stderr
    assert "color histogram" in result.stdout


def test_load_part_held_out_is_exactly_what_no_encoder_was_trained_on(data, trained):
    folder, hashes = trained
    catalog = read_catalog(data)
    expected = [number for number, key in zip(catalog.ids, product_hashes(catalog), strict=True) if key not in hashes]
    report = evaluate_search({"data": data, "encoder": folder})
    assert (report["products"], report["excluded"]) == (len(expected), COUNT - len(expected))
    assert load_part(str(data), "held_out", hashes).catalog.ids.tolist() == expected
    assert all(row["trained_products"] == 0 for row in report["rows"])


def test_evaluate_search_counts_the_training_products_and_leaves_them_out(data, trained):
    folder, hashes = trained
    known = int(np.isin(product_hashes(read_catalog(data)), list(hashes)).sum())
    report = json.loads(
        run_cli("evaluate-search", "--data", data, "--encoder", folder, "--part", "all", "--json").stdout
    )
    assert {row["name"]: row["trained_products"] for row in report["rows"]}[str(folder)] == known > 0
    text = run_cli("evaluate-search", "--data", data, "--encoder", folder, "--part", "all").stdout
    assert f"was trained on {known} of these products" in text
    without = evaluate_search({"data": data, "encoder": folder, "part": "all", "exclude_trained": True})
    assert (without["products"], without["excluded"]) == (COUNT - known, known)


def test_encoder_training_products_of_bundled_weights_hold_at_any_stage():
    bundled = encoder_training_products("fashion_small")
    assert len(bundled) > 1000
    assert encoder_training_products("fashion_small@stage4:max") == bundled
    assert not encoder_training_products("fashion_small@stage4", "none")
    assert not encoder_training_products("vgg19")


def test_evaluate_search_refuses_a_catalog_of_training_products_alone(data, tmp_path, trained):
    folder, _ = trained
    write_training_products(folder, product_hashes(read_catalog(data)))
    with pytest.raises(InputError, match="no product left in part held_out"):
        evaluate_search({"data": data, "encoder": folder})


def test_evaluate_search_refuses_a_call_without_encoders():
    with pytest.raises(InputError, match="needs an --index or an --encoder"):
        evaluate_search({})


def test_load_part_of_a_run_counts_the_missing_test_products(sample, run, tmp_path):
    tested = json.loads((run.folder / "origin.json").read_text())["parts"]["test"]
    catalog = read_catalog(sample)
    (tmp_path / "images").mkdir()
    shutil.copy(sample / "styles.csv", tmp_path)
    for path in catalog.paths[np.isin(catalog.ids, tested)]:
        shutil.copy(path, tmp_path / "images")
    broken, gone = (tmp_path / "images" / f"{number}.jpg" for number in tested[:2])
    broken.write_bytes(b"not an image")
    part = load_part(str(tmp_path), str(run.folder), frozenset())
    assert set(part.catalog.ids.tolist()) == set(tested[1:])
    gone.unlink()
    report = evaluate_search({"data": tmp_path, "encoder": "fashion_small", "part": run.folder})
    assert (report["products"], report["test_products_missing"]) == (len(tested) - 2, 1)
