"""search_similar: the nearest products, filtered, without the query itself and without the same image twice."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fashion_keras
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.images.validation import check_images
from fashion_keras.search.indexing import build_index, open_index, update_index
from fashion_keras.search.similar import search_similar
from fashion_keras.support.errors import InputError

COUNT = 120


@pytest.fixture(scope="module")
def data(sample, tmp_path_factory):
    """A catalogue of the sample's first products, and of one image under two ids."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images").mkdir()
    lines = (sample / "styles.csv").read_text().splitlines()
    products = read_catalog(sample)
    readable = set(products.reject(check_images(products.paths)).ids.tolist())
    numbered = {line.split(",")[0]: line for line in lines[1:]}
    used = [line for number, line in numbered.items() if number.isdecimal() and int(number) in readable][:COUNT]
    for line in used:
        shutil.copy(sample / "images" / f"{line.split(',')[0]}.jpg", folder / "images")
    first = used[0].split(",")[0]
    with Image.open(folder / "images" / f"{first}.jpg") as image:
        # Saved once more: other bytes, the same image.
        image.save(folder / "images" / "999999.jpg", quality=92)
    twin = ",".join(["999999", *used[0].split(",")[1:]])
    (folder / "styles.csv").write_text("\n".join([lines[0], *used, twin]) + "\n")
    return folder


