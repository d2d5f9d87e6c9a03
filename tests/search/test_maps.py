"""fashion-keras map: a figure and a table of the same products."""

import csv
import json

import numpy as np
import pytest

from fashion_keras.catalog.products import read_catalog
from fashion_keras.cli import main
from fashion_keras.search.compare import encoded, read_part
from fashion_keras.search.maps import draw_map


def test_the_table_holds_the_products_of_the_figure(sample, run, tmp_path, capsys):
    figure = tmp_path / "a.png"
    call = ["map", "--data", str(sample), "--out", str(figure), "--label", "gender", "--part", str(run.folder)]
    assert main([*call, "--limit", "40", "--thumbnails", "5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert figure.read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader(figure.with_suffix(".csv").open()))
    part, rejected = read_part(sample, str(run.folder), 0)
    assert said["products"] == len(rows)
    assert len(rows) == pytest.approx(40, abs=5)
    assert said["products"] + said["left_out"] == len(part) == run.report["counts"]["test"]
    assert said["rejected"] == rejected
    whole = read_catalog(sample)
    genders = dict(zip(whole.ids.tolist(), whole.columns["gender"].tolist(), strict=True))
    assert all(genders[int(row["id"])] == row["label"] for row in rows)
    # The two axes are the directions of the largest variance, whatever their sign.
    vectors = encoded(
        part.take(np.flatnonzero(np.isin(part.ids, [int(row["id"]) for row in rows]))), "fashion_small", "auto"
    )
    _, spans, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    places = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    np.testing.assert_allclose(np.linalg.norm(places, axis=0), spans[:2], rtol=1e-4)
    assert said["kept"] == pytest.approx((spans[:2] ** 2).sum() / (spans**2).sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "umap"}, "unknown method 'umap'"),
        ({"out": "map.csv"}, "map.csv: the figure is a PNG file"),
        ({"limit": 0}, "--limit is from 1"),
        ({"thumbnails": -1}, "--thumbnails from 0"),
        ({"part": "held"}, "unknown part 'held'; did you mean 'held_out'"),
        ({"label": "colour"}, "unknown label 'colour'; did you mean 'base_colour'"),
        ({"encoder": "fashion_smal"}, "did you mean 'fashion_small'"),
    ],
)
def test_wrong_maps(sample, tmp_path, asked, message):
    with pytest.raises(ValueError, match=message):
        draw_map(str(sample), **({"out": tmp_path / "map.png"} | asked))
    assert not list(tmp_path.iterdir())
