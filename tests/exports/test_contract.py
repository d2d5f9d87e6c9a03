"""Input contracts: the sample clients, in Python and JavaScript, turn images into the pixels that this package does."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from fashion_keras.exports.clients import client
from fashion_keras.exports.contract import Contract, golden_images, make_contract, write_golden
from fashion_keras.exports.export import _CLIENTS, bundle_hash, hash_files
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec
from tests.helpers.specs import classifier_spec

FITS = ("pad", "crop", "stretch")


def sums(pixels):
    """A network: the mean of each color of pixels [b, h, w, 3], in 0..1."""
    return pixels.mean(axis=(1, 2)) / 255


def make_export(folder, size=(48, 36), fit="pad"):
    """An export without a network: its contract, and golden files of `sums`."""
    spec = classifier_spec(size=size, classes=("red", "green", "blue"))
    image_spec = ImageSpec(*size, fit=fit)
    spec = type(spec)(**{**vars(spec), "image_spec": image_spec})
    golden = write_golden(folder, image_spec, sums)
    contract = make_contract("tiny", spec, "onnx", "model.onnx", 3, golden)
    contract.write(folder)
    return contract


@pytest.mark.parametrize("fit", FITS)
def test_python_client_makes_the_pixels_of_this_package(tmp_path, fit):
    contract = make_export(tmp_path, fit=fit)
    for name in golden_images(ImageSpec(48, 36)):
        pixels = client.load_pixels(tmp_path / "golden" / f"{name}.png", contract.to_dict())
        np.testing.assert_array_equal(pixels, decode(tmp_path / "golden" / f"{name}.png", ImageSpec(48, 36, fit=fit)))


def test_contract_describes_input_and_output(tmp_path):
    contract = json.loads((make_export(tmp_path) and tmp_path / "contract.json").read_text())
    assert contract["input"]["shape"] == [None, 48, 36, 3]
    assert (contract["input"]["layout"], contract["input"]["color_order"]) == ("NHWC", "RGB")
    assert (contract["resize"]["height"], contract["resize"]["fit"], contract["resize"]["interpolation"]) == (
        48, "pad", "bilinear",
    )  # fmt: skip
    group = {"name": "gender", "kind": "single", "columns": [0, 3], "classes": ["red", "green", "blue"]}
    assert contract["output"] == {"name": "probabilities", "width": 3, "groups": [group]}
    assert Contract.read(tmp_path).to_dict() == contract


def test_golden_files_hold_pixels_and_outputs(tmp_path):
    contract = make_export(tmp_path)
    row = next(row for row in contract.golden["images"] if row["image"] == "golden/exact.png")
    pixels = np.asarray(Image.open(tmp_path / "golden" / "exact.png"))
    assert (tmp_path / row["pixels"]).read_bytes() == pixels.tobytes()
    assert row["output"] == pytest.approx(pixels.reshape(-1, 3).mean(axis=0) / 255, abs=1e-5)


def test_check_names_a_resizer_and_a_network_that_differ(tmp_path):
    contract = make_export(tmp_path).to_dict()
    assert client.check(tmp_path, contract, sums) == []
    assert "an output differs by 0.01" in client.check(tmp_path, contract, lambda pixels: sums(pixels) + 0.01)[0]
    nearest = {**contract, "resize": {**contract["resize"], "interpolation": "nearest"}}
    faults = client.check(tmp_path, nearest, sums)
    assert [fault.split(":")[0] for fault in faults] == [
        f"golden/{name}.png" for name in ("large", "tall", "small", "transparent")
    ]
    assert "a pixel differs by" in faults[0]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize("fit", FITS)
def test_javascript_resizer_agrees_with_the_golden_pixels(tmp_path, fit):
    contract = make_export(tmp_path, fit=fit)
    for name, image in golden_images(ImageSpec(48, 36)).items():
        (tmp_path / f"{name}.raw").write_bytes(np.asarray(image.convert("RGBA")).tobytes())
    sizes = {name: image.size for name, image in golden_images(ImageSpec(48, 36)).items()}
    program = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ largestDifference, onWhite, resize }} from "{_CLIENTS / "browser" / "resize.js"}";
        for (const [name, [width, height]] of Object.entries({json.dumps(sizes)})) {{
          const image = onWhite(readFileSync(`{tmp_path}/${{name}}.raw`), width, height);
          const pixels = resize(image, {json.dumps(contract.resize)});
          console.log(name, largestDifference(pixels, readFileSync(`{tmp_path}/golden/${{name}}.rgb`)));
        }}
    """
    (tmp_path / "check.mjs").write_text(program)
    result = subprocess.run(["node", tmp_path / "check.mjs"], capture_output=True, text=True)
    differences = dict(line.split() for line in result.stdout.splitlines())
    assert differences.keys() == sizes.keys(), result.stderr
    assert all(float(value) <= contract.golden["pixel_tolerance"] for value in differences.values()), differences


def test_bundle_hash_is_that_of_sha256sum(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_text("2")
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "manifest.json").write_text("{}")
    lines = subprocess.run("sha256sum b/two.txt one.txt", shell=True, cwd=tmp_path, capture_output=True).stdout
    expected = subprocess.run("sha256sum", input=lines, capture_output=True).stdout.split()[0].decode()
    assert bundle_hash(hash_files(tmp_path)) == expected