@pytest.fixture(scope="module")
def index(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    build_index(data, "custom_cnn", folder, weights="none")
    return folder


@pytest.fixture(scope="module")
def catalog(data):
    return read_catalog(data)


def test_search_similar_equals_brute_force(index, catalog):
    embeddings = fashion_keras.load_encoder("custom_cnn", "none").embed(catalog.paths)
    scores = embeddings @ embeddings[5]
    expected = catalog.ids[np.lexsort((catalog.ids, -scores))]
    matches = search_similar(int(catalog.ids[5]), 4, index, exclude_self=False, collapse_duplicates=False)
    assert [match.id for match in matches] == expected[:4].tolist()
    np.testing.assert_allclose([match.score for match in matches], np.sort(scores)[::-1][:4], atol=1e-3)
    assert [match.rank for match in matches] == [1, 2, 3, 4]


def test_search_similar_takes_every_form_of_image(index, catalog):
    path = Path(catalog.paths[7])
    with Image.open(path) as image:
        forms = [path, str(path), path.read_bytes(), image.copy(), np.asarray(image), int(catalog.ids[7])]
    results = search_similar(forms, 3, index)
    assert len(results) == 6
    assert {tuple(match.id for match in matches) for matches in results} == {tuple(match.id for match in results[0])}
    single = [search_similar(form, 3, index) for form in forms]
    assert single == results
    assert search_similar((form for form in forms), 3, index) == results


def test_search_similar_leaves_out_the_query_and_its_image_under_another_id(index, catalog):
    first = int(catalog.ids[0])
    for query in (first, str(catalog.paths[0])):
        assert not {first, 999999} & {match.id for match in search_similar(query, 5, index)}
        both = search_similar(query, 2, index, exclude_self=False, collapse_duplicates=False)
        assert {match.id for match in both} == {first, 999999}
        alone = search_similar(query, 5, index, exclude_self=False)
        assert len({first, 999999} & {match.id for match in alone}) == 1


def test_search_similar_with_a_filter_is_exact(index, catalog):
    embeddings = fashion_keras.load_encoder("custom_cnn", "none").embed(catalog.paths)
    colors, counts = np.unique([name for name in catalog.columns["base_colour"] if name], return_counts=True)
    rare, count = str(colors[counts.argmin()]), int(counts.min())
    rows = np.flatnonzero(catalog.columns["base_colour"] == rare)
    best = rows[np.argmax((embeddings @ embeddings[5])[rows])]
    matches = search_similar(int(catalog.ids[5]), COUNT, index, {"base_colour": rare}, collapse_duplicates=False)
    assert len(matches) in (count, count - 1)
    assert matches[0].id == catalog.ids[best]
    assert {match.attributes["base_colour"] for match in matches} == {rare}


def test_where_takes_several_values_as_alternatives(index, catalog):
    colors = sorted(set(catalog.columns["base_colour"]) - {""})[:2]
    gender = catalog.columns["gender"][0]
    for match in search_similar(int(catalog.ids[3]), 10, index, {"base_colour": colors, "gender": str(gender)}):
        assert match.attributes["base_colour"] in colors
        assert match.attributes["gender"] == gender


def test_match_has_shared_attributes(index, catalog):
    row = 11
    for match in search_similar(int(catalog.ids[row]), 5, index):
        at = np.flatnonzero(catalog.ids == match.id)[0]
        for column in ("article_type", "gender", "base_colour"):
            assert (column in match.shared_attributes) == (catalog.columns[column][at] == catalog.columns[column][row])
        assert "product_display_name" not in match.shared_attributes


@pytest.mark.parametrize(
    ("query", "options", "reason"),
    [
        (1, {"k": 0}, "k is a whole number of at least 1, not 0"),
        (1, {"where": {"year": {"gte": 2012}}}, "ranges are not supported"),
        (1, {"where": ["gender"]}, "where is a mapping"),
        (123456789, {}, "123456789 is not in the index"),
        (1, {"where": {"colour": "Red"}}, "base_colour"),
        (1, {"where": {"gender": "Womens"}}, "Women"),
        (b"no image", {}, "not an image"),
        ("missing.jpg", {}, "no such file"),
    ],
)
def test_search_similar_refuses(index, catalog, query, options, reason):
    query = int(catalog.ids[0]) if query == 1 else query
    with pytest.raises(InputError, match=reason):
        search_similar(query, **{"k": 3, "index": index, **options})


def test_search_similar_without_index(tmp_path):
    with pytest.raises(InputError, match="fashion-keras index"):
        search_similar("a.jpg", index=tmp_path)


def test_search_similar_refuses_an_index_of_another_encoder(index, catalog, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(index, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["spec"]["encoder_identity"] = "0" * 24
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="another custom_cnn"):
        search_similar(catalog.paths[0], index=copy)


def test_update_index_follows_its_catalogue(data, tmp_path):
    catalogue, folder = tmp_path / "catalogue", tmp_path / "index"
    shutil.copytree(data, catalogue)
    lines = (catalogue / "styles.csv").read_text().splitlines()
    (catalogue / "styles.csv").write_text("\n".join(lines[:-2]) + "\n")
    index = build_index(catalogue, "custom_cnn", folder, weights="none")
    assert len(index) == COUNT - 1
    removed, changed = lines[1].split(","), lines[2].split(",")
    changed[5] = "Chartreuse"
    (catalogue / "styles.csv").write_text("\n".join([lines[0], ",".join(changed), *lines[3:]]) + "\n")
    change = update_index(index, catalogue)
    assert (change.added, change.updated, change.deleted) == (2, 1, 1)
    after = open_index(folder)
    assert len(after) == COUNT
    assert after.lookup([int(changed[0])]).columns["base_colour"].tolist() == ["Chartreuse"]
    with pytest.raises(InputError, match=f"{removed[0]} is not in the index"):
        after.lookup([int(removed[0])])
    change = update_index(index, catalogue)
    assert (change.added, change.updated, change.deleted) == (0, 0, 0)


def test_build_index_rejects_an_unreadable_image(data, tmp_path, caplog):
    catalogue = tmp_path / "catalogue"
    shutil.copytree(data, catalogue)
    broken = sorted((catalogue / "images").glob("*.jpg"))[3]
    broken.write_bytes(broken.read_bytes()[:200])
    caplog.set_level("INFO")
    assert len(build_index(catalogue, "custom_cnn", tmp_path / "index", weights="none")) == COUNT
    assert "1 rows and files rejected" in caplog.text


def test_the_commands(command, data, index, catalog, tmp_path):
    path, sheet = catalog.paths[4], tmp_path / "sheet.png"
    done = command("search", path, "--index", index, "-k", "3", "--out", sheet)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4
    with Image.open(sheet) as image:
        assert image.width > 4 * 168
    said = command("search", catalog.ids[4], "--index", index, "-k", "3", "--json", "--where", "gender=Women")
    matches = json.loads(said.stdout)["matches"]
    assert {match["attributes"]["gender"] for match in matches} == {"Women"}
    wrong = command("search", path, "--index", index, "--where", "gender")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    again = command("index", "--data", data, "--encoder", "custom_cnn", "--weights", "none", "--out", index)
    assert (again.returncode, "not an empty folder" in again.stderr) == (2, True)
    same = command("index", "--data", data, "--out", index, "--update", "--json")
    assert json.loads(same.stdout)["added"] == 0
