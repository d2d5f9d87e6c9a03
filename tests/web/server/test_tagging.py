"""Tags as the page shows them, by heads whose probabilities are known; predictions and heat maps of a run."""

import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fashion_keras.features.encoder import Encoder
from fashion_keras.images.spec import ImageSpec
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.tagger import Tagger
from fashion_keras.web.config import ServeConfig
from fashion_keras.web.service.tagging import tag_image
from tests.helpers.servers import running


def head(name, kind, classes, types, logits, thresholds):
    """A head whose logits do not depend on the image."""
    weights = np.zeros((len(classes), 2), np.float32)
    return LinearHead(name, kind, classes, types, weights, np.array(logits, np.float32), 0.0, 1.0, np.array(thresholds))


def forward(pixels):
    return np.tile(np.array([[1, 0]], np.float32), (len(pixels), 1))


ENCODER = Encoder("toy", ImageSpec(4, 3), forward, "tensorflow", "float32", "toy-1", unit_norm=True)
PIXELS = np.zeros((4, 3, 3), np.uint8)
# sigmoid(2) = 0.8808, sigmoid(-1) = 0.2689; softmax(1, 0, -1) = 0.6652, 0.2447, 0.0900
GATE = head("product type", "multi", ("shoe", "watch"), ("shoe", "watch"), (2, -1), (0.8, 0.5))
HEADS = (
    head("color", "single", ("red", "blue", "green"), ("shoe",), (1, 0, -1), (0.6, 0.6, 0.6)),
    head("gender", "single", ("men", "women", "unisex"), ("shoe", "watch"), (1, 0, -1), (0.7, 0.7, 0.7)),
    head("dial", "single", ("dark", "light"), ("watch",), (0, 1), (0.1, 0.1)),
    head("cloth", "multi", ("canvas", "suede", "mesh"), ("shoe",), (2, 2.5, -3), (0.5, 0.5, 0.5)),
)


def test_labels_are_released_abstained_or_gated():
    reply = tag_image((Tagger(ENCODER, GATE, HEADS, 0.9), PIXELS), None)
    assert reply["product_type"] == {"label": "shoe", "confidence": 0.8808, "accepted": True}
    assert reply["outlier"] == {"score": 0.1192, "threshold": 0.2, "rejected": False}
    rows = [(row["name"], row["label"], row["confidence"], row["status"]) for row in reply["attributes"]]
    assert rows == [
        ("color", "red", 0.6652, "released"), ("gender", "men", 0.6652, "abstained"),
        ("dial", "light", 0.7311, "gated"),
        ("cloth", "suede", 0.9241, "released"), ("cloth", "canvas", 0.8808, "released"),
    ]  # fmt: skip
    color, _, _, suede, _ = reply["attributes"]
    assert color["alternatives"] == [{"label": "blue", "confidence": 0.2447}, {"label": "green", "confidence": 0.09}]
    assert [other["label"] for other in suede["alternatives"]] == ["mesh"]


def test_an_image_of_no_product_type_is_an_outlier_without_attributes():
    gate = head("product type", "multi", ("shoe", "watch"), ("shoe", "watch"), (-1, -2), (0.8, np.inf))
    reply = tag_image((Tagger(ENCODER, gate, HEADS, 0.9), PIXELS), None)
    assert reply["product_type"] == {"label": "shoe", "confidence": 0.2689, "accepted": False}
    assert reply["outlier"] == {"score": 0.7311, "threshold": 0.2, "rejected": True}
    assert {row["status"] for row in reply["attributes"]} == {"gated"}


def test_there_are_no_tags_without_tagger_and_run(client, photo):
    for path in ("/api/tag", "/api/explain"):
        assert client.post(path, files={"image": ("a", photo)}).status_code == 404


def test_a_run_predicts_and_explains(index, run, photo):
    from fashion_keras import load_classifier

    with running(ServeConfig(index=index, run=str(run.folder), max_seconds=300.0)) as client, client:
        assert client.get("/api/info").json()["run"] is True
        (row,) = client.post("/api/tag", files={"image": ("a", photo)}).json()["attributes"]
        ((label, probability), *others) = load_classifier(run.folder).predict(photo).top(3)[0]
        assert (row["label"], row["status"]) == (label, "released")
        assert row["confidence"] == pytest.approx(probability, abs=1e-3)
        assert [other["label"] for other in row["alternatives"][:2]] == [name for name, _ in others]
        while (reply := client.post("/api/explain", files={"image": ("a", photo)})).status_code == 202:
            assert int(reply.headers["retry-after"]) > 0
            time.sleep(0.5)
        image = Image.open(BytesIO(reply.content))
        assert (image.format, image.height) == ("PNG", 480)
        assert np.ptp(np.asarray(image.convert("RGB")).astype(int), axis=2).max() > 50  # colored somewhere
        wrong = client.post("/api/explain", files={"image": ("a", photo)}, data={"attribute": "colour"})
        assert wrong.status_code == 400 and "unknown attribute" in wrong.json()["error"]


@pytest.mark.slow
def test_the_explainer_of_a_tagger_has_the_logits_of_its_heads(photo):
    from fashion_keras import load_encoder
    from fashion_keras.images.decode import decode
    from fashion_keras.tagging.model.explainer import load_tagger_explainer
    from fashion_keras.tagging.model.manifest import EncoderReference

    encoder = load_encoder("fashion_small", precision="float32")
    random = np.random.default_rng(0)
    features = encoder.embed(photo)
    heads = [
        LinearHead(name, kind, ("a", "b", "c"), (), random.normal(size=(3, features.shape[1])).astype(np.float32),
                   random.normal(size=3).astype(np.float32), 0.0, 2.0, np.zeros(3))
        for name, kind in (("one", "single"), ("many", "multi"))
    ]  # fmt: skip
    explainer = load_tagger_explainer(EncoderReference("fashion_small", "auto", encoder.identity), heads)
    pixels = decode(photo, encoder.image_spec)[None].astype(np.float32)
    expected = np.concatenate([head.logits(features) for head in heads], axis=1)
    np.testing.assert_allclose(np.asarray(explainer.network(pixels)), expected, atol=1e-3)
    (explanation,) = explainer.explain([photo], head="many")
    activation = explanation.activations[0]
    best = heads[1].probabilities(heads[1].logits(features))[0]
    assert (activation.label, activation.probability) == ("abc"[best.argmax()], pytest.approx(best.max(), abs=1e-3))
