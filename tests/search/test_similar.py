"""search_similar: the nearest products, filtered, without the query itself and without the same image twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fashion_keras
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.cli import main
from fashion_keras.images.raster import ImageError
from fashion_keras.images.validation import check_images
from fashion_keras.search.indexing import build_index, load_index_encoder, open_index, update_index
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex
from fashion_keras.search.similar import search_similar
from fashion_keras.support.errors import InputError
from tests.helpers.indexes import SPEC, brute_force, records

COUNT = 120


@pytest.fixture(scope="module")
def data(sample, tmp_path_factory):
    """A catalog of the sample's first products, and of one image under two ids."""
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "images").mkdir()
    lines = (sample / "styles.csv").read_text().splitlines()
    products = read_catalog(sample)
    readable = set(products.reject(check_images(products.paths)).skus.tolist())
    numbered = {line.split(",")[0]: line for line in lines[1:]}
    used = [line for sku, line in numbered.items() if sku in readable][:COUNT]
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
    expected = catalog.skus[np.lexsort((catalog.skus, -scores))]
    matches = search_similar(str(catalog.skus[5]), 4, index=index, exclude_self=False, collapse_duplicates=False)
    assert [match.image_id for match in matches] == expected[:4].tolist()
    np.testing.assert_allclose([match.score for match in matches], np.sort(scores)[::-1][:4], atol=1e-3)
    assert [match.rank for match in matches] == [1, 2, 3, 4]


def test_search_similar_takes_every_form_of_image(index, catalog):
    path = Path(catalog.paths[7])
    with Image.open(path) as image:
        forms = [path, str(path), path.read_bytes(), image.copy(), np.asarray(image), str(catalog.skus[7])]
    results = search_similar(forms, 3, index=index)
    assert len(results) == 6
    assert {tuple(match.sku for match in matches) for matches in results} == {tuple(match.sku for match in results[0])}
    single = [search_similar(form, 3, index=index) for form in forms]
    assert single == results
    assert search_similar((form for form in forms), 3, index=index) == results


def test_search_similar_leaves_out_the_query_and_its_image_under_another_id(index, catalog):
    first = str(catalog.skus[0])
    for query in (first, str(catalog.paths[0])):
        assert not {first, "999999"} & {match.sku for match in search_similar(query, 5, index=index)}
        both = search_similar(query, 2, index=index, exclude_self=False, collapse_duplicates=False)
        assert {match.sku for match in both} == {first, "999999"}
        alone = search_similar(query, 5, index=index, exclude_self=False)
        assert len({first, "999999"} & {match.sku for match in alone}) == 1


def test_search_similar_with_a_filter_is_exact(index, catalog):
    embeddings = fashion_keras.load_encoder("custom_cnn", "none").embed(catalog.paths)
    colors, counts = np.unique([name for name in catalog.columns["base_colour"] if name], return_counts=True)
    rare, count = str(colors[counts.argmin()]), int(counts.min())
    rows = np.flatnonzero(catalog.columns["base_colour"] == rare)
    best = rows[np.argmax((embeddings @ embeddings[5])[rows])]
    matches = search_similar(
        str(catalog.skus[5]), COUNT, index=index, where={"base_colour": rare}, collapse_duplicates=False
    )
    assert len(matches) in (count, count - 1)
    assert matches[0].sku == catalog.skus[best]
    assert {match.attributes["base_colour"] for match in matches} == {rare}


def test_where_takes_several_values_as_alternatives(index, catalog):
    colors = sorted(set(catalog.columns["base_colour"]) - {""})[:2]
    gender = catalog.columns["gender"][0]
    for match in search_similar(
        str(catalog.skus[3]), 10, index=index, where={"base_colour": colors, "gender": str(gender)}
    ):
        assert match.attributes["base_colour"] in colors
        assert match.attributes["gender"] == gender


