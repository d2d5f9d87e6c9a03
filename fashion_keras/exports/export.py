"""Export of a run or an encoder: network, contract, golden files, model card and sample clients in one folder."""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.exports.clients import client
from fashion_keras.exports.config import ExportConfig
from fashion_keras.exports.contract import OUTPUT_TOLERANCE, Contract, make_contract, write_golden
from fashion_keras.exports.formats import ExportFormat, get_format
from fashion_keras.features.hub import HUB
from fashion_keras.features.registry import encoder_network, resolve_encoder
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.validation import read_source, reject_unreadable
from fashion_keras.models.classifier import Classifier, ClassifierSpec, Forward
from fashion_keras.models.serialization import SPEC, load_spec
from fashion_keras.support.atomic_files import check_output_dir, file_sha256, safe_file_name, temporary_path, write_text
from fashion_keras.support.config_fields import SourceConfig, as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.support.tensorflow_import import import_tensorflow
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.manifests import RunManifest
from fashion_keras.training.model_card import write_model_card

log = logging.getLogger("fashion_keras")

# So many images, at most, on which an export is compared with Keras.
PARITY_IMAGES = 200
_CLIENTS = Path(client.__file__).parent


@dataclass(frozen=True, kw_only=True)
class ExportManifest(JsonRecord):
    """What an export was made of and what is in it; manifest.json.

    Attributes:
        model, model_format: name of the run's folder or the encoder, and format.
        parity: catalog, images, largest difference of an output, and of a classifier the share of equal
            most probable labels.
        versions: of what wrote it.
        files: path -> SHA-256 of each other file.
        bundle_sha256: of all of `files`, see `bundle_hash`.
    """

    FORMAT: ClassVar[str] = "fashion_keras.export/1"
    FILE: ClassVar[str] = "manifest.json"

    model: str
    model_format: str
    parity: dict[str, Any]
    versions: dict[str, str]
    files: dict[str, str]
    bundle_sha256: str


@takes_verbose
def export(config: ExportConfig | Mapping[str, Any]) -> tuple[Path, ExportManifest]:
    """Export a run or an encoder, and return the folder and its manifest.

    Raises:
        InputError: for an unknown model, a library that is not installed, or an export whose outputs differ from
            Keras' by more than `OUTPUT_TOLERANCE` on images of the catalog; nothing is left in the folder then.
    """
    config = as_config(ExportConfig, config)
    out = config.out or f"{safe_file_name(Path(config.model).name)}-{config.format}"
    folder, format_ = check_output_dir(out, ""), get_format(config.format)
    source = _load_source(config.model)
    catalog = _parity_catalog(config, source.manifest)
    temporary = temporary_path(folder)
    try:
        temporary.mkdir(parents=True)
        manifest = _write_all(config, source, catalog, format_, temporary)
        if folder.is_dir():
            folder.rmdir()
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder, manifest


@dataclass(frozen=True)
class _Source:
    """A model to export: spec, network, its folder or None, and the manifest of a run or None."""

    spec: Any
    network: Any
    folder: Path | None
    manifest: RunManifest | None

    def reference(self, images: Any) -> NDArray[np.float32]:  # noqa: ANN401 - see `Classifier.predict`
        """Return what this package itself computes, in Keras: probabilities [n, k], or embeddings [n, d]."""
        forward: Forward = self.network.predict_on_batch
        if isinstance(self.spec, ClassifierSpec):
            return Classifier(self.spec, forward).predict(images).probabilities
        return np.concatenate([forward(pixels) for pixels in for_inference(images, self.spec.image_spec)])


def _load_source(model: str) -> _Source:
    """Load a run with its logits, or anything that `load_encoder` takes."""
    import_tensorflow()
    from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

    if not model.startswith(HUB) and (Path(model) / SPEC).is_file() and isinstance(load_spec(model)[0], ClassifierSpec):
        # A run from the Hugging Face Hub has no record of its catalog.
        manifest = RunManifest.read(model) if (Path(model) / RunManifest.FILE).is_file() else None
        return _Source(*load_network(model), Path(model), manifest)
    if (Path(model) / "fold1").is_dir():
        load_spec(model)
    source = resolve_encoder(model)
    return _Source(source.spec, encoder_network(source), source.folder, None)


