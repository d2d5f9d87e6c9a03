"""Export formats: one table of what each writes, and the libraries that it needs."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ExportFormat:
    """A file format of networks.

    Attributes:
        keras_name: as `keras.Model.export` names it; "" for Keras' own file.
        file: file, or folder, of the network in an export.
        modules: Python modules that write it and run it.
        runtime: pip requirements of a client, one a word.
    """

    name: str
    keras_name: str
    file: str
    modules: tuple[str, ...]
    runtime: str

    def check_installed(self) -> None:
        """Raise InputError, which names the extra, when a library of the format is missing."""
        missing = [module for module in self.modules if find_spec(module) is None]
        if missing:
            raise InputError(
                f"--format {self.name} needs {' and '.join(missing)}, not installed here: "
                'pip install "fashion_keras[export]"'
            )

    def write(self, network: "keras.Model", folder: Path) -> None:
        """Write a network into a folder."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.keras_name:
            network.save(path)
            return
        # Keras exports only what was called before.
        network.predict_on_batch(np.zeros((1, *network.input.shape[1:]), np.float32))
        network.export(str(path), format=self.keras_name, verbose=False)


FORMATS = (
    ExportFormat("keras", "", "model.keras", (), "keras tensorflow"),
    # A version number below the model's name: TensorFlow Serving expects it.
    ExportFormat("saved_model", "tf_saved_model", "model/1", (), "tensorflow"),
    ExportFormat("onnx", "onnx", "model.onnx", ("tf2onnx", "onnx", "onnxruntime"), "onnxruntime"),
    ExportFormat("openvino", "openvino", "model.xml", ("openvino",), "openvino"),
    ExportFormat("litert", "litert", "model.tflite", ("ai_edge_litert",), "ai-edge-litert"),
)


def get_format(name: str) -> ExportFormat:
    """Return the row of that name; InputError with the nearest known name for an unknown one."""
    for row in FORMATS:
        if row.name == name:
            return row
    raise unknown_name_error("--format", name, [row.name for row in FORMATS])