def test_match_has_shared_attributes(index, catalog):
    row = 11
    for match in search_similar(str(catalog.skus[row]), 5, index=index):
        at = np.flatnonzero(catalog.skus == match.sku)[0]
        for column in ("article_type", "gender", "base_colour"):
            assert (column in match.shared_attributes) == (catalog.columns[column][at] == catalog.columns[column][row])
        assert "product_display_name" not in match.shared_attributes


@pytest.mark.parametrize(
    ("query", "options", "reason"),
    [
        (1, {"k": 0}, "k is a whole number of at least 1, not 0"),
        (1, {"where": {"gender": {"gte": 2012}}}, "gender: it holds texts, which have no range"),
        (1, {"where": ["gender"]}, "where is a mapping"),
        (123456789, {}, "123456789: no image id or SKU that is in the index"),
        (1, {"where": {"base_colours": "Red"}}, "did you mean 'base_colour'"),
        (1, {"where": {"gender": "Womens"}}, "Women"),
        (b"no image", {}, "not an image"),
        ("missing.jpg", {}, "no such file"),
    ],
)
def test_search_similar_refuses(index, catalog, query, options, reason):
    query = str(catalog.skus[0]) if query == 1 else query
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


def test_update_index_follows_its_catalog(data, tmp_path):
    catalog, folder = tmp_path / "catalog", tmp_path / "index"
    shutil.copytree(data, catalog)
    lines = (catalog / "styles.csv").read_text().splitlines()
    (catalog / "styles.csv").write_text("\n".join(lines[:-2]) + "\n")
    index = build_index(catalog, "custom_cnn", folder, weights="none")
    assert len(index) == COUNT - 1
    removed, changed = lines[1].split(","), lines[2].split(",")
    changed[5] = "Chartreuse"
    (catalog / "styles.csv").write_text("\n".join([lines[0], ",".join(changed), *lines[3:]]) + "\n")
    change = update_index(index, catalog)
    assert (change.added, change.updated, change.deleted) == (2, 1, 1)
    after = open_index(folder)
    assert len(after) == COUNT
    assert after.lookup(changed[0]).columns["base_colour"].tolist() == ["Chartreuse"]
    with pytest.raises(InputError, match=f"{removed[0]} is not in the index"):
        after.lookup(removed[0])
    change = update_index(index, catalog)
    assert (change.added, change.updated, change.deleted) == (0, 0, 0)


def test_build_index_rejects_an_unreadable_image(data, tmp_path, caplog):
    catalog = tmp_path / "catalog"
    shutil.copytree(data, catalog)
    broken = sorted((catalog / "images").glob("*.jpg"))[3]
    broken.write_bytes(broken.read_bytes()[:200])
    caplog.set_level("INFO")
    assert len(build_index(catalog, "custom_cnn", tmp_path / "index", weights="none")) == COUNT
    assert "1 rows and files rejected" in caplog.text


def test_search_similar_with_k_above_the_size_returns_all(index):
    assert (
        len(search_similar("999999", np.int64(500), index=index, exclude_self=False, collapse_duplicates=False))
        == COUNT + 1
    )


def test_search_similar_of_nothing_is_empty(index):
    assert search_similar([], index=index) == []


def test_search_similar_takes_many_ids_and_images(index, catalog):
    ids, paths = catalog.skus[3:5], catalog.paths[3:5]
    expected = [search_similar(int(sku), 3, index=str(index)) for sku in ids.tolist()]
    assert search_similar(ids, 3, index=index) == search_similar([int(sku) for sku in ids], 3, index=index) == expected
    assert search_similar(ids[0], 3, index=index) == expected[0]
    mixed = search_similar([paths[0], int(ids[1])], 3, index=index)
    assert [[match.sku for match in matches] for matches in mixed] == [[m.sku for m in matches] for matches in expected]