def _parity_catalog(config: ExportConfig, manifest: RunManifest | None) -> Catalog:
    """Return at most `PARITY_IMAGES` readable images: those of the run's test part first, spread over the catalog."""
    own = SourceConfig(**{**manifest.catalog_options, "data": manifest.data}) if manifest else config
    catalog = read_source(own if config.data is None else config)[0]
    is_test = np.isin(catalog.image_ids, manifest.parts["test"] if manifest else [])
    rows = np.concatenate([np.flatnonzero(is_test), np.flatnonzero(~is_test)])
    first = rows[: max(int(is_test.sum()), min(PARITY_IMAGES, len(rows)))]
    chosen = first[np.unique(np.linspace(0, len(first) - 1, PARITY_IMAGES).round().astype(np.int64))]
    return reject_unreadable(catalog.take(np.sort(chosen)))


def _write_all(
    config: ExportConfig, source: _Source, catalog: Catalog, format_: ExportFormat, folder: Path
) -> ExportManifest:
    from fashion_keras.exports.network import portable_network  # noqa: PLC0415 - imports TensorFlow

    format_.write(portable_network(source.network, source.spec), folder)
    golden = write_golden(folder, source.spec.image_spec, lambda pixels: source.reference(list(pixels)))
    width = len(golden["images"][0]["output"])
    contract = make_contract(Path(config.model).name, source.spec, format_.name, format_.file, width, golden)
    contract.write(folder)
    parity = check_parity(folder, contract, catalog, source)
    _copy_clients(folder, contract)
    write_model_card(folder, source.folder, source.spec, format_.name)
    files = hash_files(folder)
    names = ("fashion_keras", "keras", "tensorflow")
    manifest = ExportManifest(
        model=Path(config.model).name,
        model_format=format_.name,
        parity=parity,
        versions={name: version(name) for name in names},
        files=files,
        bundle_sha256=bundle_hash(files),
    )
    manifest.write(folder)
    return manifest


def check_parity(folder: Path, contract: Contract, catalog: Catalog, source: _Source) -> dict[str, Any]:
    """Compare an export, run by its own sample client, with Keras; InputError where they differ too much."""
    network = client.load_network(folder, contract.to_dict())
    pixels = for_inference(list(catalog.paths), source.spec.image_spec)
    outputs = np.concatenate([np.asarray(network(batch)) for batch in pixels])
    reference = source.reference(list(catalog.paths))
    difference = float(np.abs(outputs - reference).max())
    if not difference <= OUTPUT_TOLERANCE:
        raise InputError(
            f"{contract.model_format} differs from Keras by {difference:.2g} on {len(catalog)} images, more than "
            f"{OUTPUT_TOLERANCE:g}: nothing was exported; take another --format"
        )
    faults = client.check(folder, contract.to_dict(), network)
    if faults:
        raise InputError(f"{contract.model_format} fails its golden files: {faults[0]}; take another --format")
    log.info("%s agrees with Keras on %d images to %.1g", contract.model_format, len(catalog), difference)
    parity: dict[str, Any] = {"catalog": catalog.folder.name, "images": len(catalog), "largest_difference": difference}
    if isinstance(source.spec, ClassifierSpec):
        columns = [slice(*group["columns"]) for group in contract.output["groups"]]
        equal = [outputs[:, part].argmax(1) == reference[:, part].argmax(1) for part in columns]
        parity["same_prediction"] = float(np.mean(equal))
    return parity


def _copy_clients(folder: Path, contract: Contract) -> None:
    """Copy the Python client, of ONNX the browser page, and label names as plain text."""
    shutil.copy(_CLIENTS / "client.py", folder / "client.py")
    requirements = ["numpy", "pillow", *get_format(contract.model_format).runtime.split()]
    write_text(folder / "requirements.txt", "\n".join(requirements) + "\n")
    if contract.model_format == "onnx":
        shutil.copytree(_CLIENTS / "browser", folder / "browser", ignore=shutil.ignore_patterns("node_modules"))
    if contract.kind == "classifier":
        names = [label for group in contract.output["groups"] for label in group["classes"]]
        write_text(folder / "labels.txt", "\n".join(names) + "\n")


def hash_files(folder: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every file below a folder but its manifest, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / ExportManifest.FILE)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


def bundle_hash(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of the lines "SHA-256  path" of files, sorted by path: what `sha256sum` prints of them."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
