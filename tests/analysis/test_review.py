"""Review of labels: which are in the queue and in what order, and the decisions on them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_keras import InputError, read_catalog
from fashion_keras.analysis.review import ReviewItem, ReviewQueue, ReviewSession
from fashion_keras.analysis.review_queue import HeadPredictions, assemble_queue
from fashion_keras.catalog.corrections import append_corrections, read_corrections

KINDS = ("Belts", "Socks")
PER_KIND = 24


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """48 products of two types in noise of their own; s3 is labeled wrong, x has the image of b0 saved again."""
    folder = tmp_path_factory.mktemp("images")
    rows = []
    for number in range(2 * PER_KIND):
        kind, sku = KINDS[number % 2], f"{'bs'[number % 2]}{number // 2}"
        pixels = np.random.default_rng(number).integers(0, 256, (40, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{sku}.png")
        rows.append((sku, str(folder / f"{sku}.png"), kind, f"no {sku}", "Red"))
    Image.open(folder / "b0.png").save(folder / "x.bmp")
    rows.append(("x", str(folder / "x.bmp"), "Socks", "no x", "Red"))
    frame = pd.DataFrame(rows, columns=["sku", "path", "article_type", "product_display_name", "base_colour"])
    frame.loc[frame.sku == "s3", "article_type"] = "Belts"
    return frame


@pytest.fixture
def catalog(frame):
    return read_catalog(frame, allow_outside=True)


def features_of(catalog):
    """Two clusters, by the letter of the SKU, of directions of their own; x as b0."""
    skus = ["b0" if sku == "x" else sku for sku in catalog.skus.tolist()]
    rows = [np.random.default_rng(int(sku[1:])).normal(0, 0.3, 16) for sku in skus]
    features = np.array(
        [np.where(np.arange(16) == (sku[0] == "s"), 2, row) for sku, row in zip(skus, rows, strict=True)]
    )
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def head(catalog, probabilities, column="base_colour", **values):
    """A head of Red, Blue and Gray that predicts Red of all products but the first ones."""
    shares = np.tile([0.9, 0.06, 0.04], (len(catalog), 1))
    shares[: len(probabilities)] = probabilities
    values = {"accepted": np.ones(len(catalog), bool), "thresholds": np.array([0.8, 0.8, np.inf])} | values
    return HeadPredictions(column, ("Red", "Blue", "Gray"), shares, **values)


def test_wrong_labels_and_duplicates_are_in_the_queue(catalog):
    queue = assemble_queue(catalog, features_of(catalog), tasks=["article_type"])
    by_kind = {kind: [item for item in queue.items if item.kind == kind] for kind in queue.kinds}
    first, second = by_kind["duplicate"]
    assert (first.sku, first.attribute, first.current, first.suggested) == ("x", "article_type", "Socks", "Belts")
    assert (first.others, first.reason) == (("b0",), "near-duplicate image b0 is labeled Belts")
    assert (second.sku, second.attribute, second.suggested, second.others) == ("x", "sku", "b0", ("b0",))
    (wrong,) = by_kind["mislabelled"]
    assert (wrong.sku, wrong.current, wrong.suggested) == ("s3", "Belts", "Socks")
    assert wrong.confidence > 0.5
    assert wrong.alternatives[0] == ("Socks", wrong.confidence)
    assert len({item.id for item in queue.items}) == len(queue) == 3


def test_heads_give_abstained_and_low_margin_items_in_order_of_usefulness(catalog):
    shares = [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]]
    queue = assemble_queue(catalog, features_of(catalog), [head(catalog, shares)])
    abstained = [item for item in queue.items if item.kind == "abstained"]
    # All are labeled Red: what contradicts that is first, the most probable before the others.
    assert [(item.sku, item.suggested, item.confidence) for item in abstained] == [
        ("s1", "Gray", 0.8), ("s0", "Blue", 0.7), ("b1", "Blue", 0.6), ("b0", "Red", 0.7),
    ]  # fmt: skip
    assert abstained[0].reason == "Gray has a probability of 0.800, and is never released"
    assert abstained[1].reason == "Blue has a probability of 0.700, below its threshold of 0.800"
    assert abstained[1].alternatives == (("Blue", 0.7), ("Red", 0.2), ("Gray", 0.1))
    assert queue.kinds["low_margin"] == 0

    always = head(catalog, [[0.45, 0.4, 0.15], [0.2, 0.41, 0.39], [0.5, 0.3, 0.2]], thresholds=None)
    margins = [
        item for item in assemble_queue(catalog, features_of(catalog), [always]).items if item.kind == "low_margin"
    ]
    assert [(item.sku, item.suggested) for item in margins] == [("s0", "Blue"), ("b0", "Red")]
    assert margins[0].reason == "Blue and Gray are 0.020 apart in probability"

    accepted = np.ones(len(catalog), bool)
    accepted[:3] = False
    gated = assemble_queue(catalog, features_of(catalog), [head(catalog, shares, accepted=accepted)])
    assert [item.sku for item in gated.items if item.kind == "abstained"] == ["s1"]


def test_a_label_is_in_the_queue_once_and_at_most_top_of_a_kind(catalog):
    unsure = head(catalog, np.full((len(catalog), 3), [0.5, 0.3, 0.2]))
    queue = assemble_queue(catalog, features_of(catalog), [unsure, unsure], top=5)
    assert queue.kinds == {"duplicate": 1, "mislabelled": 0, "abstained": 5, "low_margin": 0}


def test_reviewed_labels_leave_the_queue(catalog, tmp_path):
    path = tmp_path / "corrections.csv"
    before = assemble_queue(catalog, features_of(catalog), tasks=["article_type"], corrections=path)
    session = ReviewSession(before, path)
    session.submit(before.items[0].id, "accept")
    session.submit(before.items[1].id, "skip")
    after = assemble_queue(catalog, features_of(catalog), tasks=["article_type"], corrections=path)
    assert [item.id for item in after.items] == [before.items[2].id]


def item(sku, kind="mislabelled", current="Red", suggested="Blue"):
    return ReviewItem(
        kind=kind, sku=sku, image_id=f"{sku}:1", attribute="base_colour", current=current, suggested=suggested,
        confidence=0.75, alternatives=(("Blue", 0.75), ("Red", 0.25)), reason="=why", others=("4", "5"),
    )  # fmt: skip


@pytest.fixture
def session(tmp_path):
    queue = ReviewQueue.of([item("1"), item("2"), item("3", kind="abstained", current="")])
    return ReviewSession(queue, tmp_path / "c.csv")


def test_decisions_are_appended_and_leave_the_queue(session, tmp_path):
    one, two, three = session.items()
    assert session.items("abstained") == [three]
    assert session.items(offset=1, limit=1) == [two]
    assert vars(session.submit(one.id, "correct", "Blue", "me")) == {"done": 1, "total": 3}
    session.submit(two.id, "accept", who="me")
    assert session.items() == [three]
    assert session.kinds == {"duplicate": 0, "mislabelled": 0, "abstained": 1, "low_margin": 0}
    session.submit(three.id, "accept", "Green")  # not the current label: a correction
    rows = [
        (c.sku, c.image_id, c.column, c.before, c.after, c.action, c.who)
        for c in read_corrections(tmp_path / "c.csv")[0]
    ]
    assert rows == [
        ("1", "1:1", "base_colour", "Red", "Blue", "correct", "me"),
        ("2", "2:1", "base_colour", "Red", "", "accept", "me"),
        ("3", "3:1", "base_colour", "", "Green", "correct", ""),
    ]
    again = ReviewSession(ReviewQueue((one, two, three)), tmp_path / "c.csv")
    assert (again.items(), vars(again.progress)) == ([], {"done": 3, "total": 3})


def test_wrong_decisions_change_nothing(session, tmp_path):
    first = session.items()[0]
    for arguments, message in (
        (("nothing", "accept"), "no item 'nothing'"),
        ((first.id, "accpet"), "did you mean 'accept'"),
        ((first.id, "correct"), "needs the label that is right"),
        ((first.id, "correct", "x" * 1001), "1001 characters"),
    ):
        with pytest.raises(InputError, match=message):
            session.submit(*arguments)
    with pytest.raises(InputError, match="did you mean 'abstained'"):
        session.items("abstaned")
    assert (len(session.items()), (tmp_path / "c.csv").exists()) == (3, False)


def test_threads_review_at_once(tmp_path):
    queue = ReviewQueue.of([item(str(number)) for number in range(60)])
    session = ReviewSession(queue, tmp_path / "c.csv")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda each: session.submit(each.id, "accept", who="t"), queue.items))
    assert sorted(progress.done for progress in results) == list(range(1, 61))
    corrections, malformed = read_corrections(tmp_path / "c.csv")
    assert ({each.sku for each in corrections}, malformed) == ({str(number) for number in range(60)}, [])


def test_the_written_queue_becomes_corrections_when_it_is_filled_in(frame, tmp_path):
    queue = ReviewQueue.of([item("b1"), item("b2")])
    path = tmp_path / "review.csv"
    queue.write(path)
    assert not any(line.startswith("=") or ",=" in line for line in path.read_text().splitlines())
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert table[["sku", "from", "suggested", "kind", "confidence", "others"]].iloc[0].tolist() == [
        "b1", "Red", "Blue", "mislabelled", "0.7500", "4 5",
    ]  # fmt: skip
    assert read_corrections(path) == ([], [])
    table.loc[0, ["action", "to"]] = "correct", "Blue"
    table.to_csv(path, index=False)
    corrected = read_catalog(frame, allow_outside=True, corrections=path)
    assert corrected.corrections.read == corrected.corrections.changed == 1
    assert corrected.columns["base_colour"][corrected.skus == "b1"].tolist() == ["Blue"]
    with pytest.raises(InputError, match="has columns beside when, who"):
        append_corrections(path, read_corrections(path)[0])


def test_queue_is_a_frame():
    frame = ReviewQueue.of([item("1")]).to_frame()
    assert frame.loc[0, ["sku", "kind", "current", "suggested"]].tolist() == ["1", "mislabelled", "Red", "Blue"]
    assert frame.loc[0, "others"] == ["4", "5"]
    assert list(ReviewQueue(()).to_frame().columns) == list(frame.columns)
