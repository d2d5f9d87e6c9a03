"""fashion-keras map: a figure and a table of the same products."""

import csv
import json
import shutil

import numpy as np
import pytest

from fashion_keras.analysis.projection import draw_map
from fashion_keras.analysis.retrieval_comparison import cached_features, evaluate_search, load_subset
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.cli import main
from fashion_keras.support.errors import InputError


def test_the_table_holds_the_products_of_the_figure(sample, run, tmp_path, capsys):
    figure = tmp_path / "a.png"
    call = ["map", "--data", str(sample), "--out", str(figure), "--label", "gender", "--part", str(run.folder)]
    assert main([*call, "--limit", "40", "--thumbnails", "5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert figure.read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader(figure.with_suffix(".csv").open()))
    part, rejected = load_subset(sample, str(run.folder), 0)
    assert said["products"] == len(rows)
    assert len(rows) == pytest.approx(40, abs=5)
    assert said["products"] + said["beyond_limit"] == len(part) == run.report["counts"]["test"]
    assert said["rejected"] == rejected
    whole = read_catalog(sample)
    genders = dict(zip(whole.ids.tolist(), whole.columns["gender"].tolist(), strict=True))
    assert all(genders[int(row["id"])] == row["label"] for row in rows)
    # The two axes are the directions of the largest variance, whatever their sign.
    vectors = cached_features(
        part.take(np.flatnonzero(np.isin(part.ids, [int(row["id"]) for row in rows]))), "fashion_small", "auto"
    )
    _, spans, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    places = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    np.testing.assert_allclose(np.linalg.norm(places, axis=0), spans[:2], rtol=1e-4)
    assert said["kept"] == pytest.approx((spans[:2] ** 2).sum() / (spans**2).sum(), rel=1e-4)


def test_the_command_says_what_was_kept(sample, tmp_path, capsys):
    assert main(["map", "--data", str(sample), "--out", str(tmp_path / "a.png"), "--limit", "30"]) == 0
    said = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert 0 < float(said["share of variance kept"]) < 1
    assert len(said["share of variance kept"]) == 5
    assert int(said["products"]) + int(said["beyond limit"]) == len(load_subset(sample, "all", 0)[0])


def test_a_run_is_judged_by_its_whole_test_part_or_not_at_all(sample, run, tmp_path):
    tested = json.loads((run.folder / "origin.json").read_text())["parts"]["test"]
    catalog = read_catalog(sample)
    (tmp_path / "images").mkdir()
    shutil.copy(sample / "styles.csv", tmp_path)
    for path in catalog.paths[np.isin(catalog.ids, tested)]:
        shutil.copy(path, tmp_path / "images")
    broken, gone = (tmp_path / "images" / f"{number}.jpg" for number in tested[:2])
    broken.write_bytes(b"no picture")
    assert set(load_subset(tmp_path, str(run.folder), 0)[0].ids.tolist()) == set(tested[1:])
    gone.unlink()
    with pytest.raises(InputError, match=rf"not the catalogue of the run.*lacks 1 of the {len(tested)} products"):
        evaluate_search(tmp_path, encoders=["fashion_small"], part=str(run.folder))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "umap"}, "unknown method 'umap'"),
        ({"out": "map.csv"}, "map.csv: the figure is a PNG file"),
        ({"limit": 0}, "--limit is from 1"),
        ({"thumbnails": -1}, "--thumbnails from 0"),
        ({"part": "held"}, "unknown part 'held'; did you mean 'held_out'"),
        ({"part": "RUN"}, "unknown part 'RUN'. Known: held_out, all, or a run's folder"),
        ({"label": "base_color"}, "unknown label 'base_color'; did you mean 'base_colour'"),
        ({"label": "colour"}, "unknown label 'colour'; did you mean 'base_colour'"),
        ({"encoder": "fashion_smal"}, "did you mean 'fashion_small'"),
    ],
)
def test_wrong_maps(sample, tmp_path, asked, message):
    with pytest.raises(ValueError, match=message):
        draw_map(str(sample), **({"out": tmp_path / "map.png"} | asked))
    assert not list(tmp_path.iterdir())
