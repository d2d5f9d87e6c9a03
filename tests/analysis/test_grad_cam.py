"""Grad-CAM: by hand where a pencil will do, and on whole runs."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from fashion_keras import InputError, load_classifier, read_catalog
from fashion_keras.analysis.grad_cam import (
    ClassActivation,
    Explanation,
    explain,
    plot_explanations,
)
from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.cli import main
from fashion_keras.evaluation.heat_maps import grad_cam, upsample_heat
from fashion_keras.evaluation.plots.contact_sheet import CELL, LINE, MARGIN
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.builder import build_network, load_network, save_network
from fashion_keras.models.pretrained_weights import initialize
from tests.helpers.specs import classifier_spec


def network(pooling, weights):
    """Pixels [4, 4, 3] are the maps; a head of [3, k] weights stands on them."""
    pixels = keras.Input((4, 4, 3))
    maps = layers.Identity(name="maps")(pixels)
    whole = keras.Model(pixels, layers.Dense(weights.shape[1], name="logits")(pooling(name="pool")(maps)))
    whole.get_layer("logits").set_weights([weights, np.zeros(weights.shape[1])])
    return whole, maps


@pytest.fixture(scope="module")
def paths(sample):
    return read_catalog(sample).paths[:3].tolist()


@pytest.fixture(scope="module")
def detector(tmp_path_factory, paths):
    """A run of `fashion_small` that tells a image from blank paper by the difference of their features."""
    spec = classifier_spec("fashion_small", (96, 192), classes=("blank", "product"))
    network, _ = initialize(spec, "fashion")
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    blank, product = pooled.predict_on_batch(np.float32([on_paper(paths[0], 66), np.full((96, 192, 3), 255)])[::-1])
    kernel = np.stack([blank - product, product - blank], axis=1)
    bias = -(blank + product) / 2 @ kernel
    network.get_layer("logits").set_weights([kernel, bias])
    folder = tmp_path_factory.mktemp("runs")
    save_network(spec, network, folder)
    return folder


def on_paper(image, left):
    """A image somewhere on white paper of 96x192."""
    paper = np.full((96, 192, 3), 255, np.uint8)
    paper[8:88, left : left + 60] = decode(image, ImageSpec(80, 60))
    return paper


def test_grad_cam_behind_average_pooling_weights_the_maps():
    pixels = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    weights = np.array([[1.0, -2.0], [0.5, 3.0], [-4.0, 0.25]])
    whole, maps = network(layers.GlobalAveragePooling2D, weights)
    codes = np.array([1, 0])
    # The logit is the mean of 16 places times the weights: each place's gradient is a sixteenth of them.
    expected = [np.maximum(image @ weights[:, code] / 16, 0) for image, code in zip(pixels, codes, strict=True)]
    np.testing.assert_allclose(grad_cam(whole, maps, pixels, codes), expected, atol=1e-6)


def test_grad_cam_behind_maximum_pooling_has_one_place():
    pixels = np.zeros((1, 4, 4, 3), np.float32)
    pixels[0, 1, 2] = 2, 5, 1
    whole, maps = network(layers.GlobalMaxPooling2D, np.array([[3.0], [1.0], [-1.0]]))
    heat = grad_cam(whole, maps, pixels, np.array([0]))[0]
    # (3*2 + 1*5 - 1*1) / 16 there, and 0 elsewhere.
    assert heat[1, 2] == pytest.approx(10 / 16)
    assert np.count_nonzero(heat) == 1


def test_grad_cam_is_zero_where_the_class_score_falls():
    pixels = np.ones((1, 4, 4, 3), np.float32)
    whole, maps = network(layers.GlobalAveragePooling2D, -np.ones((3, 1)))
    assert not grad_cam(whole, maps, pixels, np.array([0])).any()


def test_upsample_heat_equals_pillow_with_a_largest_value_of_1():
    heat = np.random.default_rng(0).random((2, 5, 4)).astype(np.float32)
    heat[1] = 0
    large = upsample_heat(heat, (40, 30))
    by_pillow = np.asarray(Image.fromarray(heat[0]).resize((30, 40), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(large[0], by_pillow / by_pillow.max(), atol=1e-5)
    assert not large[1].any()


@pytest.mark.parametrize("left", [4, 128])
def test_explain_heat_lies_on_the_product(detector, paths, left):
    (explanation,) = explain(detector, [on_paper(paths[0], left)])
    (activation,) = explanation.activations
    assert activation.label == "product"
    inside = activation.heat[8:88, left : left + 60]
    assert inside.sum() > 0.8 * activation.heat.sum()
    row, column = activation.peak
    assert 8 <= row < 88
    assert left <= column < left + 60


def test_explain_equals_arithmetic_without_gradients(detector, paths):
    papers = np.stack([on_paper(image, 40) for image in paths])
    network = load_network(detector)[1]
    maps = keras.Model(network.input, network.get_layer("pool").input).predict_on_batch(papers.astype(np.float32))
    expected = np.maximum(maps @ network.get_layer("logits").get_weights()[0][:, 0] / 18, 0)
    explanations = explain(detector, papers, label="blank", stage="stage5")
    assert maps.shape[1:3] == (3, 6)
    for heat, explanation in zip(expected, explanations, strict=True):
        by_pillow = np.asarray(Image.fromarray(heat).resize((192, 96), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(explanation.activations[1].heat, by_pillow / max(by_pillow.max(), 1e-9), atol=1e-4)


def test_explain_predicts_as_predict(run, paths):
    explanations = explain(run.folder, paths, label=run.report.classes[-1])
    predicted = load_classifier(run.folder).predict(paths)
    assert [explanation.activations[0].label for explanation in explanations] == predicted.names
    np.testing.assert_allclose(
        [explanation.activations[0].probability for explanation in explanations],
        predicted.probabilities.max(1),
        atol=1e-3,
    )
    np.testing.assert_allclose(
        [explanation.activations[-1].probability for explanation in explanations],
        predicted.probabilities[:, -1],
        atol=1e-3,
    )
    # At 32x32 pixels the maps are of 16, 8, 4, 2 and 1 places.
    assert {explanation.stage for explanation in explanations} == {"stage2"}


def test_explain_takes_one_image_in_any_form(detector, paths):
    paper = on_paper(paths[0], 4)
    file = BytesIO()
    Image.fromarray(paper).save(file, "PNG")
    for form in (paper, Image.fromarray(paper), file.getvalue()):
        (explanation,) = explain(detector, form)
        np.testing.assert_array_equal(explanation.pixels, paper)
    (by_text,), (by_path,) = explain(detector, paths[0]), explain(detector, Path(paths[0]))
    np.testing.assert_array_equal(by_text.pixels, by_path.pixels)


def test_explain_of_no_images_is_empty(detector):
    assert explain(detector, []) == []
    with pytest.raises(InputError, match="unknown label"):
        explain(detector, [], label="shoe")


def test_explain_does_not_repeat_the_predicted_class(detector, paths):
    (explanation,) = explain(detector, on_paper(paths[0], 4), label="product")
    assert [activation.label for activation in explanation.activations] == ["product"]


def test_explain_takes_one_of_several_heads(tmp_path, paths):
    groups = (
        LabelGroup("gender", "single", ("Men", "Women"), (("Men",), ("Women",))),
        LabelGroup("pattern", "multi", ("Dots", "Lines", "Checks"), (("a",), ("b",), ("c",)), activation="sigmoid"),
    )
    spec = replace(classifier_spec(size=(64, 64), cut="stage4"), task="gender,pattern", groups=groups)
    network = build_network(spec)
    save_network(spec, network, tmp_path)
    pixels = decode(paths[0], ImageSpec(64, 64)).astype(np.float32)[None]
    logits = network.predict_on_batch(pixels)[0]
    least = int(logits[2:].argmin())
    (explanation,) = explain(tmp_path, paths[:1], label=groups[1].classes[least], head="pattern")
    assert explanation.activations[0].label == groups[1].classes[logits[2:].argmax()]
    assert explanation.activations[1].probability == pytest.approx(1 / (1 + np.exp(-logits[2 + least])), abs=1e-5)
    heat = grad_cam(network, network.get_layer("stage3_out").output, pixels, np.array([2 + least]))
    np.testing.assert_allclose(explanation.activations[1].heat, upsample_heat(heat, (64, 64))[0], atol=1e-5)
    with pytest.raises(InputError, match="several heads: name one with --head, of gender, pattern"):
        explain(tmp_path, paths)
    with pytest.raises(InputError, match="unknown head of this run 'patern'; did you mean 'pattern'"):
        explain(tmp_path, paths, head="patern")
    with pytest.raises(InputError, match="unknown stage of this run's custom_cnn 'stage5'"):  # it is cut off
        explain(tmp_path, paths, head="gender", stage="stage5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"stage": "stage5"},
            "the feature maps of stage5 are a single place at this image size: name an earlier --stage",
        ),
        ({"stage": "stage9"}, "unknown stage of this run's custom_cnn 'stage9'; did you mean"),
        ({"head": "gender"}, r"unknown head of this run 'gender'. Known: article_type"),
        ({"images": [b"not an image file"]}, "not an image"),
    ],
)
def test_explain_refuses(run, paths, options, message):
    with pytest.raises(InputError, match=message):
        explain(run.folder, **({"images": paths} | options))


def test_explain_command_draws_a_row_for_each_image(run, paths, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("not an image file")
    label, sheet = run.report.classes[0], str(tmp_path / "a.png")
    call = ["explain", str(run.folder), *paths, str(tmp_path / "text.jpg"), "--label", label, "--out", sheet]
    assert main([*call, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in report["explanations"]] == paths
    assert [row["activations"][-1]["class"] for row in report["explanations"]] == [label] * 3
    assert "not an image" in report["rejected"][0]["reason"]
    with Image.open(sheet) as drawn:
        assert drawn.width == MARGIN + 3 * (CELL + MARGIN), "the image, and two classes"
    assert main([*call, "--label", f"{label}x"]) == 2
    assert f"unknown label of article_type '{label}x'; did you mean '{label}'" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["", "a.txt", "folder.png"])
def test_explain_refuses_other_figures_before_anything_is_read(tmp_path, out, capsys):
    (tmp_path / "folder.png").mkdir()
    assert main(["explain", "/no/run", "/no/image.jpg", "--out", str(tmp_path / out)]) == 2
    assert "the figure is a PNG file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_plot_explanations_names_a_class_without_activation(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "fashion_keras.analysis.grad_cam.contact_sheet",
        lambda _, images, captions, **more: drawn.extend(captions),
    )
    nothing = ClassActivation("b", 0.1, np.zeros((80, 60), np.float32))
    pixels, heat = np.full((80, 60, 3), 200, np.uint8), np.ones((80, 60), np.float32)
    explanations = [Explanation(pixels, "t", "stage3", (ClassActivation("a", 0.9, heat), nothing)),
            Explanation(pixels, "t", "stage3", (ClassActivation("b", 0.8, heat),))]  # fmt: skip
    plot_explanations(tmp_path / "a.png", explanations, ["a.jpg", "b.jpg"])
    captions = [text.splitlines() for text in drawn]
    assert captions[1:3] == [["a", "90.0%"], ["b", "10.0%", "no activation"]]
    assert captions[4:] == [["b", "80.0%"], []], "every row has as many cells"
    assert nothing.peak is None


def test_plot_explanations_shows_the_image_and_its_heat(tmp_path):
    pixels = np.full((80, 60, 3), 200, np.uint8)
    heat = np.zeros((80, 60), np.float32)
    heat[:, 30:] = 1
    plot_explanations(
        tmp_path / "a.png", [Explanation(pixels, "t", "stage3", (ClassActivation("a", 0.9, heat),))], ["a.jpg"]
    )
    sheet = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    top, second = (
        MARGIN + 2 * LINE + int(1.5 * LINE),
        2 * MARGIN + CELL,
    )  # below title and note; right of the first cell
    image, shown = (sheet[top : top + 160, left : left + 120] for left in (MARGIN, second))
    assert (image == 200).all()
    assert np.ptp(shown[:, :60], axis=2).max() == 0, "gray where there is no heat"
    assert (shown[:, 60:, 0] > shown[:, 60:, 2] + 50).all(), "red where there is"
    plot_explanations(
        tmp_path / "b.png", [Explanation(pixels // 4, "t", "stage3", (ClassActivation("a", 0.9, heat),))], ["a.jpg"]
    )
    darker = np.asarray(Image.open(tmp_path / "b.png").convert("RGB")).astype(int)
    assert (sheet - darker)[top + 80, second + 90].min() > 40, "the image is seen through the hottest heat"
