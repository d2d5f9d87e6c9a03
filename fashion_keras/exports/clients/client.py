"""Sample client of an export: needs NumPy, Pillow and the runtime of the format, but not fashion_keras.

`python client.py --check` proves that pixels and outputs are those of the golden files; `python client.py IMAGE ...`
prints the most probable labels, or the first numbers of the embedding, of images.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

Contract = dict[str, Any]
Network = Callable[[np.ndarray], np.ndarray]


def load_pixels(image: str | Path, contract: Contract) -> np.ndarray:
    """Return pixels [h, w, 3] uint8 of an image file: upright, on white, RGB, resized as the contract describes."""
    with Image.open(image) as file:
        upright = ImageOps.exif_transpose(file).convert("RGBA")
    rgb = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    return resize(rgb, contract["resize"])


def resize(image: Image.Image, rules: dict[str, Any]) -> np.ndarray:
    """Return an RGB image as [h, w, 3] uint8 of the network's size; `rules` are the contract's `resize`."""
    height, width = rules["height"], rules["width"]
    if image.size == (width, height):
        return np.asarray(image)
    factors = height / image.height, width / image.width
    inner, columns, rows = (height, width), image.width, image.height
    if rules["fit"] == "pad":
        scale = min(factors)
        inner = max(1, round(image.height * scale)), max(1, round(image.width * scale))
    elif rules["fit"] == "crop":
        scale = max(factors)
        rows, columns = min(image.height, height / scale), min(image.width, width / scale)
    left, top = (image.width - columns) / 2, (image.height - rows) / 2
    filter_ = Image.Resampling[rules["interpolation"].upper()]
    pixels = np.asarray(image.resize(inner[::-1], filter_, (left, top, left + columns, top + rows)))
    canvas = np.full((height, width, 3), rules["pad_color"], np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = pixels
    return canvas


def load_network(folder: Path, contract: Contract) -> Network:
    """Return the exported network: pixels [n, h, w, 3] float32 in 0..255 -> outputs [n, k] float32."""
    loaders = {"keras": _keras, "saved_model": _saved_model, "onnx": _onnx, "openvino": _openvino, "litert": _litert}
    return loaders[contract["model_format"]](str(_inside(folder, contract["file"])))


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file that the contract names; ValueError where that leads out of the folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"contract.json: {name!r} leads out of the export")
    return path


def _keras(path: str) -> Network:
    import keras  # noqa: PLC0415 - only the runtime of the format is needed

    model = keras.models.load_model(path, compile=False)
    return lambda pixels: _only(model.predict_on_batch(pixels))


def _saved_model(path: str) -> Network:
    import tensorflow as tf  # noqa: PLC0415

    loaded = tf.saved_model.load(path)
    # The signature holds the model only weakly.
    return lambda pixels, model=loaded: _only(model.signatures["serving_default"](pixels=tf.constant(pixels))).numpy()


def _onnx(path: str) -> Network:
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {"pixels": pixels})[0]


def _openvino(path: str) -> Network:
    import openvino  # noqa: PLC0415

    # Without the hint, some processors compute in bfloat16.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pixels: compiled(pixels)[0]


def _litert(path: str) -> Network:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    interpreter = Interpreter(path)
    runner = interpreter.get_signature_runner("serving_default")
    return lambda pixels: _only(runner(pixels=pixels))


def _only(outputs: dict[str, Any]) -> Any:  # noqa: ANN401 - an array or tensor
    return next(iter(outputs.values()))


def check(folder: Path, contract: Contract, network: Network) -> list[str]:
    """Return what differs from the golden files; [] where pixels and outputs agree."""
    faults, golden = [], contract["golden"]
    shape = (contract["resize"]["height"], contract["resize"]["width"], 3)
    for row in golden["images"]:
        expected = np.frombuffer(_inside(folder, row["pixels"]).read_bytes(), np.uint8).reshape(shape)
        pixels = load_pixels(_inside(folder, row["image"]), contract)
        difference = int(np.abs(pixels.astype(int) - expected).max())
        if difference > golden["pixel_tolerance"]:
            faults.append(f"{row['image']}: a pixel differs by {difference} of 255")
        outputs = np.asarray(network(expected[None].astype(np.float32)))[0]
        error = float(np.abs(outputs - np.array(row["output"])).max())
        if not error <= golden["output_tolerance"]:
            faults.append(f"{row['image']}: an output differs by {error:.2g}")
    return faults


def describe(outputs: np.ndarray, contract: Contract) -> str:
    """Return one image's outputs [k] as text: three labels of each group with their probabilities, or numbers."""
    if contract["kind"] == "encoder":
        return " ".join(f"{value:.4f}" for value in outputs[:8]) + " ..."
    texts = []
    for group in contract["output"]["groups"]:
        probabilities = outputs[group["columns"][0] : group["columns"][1]]
        best = np.argsort(-probabilities, kind="stable")[:3]
        labels = ", ".join(f"{group['classes'][code]} {probabilities[code]:.3f}" for code in best)
        texts.append(f"{group['name']}: {labels}")
    return "; ".join(texts)


def main() -> int:
    """Check the golden files, or predict images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="Image files.")
    parser.add_argument("--check", action="store_true", help="Compare with the golden files.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="Folder of the export.")
    options = parser.parse_args()
    contract = json.loads((options.folder / "contract.json").read_text(encoding="utf-8"))
    network = load_network(options.folder, contract)
    faults = check(options.folder, contract, network) if options.check or not options.images else []
    for path in options.images:
        pixels = load_pixels(path, contract)[None].astype(np.float32)
        print(f"{path}: {describe(np.asarray(network(pixels))[0], contract)}")
    if options.check or not options.images:
        print("\n".join(faults) or f"pixels and outputs of {len(contract['golden']['images'])} golden images agree")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
