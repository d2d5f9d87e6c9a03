"""Grad-CAM: by hand where a pencil will do, and on whole runs."""

import json
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from fashion_keras import InputError, load_classifier, read_catalog
from fashion_keras.analysis.grad_cam import ClassActivation, Explanation, enlarged, explain, grad_cam, plot_explanations
from fashion_keras.cli import main
from fashion_keras.images.decode import ImageSpec, decode
from fashion_keras.models.builder import build_network, load_network, save_network
from fashion_keras.models.classifier import ClassifierSpec, MultiHeadSpec
from fashion_keras.models.heads import get_head
from fashion_keras.models.predictions import LabelGroup
from fashion_keras.models.pretrained_weights import initialise


def network(pooling, weights):
    """Pixels [4, 4, 3] are the maps; a head of [3, k] weights stands on them."""
    pixels = keras.Input((4, 4, 3))
    maps = layers.Identity(name="maps")(pixels)
    whole = keras.Model(pixels, layers.Dense(weights.shape[1], name="logits")(pooling(name="pool")(maps)))
    whole.get_layer("logits").set_weights([weights, np.zeros(weights.shape[1])])
    return whole, maps


@pytest.fixture(scope="module")
def pictures(sample):
    return read_catalog(sample).paths[:3].tolist()


@pytest.fixture(scope="module")
def detector(tmp_path_factory, pictures):
    """A run of `fashion_small` that tells a picture from blank paper by the difference of their features."""
    labels = ("blank", "product")
    spec = ClassifierSpec("fashion_small", ImageSpec(96, 192), "tf", get_head("plain"), "t", labels, labels)
    network, _ = initialise(spec, "fashion")
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    blank, product = pooled.predict_on_batch(np.float32([on_paper(pictures[0], 66), np.full((96, 192, 3), 255)])[::-1])
    kernel = np.stack([blank - product, product - blank], axis=1)
    bias = -(blank + product) / 2 @ kernel
    network.get_layer("logits").set_weights([kernel, bias])
    folder = tmp_path_factory.mktemp("runs")
    save_network(spec, network, folder)
    return folder


def on_paper(picture, left):
    """A picture somewhere on white paper of 96x192."""
    paper = np.full((96, 192, 3), 255, np.uint8)
    paper[8:88, left : left + 60] = decode(picture, ImageSpec(80, 60))
    return paper


def test_behind_average_pooling_heat_is_the_maps_weighted_by_the_class():
    pixels = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    weights = np.array([[1.0, -2.0], [0.5, 3.0], [-4.0, 0.25]])
    whole, maps = network(layers.GlobalAveragePooling2D, weights)
    codes = np.array([1, 0])
    # The logit is the mean of 16 places times the weights: each place's gradient is a sixteenth of them.
    expected = [np.maximum(picture @ weights[:, code] / 16, 0) for picture, code in zip(pixels, codes, strict=True)]
    np.testing.assert_allclose(grad_cam(whole, maps, pixels, codes), expected, atol=1e-6)


def test_behind_maximum_pooling_one_place_carries_the_gradient():
    pixels = np.zeros((1, 4, 4, 3), np.float32)
    pixels[0, 1, 2] = 2, 5, 1
    whole, maps = network(layers.GlobalMaxPooling2D, np.array([[3.0], [1.0], [-1.0]]))
    heat = grad_cam(whole, maps, pixels, np.array([0]))[0]
    # (3*2 + 1*5 - 1*1) / 16 there, and 0 elsewhere.
    assert heat[1, 2] == pytest.approx(10 / 16)
    assert np.count_nonzero(heat) == 1


def test_what_speaks_against_a_class_is_not_heat():
    pixels = np.ones((1, 4, 4, 3), np.float32)
    whole, maps = network(layers.GlobalAveragePooling2D, -np.ones((3, 1)))
    assert not grad_cam(whole, maps, pixels, np.array([0])).any()


