"""Recalibration: precision on reviewed labels by hand, and thresholds that follow corrected labels."""

import json

import numpy as np
import pytest

from fashion_keras import InputError, ReviewSession, build_index
from fashion_keras.catalog.corrections import Correction, append_corrections
from fashion_keras.images.validation import load_catalog
from fashion_keras.tagging import recalibrate as module
from fashion_keras.tagging.config import RecalibrateConfig, TagConfig
from fashion_keras.tagging.model.manifest import Provenance, TaggerManifest
from fashion_keras.tagging.model.tagger import load_tagger
from fashion_keras.tagging.review import build_review_queue
from fashion_keras.tagging.tag_catalog import tag_catalog
from tests.helpers.embedding_files import write_npy
from tests.helpers.shop import signs_of, toy_encoder


def gender_of(sku):
    return signs_of(int(sku) - 1)[1]


@pytest.fixture
def genders(shop, trained, toy):
    """SKU -> the gender that the tagger predicts, of those for which it predicts one."""
    tagger = load_tagger(trained.folder, toy_encoder())
    skus = [path.stem for path in sorted((shop / "images").iterdir()) if path.stem not in ("4", "11", "12")]
    tags = tagger.tag([shop / "images" / f"{sku}.png" for sku in skus])
    labels = [[tag.label for tag in each.attributes if tag.name == "gender"] for each in tags]
    return {sku: label[0] for sku, label in zip(skus, labels, strict=True) if label}


def decide(path, skus, action="accept"):
    """Accept the gender of products, or correct it to the other one."""
    other = {"Men": "Women", "Women": "Men"}
    append_corrections(
        path,
        [
            Correction(sku=sku, column="gender", before=gender_of(sku), after=other[gender_of(sku)], action=action)
            for sku in skus
        ],
    )


def recalibrate(shop, trained, path, out):
    config = RecalibrateConfig(tagger=str(trained.folder), data=str(shop), corrections=str(path), out=str(out))
    report = module.recalibrate(config).report
    (gender,) = (row for row in report["attributes"] if row["name"] == "gender")
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report))
    return report, gender


def right_tags(genders, trained, part):
    """The products of a part of the tagger's training whose tag is right."""
    ids = Provenance.read(trained.folder).parts[part]
    return [sku for sku in ids if genders.get(sku) == gender_of(sku)]


def test_precision_on_reviewed_products_with_its_exact_interval(shop, trained, genders, tmp_path):
    path = tmp_path / "c.csv"
    test, train = (right_tags(genders, trained, part) for part in ("test", "train"))
    decide(path, [*test[:3], *train[:20]])
    decide(path, [test[3], *train[20:40]], "correct")
    report, gender = recalibrate(shop, trained, path, tmp_path / "out")
    # Training products do not count. Clopper-Pearson bounds of 3 of 4 by R's binom.test.
    assert (gender["reviewed"], gender["given"], gender["right"], gender["precision"]) == (4, 4, 3, 0.75)
    assert gender["precision_ci95"] == pytest.approx([0.1941204, 0.9936905], abs=1e-6)
    assert gender["target"] == "within interval"
    assert (gender["refitted"], gender["proof_reviewed"], gender["thresholds"]) == (False, 0, {})
    assert (report["corrections"]["changed"], report["corrections"]["verified"]) == (21, 23)
    old, new = (TaggerManifest.read(folder) for folder in (trained.folder, tmp_path / "out"))
    assert old == new
    # The test part is scored with the corrected labels: one tag that was right is wrong.
    before = trained.report["together"]
    assert (report["together"]["given"], report["together"]["right"]) == (before["given"], before["right"] - 1)


def test_accepted_labels_leave_thresholds_as_they_are(shop, trained, genders, tmp_path):
    path = tmp_path / "c.csv"
    decide(path, right_tags(genders, trained, "validation")[:5])
    _, gender = recalibrate(shop, trained, path, tmp_path / "out")
    assert gender["refitted"]
    assert gender["thresholds"] == {}
    assert gender["released"][0] == gender["released"][1] == len(genders)
    assert (gender["reviewed"], gender["precision"], gender["target"]) == (0, None, None)


def test_wrong_labels_of_validation_products_raise_the_threshold(shop, trained, genders, tmp_path):
    path = tmp_path / "c.csv"
    women = [sku for sku in right_tags(genders, trained, "validation") if gender_of(sku) == "Women"]
    decide(path, women, "correct")
    _, gender = recalibrate(shop, trained, path, tmp_path / "out")
    before, after = gender["thresholds"]["Women"]
    assert before >= 0.5
    assert after is None  # every tag of it is wrong now
    assert gender["released"][1] < gender["released"][0]
    tagger = load_tagger(tmp_path / "out", toy_encoder())
    (head,) = (head for head in tagger.heads if head.name == "gender")
    assert np.isinf(head.thresholds[head.classes.index("Women")])
    report = tag_catalog(TagConfig(data=str(shop), tagger=str(tmp_path / "out"), out=str(tmp_path / "tags")))
    assert report.tags["gender"] == gender["released"][1]
    assert report.test is not None


def test_it_needs_corrections(shop, trained):
    with pytest.raises(InputError, match="give them by --corrections"):
        RecalibrateConfig(tagger=str(trained.folder), data=str(shop))


def test_the_queue_has_what_the_tagger_abstains_on(shop, trained, toy, genders, tmp_path):
    queue = build_review_queue(shop, trained.folder, encoder=_embeddings(shop, tmp_path), tasks=(), top=None)
    abstained = {(item.sku, item.attribute) for item in queue.items if item.kind == "abstained"}
    report = tag_catalog(TagConfig(data=str(shop), tagger=str(trained.folder), out=str(tmp_path / "tags")))
    assert len([sku for sku, column in abstained if column == "gender"]) == report.abstained["gender"] > 0
    assert {column for _, column in abstained} <= {"gender", "dial"}  # cloth is multi-valued, strap has no column
    assert not {sku for sku, column in abstained if column == "gender"} & set(genders)


def test_the_queue_of_an_index_is_that_of_its_catalog(shop, trained, toy, tmp_path):
    embeddings, path = _embeddings(shop, tmp_path), tmp_path / "c.csv"
    index = build_index(shop, encoder=embeddings, out=tmp_path / "index")
    queues = [
        build_review_queue(source, trained.folder, corrections=path, encoder=embeddings, tasks=(), top=None)
        for source in (index, shop)
    ]
    by_index, by_catalog = ({item.id: item for item in queue.items} for queue in queues)
    assert by_index == by_catalog != {}
    session = ReviewSession(queues[0], path)
    first = queues[0].items[0]
    session.submit(first.id, "skip")
    again = build_review_queue(index, trained.folder, corrections=path, tasks=(), top=None)
    assert first.id not in {item.id for item in again.items}


def _embeddings(shop, folder):
    """A file of the toy encoder's embeddings."""
    catalog = load_catalog(shop)
    return str(write_npy(folder / "toy.npy", toy_encoder().embed(catalog.paths), catalog.image_ids.tolist()))
