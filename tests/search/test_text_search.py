"""Search by words, on both back ends: alone, beside an image, to avoid, and fused with keywords in product names."""

import numpy as np
import pytest

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.features.registry import load_encoder
from fashion_keras.search.indexing import build_index, open_index
from fashion_keras.search.similar import search_similar
from fashion_keras.support.errors import InputError

ENCODER = "fashion_encoder"
OPTIONS = {"collapse_duplicates": False, "group_by_product": False}


@pytest.fixture(scope="module")
def catalog(sample):
    from fashion_keras.images.validation import reject_unreadable

    return reject_unreadable(read_catalog(sample)).take(np.arange(150))


@pytest.fixture(scope="module", params=["folder", "PostgreSQL"])
def index(request, catalog, tmp_path_factory):
    if request.param == "folder":
        place = tmp_path_factory.mktemp("index") / "index"
    else:
        place = request.getfixturevalue("server").address() + "&index=text_search"
    build_index(catalog, ENCODER, place)
    return str(place)


def ranked(catalog, scores, count):
    return catalog.image_ids[np.lexsort((catalog.image_ids, -scores))[:count]].tolist()


@pytest.fixture(scope="module")
def embeddings(catalog):
    return load_encoder(ENCODER).embed(catalog.paths)


def unit(values):
    return values / np.linalg.norm(values)


def test_search_by_text_ranks_by_the_cosine_of_image_and_text(index, catalog, embeddings):
    text = load_encoder(ENCODER).embed_text("blue shirt")[0]
    matches = search_similar(text="blue shirt", k=5, index=index, **OPTIONS)
    scores = dict(zip(catalog.image_ids.tolist(), (embeddings @ text).tolist(), strict=True))
    assert [match.score for match in matches] == pytest.approx(sorted(scores.values(), reverse=True)[:5], abs=2e-3)
    assert [scores[match.image_id] for match in matches] == pytest.approx([m.score for m in matches], abs=2e-3)
    assert search_similar(text=["blue shirt"], k=5, index=index, **OPTIONS) == [matches]


def test_search_by_text_and_image_mixes_both_by_weight(index, catalog, embeddings):
    text = load_encoder(ENCODER).embed_text("in red")[0]
    matches = search_similar(
        catalog.paths[3], 4, text="in red", index=index, text_weight=0.4, exclude_self=False, **OPTIONS
    )
    scores = embeddings @ unit(0.6 * embeddings[3] + 0.4 * text)
    assert [match.score for match in matches] == pytest.approx(np.sort(scores)[::-1][:4], abs=3e-3)
    alone = search_similar(catalog.paths[3], 4, index=index, exclude_self=False, **OPTIONS)
    unweighted = search_similar(
        catalog.paths[3], 4, text="in red", index=index, text_weight=0, exclude_self=False, **OPTIONS
    )
    assert [match.image_id for match in unweighted] == [match.image_id for match in alone]


def test_search_without_words_subtracts_them(index, embeddings):
    words = load_encoder(ENCODER).embed_text(["shirt", "stripes"])
    matches = search_similar(text="shirt", without="stripes", k=3, index=index, **OPTIONS)
    scores = embeddings @ unit(words[0] - 0.5 * words[1])
    assert [match.score for match in matches] == pytest.approx(np.sort(scores)[::-1][:3], abs=3e-3)


def test_search_by_text_keeps_to_filters(index):
    matches = search_similar(text="shirt", k=5, index=index, where={"gender": "women", "year": {"gte": 2012}})
    assert matches
    assert all(match.attributes["gender"] == "Women" and match.attributes["year"] >= 2012 for match in matches)


def test_hybrid_search_puts_a_product_first_that_is_called_by_sku_or_name(index, catalog):
    def rank(sku, name, hybrid):
        return [match.sku for match in search_similar(text=name, k=150, index=index, hybrid=hybrid)].index(sku)

    names = dict(zip(catalog.skus[:8].tolist(), catalog.columns["title"].tolist(), strict=False))
    hardest = max(names, key=lambda sku: rank(sku, names[sku], hybrid=False))
    assert search_similar(text=hardest, k=1, index=index, hybrid=True)[0].sku == hardest
    name = names[hardest]
    assert rank(hardest, name, hybrid=True) < rank(hardest, name, hybrid=False)
    matches = search_similar(text=name, k=5, index=index, hybrid=True, where={"gender": "Men"})
    assert {match.attributes["gender"] for match in matches} == {"Men"}


def test_hybrid_search_sees_a_change_of_the_index(index, catalog):
    opened = open_index(index)
    sku = str(catalog.skus[9])
    assert search_similar(text=sku, k=1, index=index, hybrid=True)[0].sku == sku
    removed = opened.lookup(opened.find(sku))
    opened.delete(removed.ids)
    assert search_similar(text=sku, k=1, index=index, hybrid=True)[0].sku != sku
    opened.add(removed)
    assert search_similar(text=sku, k=1, index=index, hybrid=True)[0].sku == sku


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither image nor text"),
        ({"text": ""}, "neither image nor text"),
        ({"text": "?!"}, "has no words"),
        ({"text": "red", "text_weight": 1.5}, "text_weight must be from 0 to 1"),
        ({"image": "1", "text": ["red", "blue"]}, "several texts with an image"),
        ({"image": "1", "hybrid": True}, "give a text"),
    ],
)
def test_search_refuses_words_that_it_cannot_use(index, options, message):
    with pytest.raises(InputError, match=message):
        search_similar(index=index, **options)


def test_search_by_text_in_an_index_of_images_alone_says_what_to_do(catalog, tmp_path):
    build_index(catalog.take(np.arange(5)), "custom_cnn", tmp_path / "index", weights="none")
    with pytest.raises(InputError, match="custom_cnn has no text tower: take fashion_encoder"):
        search_similar(text="red shirt", index=tmp_path / "index")


def test_command_search_takes_text_alone(index, command):
    done = command("search", "--text", "blue shirt", "--index", index, "-k", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert '"text": "blue shirt"' in done.stdout
    refused = command("search", "--index", index)
    assert refused.returncode == 2
    assert "image and --text are missing" in refused.stderr