def test_search_similar_by_id_loads_no_encoder(index, catalog, monkeypatch):
    monkeypatch.setattr("fashion_keras.search.similar._SEARCHERS", {})
    monkeypatch.setattr("fashion_keras.search.indexing.load_encoder", None)
    assert len(search_similar(str(catalog.skus[3]), 3, index=index)) == 3
    with pytest.raises(ImageError, match="no such file"):
        search_similar("missing.jpg", 3, index=index)


def test_match_repr_is_short(index, catalog):
    match = search_similar(str(catalog.skus[3]), 1, index=index)[0]
    names = f"sku={match.sku!r}, image_id={match.image_id!r}"
    assert repr(match) == f"Match(rank=1, {names}, score={match.score:.3f}, path={match.path!r})"


@pytest.mark.parametrize("kind", [LocalIndex, PostgresIndex], ids=["local", "postgres"])
def test_search_similar_sees_an_index_built_in_place_of_another(kind, request, tmp_path):
    location = request.getfixturevalue("database") if kind is PostgresIndex else str(tmp_path / "index")
    first, second = records(0, 20), records(0, 20, seed=1)
    expected = [brute_force(products, products.embeddings[3], 4)[0][1:].tolist() for products in (first, second)]
    kind.create(location, SPEC, first)
    assert [match.sku for match in search_similar("000030", 3, index=location)] == expected[0]
    if kind is LocalIndex:
        shutil.rmtree(location)
    index = kind.create(location, SPEC, second, overwrite=kind is PostgresIndex)
    assert [match.sku for match in search_similar("000030", 3, index=location)] == expected[1]
    index.delete(expected[1][:1])
    assert expected[1][0] not in [match.sku for match in search_similar("000030", 3, index=location)]


def test_search_similar_sees_an_index_that_another_process_built(tmp_path):
    location, second = tmp_path / "index", records(0, 20, seed=1)
    LocalIndex.create(location, SPEC, records(0, 20))
    search_similar("000030", 3, index=location)
    program = (
        "import sys\nfrom fashion_keras.search.local import LocalIndex\n"
        "from tests.helpers.indexes import SPEC, records\n"
        "LocalIndex.create(sys.argv[1], SPEC, records(0, 20, seed=1), overwrite=True)"
    )
    subprocess.run([sys.executable, "-c", program, location], check=True)
    expected = brute_force(second, second.embeddings[3], 4)[0][1:].tolist()
    assert [match.sku for match in search_similar("000030", 3, index=location)] == expected


def test_build_index_refuses_an_index_that_is_there_before_it_encodes(data, index, monkeypatch):
    monkeypatch.setattr("fashion_keras.search.indexing.load_catalog", None)
    with pytest.raises(InputError, match=r"not an empty folder; give another --out.*--overwrite"):
        build_index(data, "custom_cnn", index, weights="none")


def test_build_index_overwrites(data, tmp_path, monkeypatch):
    sizes = []
    loaded = fashion_keras.load_encoder("custom_cnn", "none")
    monkeypatch.setattr(
        "fashion_keras.features.embeddings.load_encoder", lambda name, weights, size: (sizes.append(size), loaded)[1]
    )
    before = build_index(data, "custom_cnn", tmp_path, weights="none", image_size=(48, 32))
    after = build_index(data, "custom_cnn", tmp_path, weights="none", image_size=48, overwrite=True)
    assert sizes == ["48x32", "48x48"] == [before.spec.image_size, after.spec.image_size]
    assert open_index(tmp_path).id == after.id != before.id