def test_heat_is_enlarged_as_pillow_enlarges_and_its_largest_is_1():
    heat = np.random.default_rng(0).random((2, 5, 4)).astype(np.float32)
    heat[1] = 0
    found = enlarged(heat, (40, 30))
    by_pillow = np.asarray(Image.fromarray(heat[0]).resize((30, 40), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(found[0], by_pillow / by_pillow.max(), atol=1e-5)
    assert not found[1].any()


@pytest.mark.parametrize("left", [4, 128])
def test_heat_lies_where_the_product_is(detector, pictures, left):
    (said,) = explain(detector, [on_paper(pictures[0], left)])
    (seen,) = said.seen
    assert seen.label == "product"
    inside = seen.heat[8:88, left : left + 60]
    assert inside.sum() > 0.8 * seen.heat.sum()
    row, column = seen.peak
    assert 8 <= row < 88
    assert left <= column < left + 60


def test_of_a_whole_run_it_agrees_with_arithmetic_without_gradients(detector, pictures):
    papers = np.stack([on_paper(picture, 40) for picture in pictures])
    network = load_network(detector)[1]
    maps = keras.Model(network.input, network.get_layer("pool").input).predict_on_batch(papers.astype(np.float32))
    expected = np.maximum(maps @ network.get_layer("logits").get_weights()[0][:, 0] / 18, 0)
    found = explain(detector, papers, label="blank", stage="stage5")
    assert maps.shape[1:3] == (3, 6)
    for heat, said in zip(expected, found, strict=True):
        by_pillow = np.asarray(Image.fromarray(heat).resize((192, 96), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(said.seen[1].heat, by_pillow / max(by_pillow.max(), 1e-9), atol=1e-4)


def test_classes_and_probabilities_are_those_of_predict(run, pictures):
    said = explain(run.folder, pictures, label=run.report["classes"][-1])
    predicted = load_classifier(run.folder).predict(pictures)
    assert [one.seen[0].label for one in said] == predicted.names
    np.testing.assert_allclose([one.seen[0].probability for one in said], predicted.probabilities.max(1), atol=1e-3)
    np.testing.assert_allclose([one.seen[-1].probability for one in said], predicted.probabilities[:, -1], atol=1e-3)
    # At 32x32 pixels the maps are of 16, 8, 4, 2 and 1 places.
    assert {one.stage for one in said} == {"stage2"}


def test_one_picture_in_any_form_is_one_image(detector, pictures):
    paper = on_paper(pictures[0], 4)
    file = BytesIO()
    Image.fromarray(paper).save(file, "PNG")
    for form in (paper, Image.fromarray(paper), file.getvalue()):
        (said,) = explain(detector, form)
        np.testing.assert_array_equal(said.pixels, paper)
    (by_text,), (by_path,) = explain(detector, pictures[0]), explain(detector, Path(pictures[0]))
    np.testing.assert_array_equal(by_text.pixels, by_path.pixels)


def test_the_most_probable_class_is_not_explained_twice(detector, pictures):
    (said,) = explain(detector, on_paper(pictures[0], 4), label="product")
    assert [seen.label for seen in said.seen] == ["product"]


def test_of_several_heads_one_is_explained(tmp_path, pictures):
    groups = (
        LabelGroup("gender", "single", ("Men", "Women"), ("Men", "Women")),
        LabelGroup("pattern", "multi", ("Dots", "Lines", "Checks"), ("a", "b", "c"), activation="sigmoid"),
    )
    spec = MultiHeadSpec(
        "custom_cnn", ImageSpec(64, 64), "tf", get_head("plain"), "gender,pattern", groups, cut="stage4"
    )
    network = build_network(spec)
    save_network(spec, network, tmp_path)
    pixels = decode(pictures[0], ImageSpec(64, 64)).astype(np.float32)[None]
    logits = network.predict_on_batch(pixels)[0]
    least = int(logits[2:].argmin())
    (said,) = explain(tmp_path, pictures[:1], label=groups[1].classes[least], head="pattern")
    assert said.seen[0].label == groups[1].classes[logits[2:].argmax()]
    assert said.seen[1].probability == pytest.approx(1 / (1 + np.exp(-logits[2 + least])), abs=1e-5)
    heat = grad_cam(network, network.get_layer("stage3_out").output, pixels, np.array([2 + least]))
    np.testing.assert_allclose(said.seen[1].heat, enlarged(heat, (64, 64))[0], atol=1e-5)
    with pytest.raises(InputError, match="several heads: name one with --head, of gender, pattern"):
        explain(tmp_path, pictures)
    with pytest.raises(InputError, match="unknown head of this run 'patern'; did you mean 'pattern'"):
        explain(tmp_path, pictures, head="patern")
    with pytest.raises(InputError, match="unknown stage of this run's custom_cnn 'stage5'"):  # it is cut off
        explain(tmp_path, pictures, head="gender", stage="stage5")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"stage": "stage5"}, "stage5 is one place for the whole of this run's pictures: name an earlier --stage"),
        ({"stage": "stage9"}, "unknown stage of this run's custom_cnn 'stage9'; did you mean"),
        ({"head": "gender"}, r"unknown head of this run 'gender'. Known: article_type"),
        ({"images": [b"no picture"]}, "not an image"),
    ],
)
def test_what_cannot_be_explained(run, pictures, asked, message):
    with pytest.raises(InputError, match=message):
        explain(run.folder, **({"images": pictures} | asked))


