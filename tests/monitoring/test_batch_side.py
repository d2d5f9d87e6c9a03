"""Folders of tags as sides: labels, states, outlier scores and thumbnails of shards."""

import json

import numpy as np
import pyarrow as pa
import pytest

from fashion_keras import drift
from fashion_keras.monitoring.side import load_side
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.drift_sides import WIDTH, directions, embedding_column, make_index, records, write_batch


def test_a_side_has_the_rows_of_all_shards(tmp_path):
    side = load_side(write_batch(tmp_path / "tags", 50, shards=3))
    assert (len(side), side.width, side.encoder_identity, side.has_signatures) == (50, WIDTH, "abc", True)
    assert side.skus.tolist() == [f"{number:06d}" for number in range(50)]
    assert side.columns["season"].tolist()[:2] == ["Summer", "Winter"]
    assert side.columns["year"].tolist()[:2] == ["2011", "2012"]
    assert "product_display_name" not in side.columns
    assert set(side.tags["gender"].labels.tolist()) == {"Men"}
    assert set(side.tags["gender"].states.tolist()) == {"released"}
    blocks = list(side.blocks())
    assert [block.start for block in blocks] == [0, 17, 34]
    embeddings = np.concatenate([block.embeddings for block in blocks])
    np.testing.assert_allclose(embeddings, directions(50, 0), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    rows = np.array([0, 16, 17, 49])
    np.testing.assert_array_equal(side.gather(rows).embeddings, embeddings[rows])
    assert side.gather(rows).signatures.shape == (4, 20, 15, 3)


def test_tags_and_their_states_are_compared(tmp_path):
    reference = write_batch(tmp_path / "a", 200, seed=1)
    new = write_batch(tmp_path / "b", 200, seed=2, first=1000, state="abstained")
    report = drift({"new": new, "against": reference})
    rows = {(row["name"], row["kind"]): row for row in report["labels"]}
    states = rows["gender", "states"]
    assert states["shares"] == {"released": [1.0, 0.0], "abstained": [0.0, 1.0]}
    assert states["drift"]
    assert rows["gender", "tags"]["not_measured"].startswith("200 reference and 0 new products have a label")
    assert report["fired"][0].startswith("tag states of gender: total variation 1.000")
    assert not report["classifier"]["drift"]


def test_outlier_scores_of_the_tagger_are_compared(tmp_path):
    reference = write_batch(tmp_path / "a", 200, seed=1)
    scores = pa.array(np.linspace(0, 1.2, 200), pa.float32())
    report = drift({"new": write_batch(tmp_path / "b", 200, seed=2, first=1000, outlier_score=scores),
                    "against": reference})  # fmt: skip
    outliers = report["outliers"]
    threshold = np.quantile(load_side(reference).outlier_scores, 0.95)
    share = (np.linspace(0, 1.2, 200).astype(np.float32) > threshold).mean()
    assert (outliers["by"], outliers["share"], outliers["drift"]) == ("outlier_score", pytest.approx(share), True)


def test_near_duplicates_are_those_of_thumbnails(tmp_path):
    """The embeddings of both sides are the same; 120 of 200 thumbnails are, too."""
    random = np.random.default_rng(0)
    first = random.integers(0, 200, (200, 900), np.uint8)
    second = first.copy()
    second[120:] = random.integers(0, 200, (80, 900), np.uint8)
    places = [
        write_batch(tmp_path / name, 200, seed=1, first=start, signature=pa.array([row.tobytes() for row in rows]))
        for name, start, rows in (("a", 0, first), ("b", 1000, second))
    ]
    duplicates = drift({"new": places[1], "against": places[0]})["near_duplicates"]
    assert (duplicates["share"], duplicates["by"], duplicates["shared_products"]) == (0.6, "thumbnails", 0)


def test_a_folder_of_tags_against_an_index(tmp_path):
    place = make_index(tmp_path / "index", records(directions(200, 5), ("Men", "Women"), first=1000))
    report = drift({"new": write_batch(tmp_path / "tags", 200, seed=1), "against": place})
    assert (report["outliers"]["by"], report["near_duplicates"]["by"]) == ("nearest_distance", "cosine")
    assert dict(report["not_measured"])["tags of gender"] == "the reference has no such tags"


def test_damaged_values_are_named(tmp_path):
    good = write_batch(tmp_path / "good", 100)
    embeddings = directions(100, 1)
    embeddings[70] = np.nan
    place = write_batch(tmp_path / "nan", 100, embedding=embedding_column(embeddings))
    assert_one_line(run_cli("drift", place, "--against", good), "embedding of image 000070 is not finite")
    place = write_batch(tmp_path / "short", 100, embedding=embedding_column(np.ones((100, 1), np.float32)))
    assert_one_line(run_cli("drift", place, "--against", good), str(place), f"not all of {WIDTH} numbers")
    place = write_batch(tmp_path / "scores", 100, outlier_score=pa.array([None] * 100, pa.float32()))
    assert_one_line(run_cli("drift", place, "--against", good), "outlier score of image 000000 is missing")


def test_folders_without_tags(tmp_path):
    """Embeddings alone, as `features encode` writes them."""
    places = [write_batch(tmp_path / str(seed), 200, seed=seed, first=1000 * seed, tagger=None) for seed in (1, 2)]
    report = drift({"new": places[0], "against": places[1]})
    assert (report["drift"], report["outliers"]["by"]) == (False, "nearest_distance")
    assert {row["kind"] for row in report["labels"]} == {"column"}


def test_tags_of_different_taggers_are_compared_with_a_warning(tmp_path):
    places = [write_batch(tmp_path / name, 100, seed, 1000 * seed, tagger=name) for seed, name in enumerate("ab")]
    (warning,) = drift({"new": places[0], "against": places[1]})["warnings"]
    assert "different taggers" in warning


def test_a_moved_folder_of_tags_exits_with_3(tmp_path):
    reference, new = write_batch(tmp_path / "a", 200, seed=1), write_batch(tmp_path / "b", 200, 2, 1000, shift=5)
    result = run_cli("drift", new, "--against", reference, "--json")
    assert result.returncode == 3
    assert json.loads(result.stdout)["classifier"]["drift"]
