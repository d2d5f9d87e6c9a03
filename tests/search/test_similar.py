"""search_similar: the nearest, filtered, without itself and without the same picture twice, and why."""

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
    """A catalogue of the sample's first products, and of one picture that stands there under two ids."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images").mkdir()
    lines = (sample / "styles.csv").read_text().splitlines()
    products = read_catalog(sample)
    whole = set(products.reject(check_images(products.paths)).ids.tolist())
    numbered = {line.split(",")[0]: line for line in lines[1:]}
    kept = [line for number, line in numbered.items() if number.isdecimal() and int(number) in whole][:COUNT]
    for line in kept:
        shutil.copy(sample / "images" / f"{line.split(',')[0]}.jpg", folder / "images")
    first = kept[0].split(",")[0]
    with Image.open(folder / "images" / f"{first}.jpg") as image:
        # Saved once more: other bytes, the same picture.
        image.save(folder / "images" / "999999.jpg", quality=92)
    twin = ",".join(["999999", *kept[0].split(",")[1:]])
    (folder / "styles.csv").write_text("\n".join([lines[0], *kept, twin]) + "\n")
    return folder


@pytest.fixture(scope="module")
def index(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    build_index(data, "custom_cnn", folder, weights="none")
    return folder


@pytest.fixture(scope="module")
def catalog(data):
    return read_catalog(data)


def test_the_nearest_are_those_of_the_vectors(index, catalog):
    vectors = fashion_keras.load_encoder("custom_cnn", "none").embed(catalog.paths)
    scores = vectors @ vectors[5]
    expected = catalog.ids[np.lexsort((catalog.ids, -scores))]
    found = search_similar(int(catalog.ids[5]), 4, index, exclude_self=False, collapse_duplicates=False)
    assert [match.id for match in found] == expected[:4].tolist()
    np.testing.assert_allclose([match.score for match in found], np.sort(scores)[::-1][:4], atol=1e-3)
    assert [match.rank for match in found] == [1, 2, 3, 4]


def test_a_path_bytes_a_picture_an_array_and_an_id_find_the_same(index, catalog):
    path = Path(catalog.paths[7])
    with Image.open(path) as image:
        forms = [path, str(path), path.read_bytes(), image.copy(), np.asarray(image), int(catalog.ids[7])]
    found = search_similar(forms, 3, index)
    assert len(found) == 6
    assert {tuple(match.id for match in one) for one in found} == {tuple(match.id for match in found[0])}


def test_a_product_does_not_find_itself_nor_its_picture_under_another_id(index, catalog):
    first = int(catalog.ids[0])
    for query in (first, str(catalog.paths[0])):
        assert not {first, 999999} & {match.id for match in search_similar(query, 5, index)}
        both = search_similar(query, 2, index, exclude_self=False, collapse_duplicates=False)
        assert {match.id for match in both} == {first, 999999}
        alone = search_similar(query, 5, index, exclude_self=False)
        assert len({first, 999999} & {match.id for match in alone}) == 1


def test_filters_are_exact_and_go_on_until_k_are_found(index, catalog):
    vectors = fashion_keras.load_encoder("custom_cnn", "none").embed(catalog.paths)
    colours, counts = np.unique([name for name in catalog.columns["base_colour"] if name], return_counts=True)
    rare, count = str(colours[counts.argmin()]), int(counts.min())
    rows = np.flatnonzero(catalog.columns["base_colour"] == rare)
    best = rows[np.argmax((vectors @ vectors[5])[rows])]
    found = search_similar(int(catalog.ids[5]), COUNT, index, {"base_colour": rare}, collapse_duplicates=False)
    assert len(found) in (count, count - 1)
    assert found[0].id == catalog.ids[best]
    assert {match.attributes["base_colour"] for match in found} == {rare}


def test_several_values_are_alternatives_and_columns_are_not(index, catalog):
    colours = sorted(set(catalog.columns["base_colour"]) - {""})[:2]
    gender = catalog.columns["gender"][0]
    for match in search_similar(int(catalog.ids[3]), 10, index, {"base_colour": colours, "gender": str(gender)}):
        assert match.attributes["base_colour"] in colours
        assert match.attributes["gender"] == gender


def test_a_match_says_what_it_shares(index, catalog):
    row = 11
    for match in search_similar(int(catalog.ids[row]), 5, index):
        at = np.flatnonzero(catalog.ids == match.id)[0]
        for column in ("article_type", "gender", "base_colour"):
            assert (column in match.shared) == (catalog.columns[column][at] == catalog.columns[column][row])
        assert "product_display_name" not in match.shared


@pytest.mark.parametrize(
    ("query", "options", "reason"),
    [
        (1, {"k": 0}, "from 1 to the 121"),
        (1, {"k": 500}, "from 1 to the 121"),
        (123456789, {}, "123456789 is not in the index"),
        (1, {"where": {"colour": "Red"}}, "base_colour"),
        (1, {"where": {"gender": "Womens"}}, "Women"),
        ([], {}, "at least one image"),
        (b"no picture", {}, "not an image"),
        ("missing.jpg", {}, "no such file"),
    ],
)
def test_what_cannot_be_asked(index, catalog, query, options, reason):
    query = int(catalog.ids[0]) if query == 1 else query
    with pytest.raises(InputError, match=reason):
        search_similar(query, **{"k": 3, "index": index, **options})


def test_no_index(tmp_path):
    with pytest.raises(InputError, match="fashion-keras index"):
        search_similar("a.jpg", index=tmp_path)


def test_an_index_of_another_encoder_is_refused(index, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(index, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["spec"]["fingerprint"] = "0" * 24
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="another custom_cnn"):
        search_similar("a.jpg", index=copy)


def test_an_index_is_brought_up_to_date(data, tmp_path):
    catalogue, folder = tmp_path / "catalogue", tmp_path / "index"
    shutil.copytree(data, catalogue)
    lines = (catalogue / "styles.csv").read_text().splitlines()
    (catalogue / "styles.csv").write_text("\n".join(lines[:-2]) + "\n")
    index = build_index(catalogue, "custom_cnn", folder, weights="none")
    assert len(index) == COUNT - 1
    gone, changed = lines[1].split(","), lines[2].split(",")
    changed[5] = "Chartreuse"
    (catalogue / "styles.csv").write_text("\n".join([lines[0], ",".join(changed), *lines[3:]]) + "\n")
    change = update_index(index, catalogue)
    assert (change.added, change.updated, change.deleted) == (2, 1, 1)
    after = open_index(folder)
    assert len(after) == COUNT
    assert after.lookup([int(changed[0])]).columns["base_colour"].tolist() == ["Chartreuse"]
    with pytest.raises(InputError, match=f"{gone[0]} is not in the index"):
        after.lookup([int(gone[0])])
    change = update_index(index, catalogue)
    assert (change.added, change.updated, change.deleted) == (0, 0, 0)


def test_a_broken_picture_is_set_aside(data, tmp_path, caplog):
    catalogue = tmp_path / "catalogue"
    shutil.copytree(data, catalogue)
    broken = sorted((catalogue / "images").glob("*.jpg"))[3]
    broken.write_bytes(broken.read_bytes()[:200])
    caplog.set_level("INFO")
    assert len(build_index(catalogue, "custom_cnn", tmp_path / "index", weights="none")) == COUNT
    assert "1 rows and files set aside" in caplog.text


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