def test_the_command_draws_a_row_for_each_image(run, pictures, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    label, sheet = run.report["classes"][0], str(tmp_path / "a.png")
    call = ["explain", str(run.folder), *pictures, str(tmp_path / "text.jpg"), "--label", label, "--out", sheet]
    assert main([*call, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in said["explanations"]] == pictures
    assert [row["seen"][-1]["class"] for row in said["explanations"]] == [label] * 3
    assert "not an image" in said["rejected"][0]["reason"]
    with Image.open(sheet) as drawn:
        assert drawn.width == 12 + 3 * (160 + 12), "the picture, and two classes"
    assert main([*call, "--label", f"{label}x"]) == 2
    assert f"unknown label of article_type '{label}x'; did you mean '{label}'" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["", "a.txt", "folder.png"])
def test_a_figure_that_is_no_png_file_is_refused_before_anything_is_read(tmp_path, out, capsys):
    (tmp_path / "folder.png").mkdir()
    assert main(["explain", "/no/run", "/no/image.jpg", "--out", str(tmp_path / out)]) == 2
    assert "the figure is a PNG file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_a_class_without_heat_is_said_to_have_none(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "fashion_keras.analysis.grad_cam.contact_sheet",
        lambda _, images, captions, **more: drawn.extend(captions),
    )
    nothing = ClassActivation("b", 0.1, np.zeros((80, 60), np.float32))
    pixels, heat = np.full((80, 60, 3), 200, np.uint8), np.ones((80, 60), np.float32)
    said = [Explanation(pixels, "t", "stage3", (ClassActivation("a", 0.9, heat), nothing)),
            Explanation(pixels, "t", "stage3", (ClassActivation("b", 0.8, heat),))]  # fmt: skip
    plot_explanations(tmp_path / "a.png", said, ["a.jpg", "b.jpg"])
    captions = [text.splitlines() for text in drawn]
    assert captions[1:3] == [["a", "90.0%"], ["b", "10.0%", "nothing speaks for it"]]
    assert captions[4:] == [["b", "80.0%"], []], "every row has as many cells"
    assert nothing.peak is None


def test_a_figure_shows_the_picture_and_its_heat(tmp_path):
    pixels = np.full((80, 60, 3), 200, np.uint8)
    heat = np.zeros((80, 60), np.float32)
    heat[:, 30:] = 1
    plot_explanations(
        tmp_path / "a.png", [Explanation(pixels, "t", "stage3", (ClassActivation("a", 0.9, heat),))], ["a.jpg"]
    )
    sheet = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    top = 12 + 2 * 15  # below the title
    picture, shown = (sheet[top : top + 160, left : left + 120] for left in (12, 12 + 172))
    assert (picture == 200).all()
    assert np.ptp(shown[:, :60], axis=2).max() == 0, "grey where there is no heat"
    assert (shown[:, 60:, 0] > shown[:, 60:, 2] + 50).all(), "red where there is"
    plot_explanations(
        tmp_path / "b.png", [Explanation(pixels // 4, "t", "stage3", (ClassActivation("a", 0.9, heat),))], ["a.jpg"]
    )
    darker = np.asarray(Image.open(tmp_path / "b.png").convert("RGB")).astype(int)
    assert (sheet - darker)[top + 80, 12 + 172 + 90].min() > 40, "the picture is seen through the hottest heat"