@pytest.fixture
def run_command(capsys):
    """Run `fashion-keras ...` here; its exit code, output and errors."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


def test_search_command_prints_matches_and_draws_them(run_command, index, catalog, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, output, errors = run_command("search", catalog.paths[4], "--index", index, "-k", "3", "--out", sheet)
    assert (code, errors, len(output.splitlines())) == (0, "", 4)
    assert output.splitlines()[-1] == f"contact sheet  {sheet}"
    with Image.open(sheet) as image:
        assert image.width > 4 * 168


def test_search_command_without_a_match_draws_nothing(run_command, index, catalog, tmp_path):
    where = ("--where", "year>=9999", "--out", tmp_path / "sheet.png")
    assert run_command("search", catalog.paths[4], "--index", index, *where) == (0, "no product matches\n", "")
    assert not (tmp_path / "sheet.png").exists()


def test_matches_of_an_outside_photo_say_what_is_guessed(index, catalog):
    """Of ten neighbors the value that has most of the scores; of a product of the index nothing is guessed."""
    opened = open_index(index)
    with Image.open(catalog.paths[4]) as image:
        matches = search_similar(image.rotate(2, fillcolor="white"), k=3, index=index)
        (neighbors,) = opened.nearest(load_index_encoder(opened.spec).embed([image.rotate(2, fillcolor="white")]), 10)
    records = opened.lookup(neighbors.ids)
    assert any(match.guessed for match in matches)
    for match in matches:
        assert set(match.guessed) == set(match.shared_attributes)
        for name, share in match.guessed.items():
            agrees = records.columns[name] == match.attributes[name]
            assert share == pytest.approx(neighbors.scores[agrees].sum() / neighbors.scores.sum(), abs=1e-5)
            assert share > 0.5
    known = search_similar(str(catalog.skus[4]), k=3, index=index)
    assert any(match.shared_attributes for match in known)
    assert not any(match.guessed for match in known)


def test_search_prints_and_draws_nothing_in_a_read_only_folder(index, catalog, tmp_path):
    place = tmp_path / "closed"
    place.mkdir()
    place.chmod(0o555)
    # Root may write anywhere, unless this right is taken away.
    own = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    command = [*own, sys.executable, "-m", "fashion_keras", "search", str(catalog.skus[4])]
    command += ["--index", str(index.absolute()), "-k", "2"]
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 2), result.stderr
    assert "no search.png: this folder cannot be written; --out names another file" in result.stderr
    assert not any(place.iterdir())
    result = subprocess.run(
        [*command, "--out", "x.png"], cwd=place, capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.returncode, len(result.stdout.splitlines())) == (2, 2)  # printed all the same
    assert "x.png: Permission denied" in result.stderr


def test_search_command_prints_one_json_object(run_command, index, catalog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["search", catalog.skus[4], "--index", index, "-k", "3", "--json", "--where", "gender=Women"]
    code, output, _ = run_command(*arguments, "--where", "gender=Men")
    matches = json.loads(output)["matches"]
    assert code == 0
    assert {match["attributes"]["gender"] for match in matches} <= {"Women", "Men"}
    assert list(matches[0]) == [
        "sku", "image_id", "score", "rank", "path", "attributes", "shared_attributes", "matched", "guessed",
    ]  # fmt: skip
    assert not (tmp_path / "search.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "gender"], "--where is COLUMN=VALUE"),
        (["-k", "0"], "-k must be a whole number at least 1, not 0"),
        (["--out", "sheet.jpg"], "ends in .png"),
    ],
)
def test_search_command_refuses_wrong_options_in_one_line(run_command, index, catalog, arguments, message):
    code, output, errors = run_command("search", catalog.paths[4], "--index", index, *arguments)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert message in errors


def test_index_command(run_command, data, index):
    build = ["index", "--data", data, "--encoder", "custom_cnn", "--weights", "none", "--out", index]
    code, _, errors = run_command(*build)
    assert (code, "not an empty folder" in errors) == (2, True)
    code, output, _ = run_command("index", "--data", data, "--out", index, "--update", "--json")
    assert (code, json.loads(output)["added"]) == (0, 0)
    code, _, errors = run_command(*build, "--update", "--overwrite")
    assert (code, "give one of them" in errors) == (2, True)
    code, output, _ = run_command(*build, "--overwrite")
    assert (code, output.splitlines()[0]) == (0, f"{'images':12}{COUNT + 1}")
