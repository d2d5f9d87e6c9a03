"""Training data in parts, the manifests of what a model was trained on, and its training products. No Keras here."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import TRAINING_PRODUCTS, read_training_products
from fashion_keras.models.backbones import get_backbone
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True, kw_only=True)
class RunManifest(JsonRecord):
    """What a classifier was trained on; origin.json.

    Attributes:
        weights: the `WeightsSource` of the backbone, as a dict.
        train_counts: group -> training images of each of its labels.
        known: part -> group -> images of the part of which a label of the group is known.
        parts, part_hashes, image_hashes: part -> image ids, product hashes, hashes of the image files' content.
        catalog_options: how the catalog is read, see `SourceConfig`.
    """

    FORMAT: ClassVar[str] = "fashion_keras.run/3"
    FILE: ClassVar[str] = "origin.json"

    data: str
    fingerprint: str
    catalog_options: dict[str, Any]
    weights: dict[str, Any]
    train_counts: dict[str, list[int]]
    known: dict[str, dict[str, int]]
    parts: dict[str, list[str]]
    part_hashes: dict[str, list[str]]
    image_hashes: dict[str, list[str]]

    def __post_init__(self) -> None:
        """Raise InputError for a manifest without the source of the weights, or the hashes of a part."""
        if not isinstance(self.weights.get("source"), str):
            raise InputError("'weights.source' is missing or no text")
        for name in ("part_hashes", "image_hashes"):
            if missing := {"train", "validation"} - getattr(self, name).keys():
                raise InputError(f"'{name}.{min(missing)}' is missing")

    @property
    def source(self) -> str:
        """Source of the initial weights."""
        return self.weights["source"]

    @property
    def trained_on(self) -> tuple[set[str], set[str]]:
        """Product hashes and image hashes of the training and validation parts."""
        products, images = (
            {*hashes["train"], *hashes["validation"]} for hashes in (self.part_hashes, self.image_hashes)
        )
        return products, images


@dataclass(frozen=True)
class EncoderManifest(JsonRecord):
    """What an encoder is trained on, with `parts` -> image ids; manifest.json."""

    FORMAT: ClassVar[str] = "fashion_keras.encoder_run/2"
    FILE: ClassVar[str] = "manifest.json"

    fingerprint: str
    weights: str
    parts: dict[str, list[str]]

    @property
    def source(self) -> str:
        """Source of the initial weights."""
        return self.weights


@dataclass(frozen=True)
class TrainingData:
    """Usable products of a run in parts that share no product.

    Attributes:
        data, fingerprint: of the catalog as it was read: as `--data` takes it, and before anything was rejected.
        rows: part -> its sorted rows of `catalog`.
    """

    data: str
    catalog: Catalog
    fingerprint: str
    rows: dict[str, NDArray[np.int64]]

    @property
    def parts(self) -> dict[str, list[str]]:
        """The image ids of each part."""
        return {name: self.catalog.image_ids[rows].tolist() for name, rows in self.rows.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Products per part, and rejected rows and files; adds up to all that were read."""
        return {name: len(rows) for name, rows in self.rows.items()} | {"rejected": len(self.catalog.rejected)}

    def take(self, part: str) -> Catalog:
        """Return the products of a part."""
        return self.catalog.take(self.rows[part])

    def check_unchanged(self, manifest: RunManifest | EncoderManifest, state: str) -> None:
        """Raise InputError unless a run was begun on the same catalog and parts; `state` is for the message."""
        if manifest.fingerprint != self.fingerprint:
            raise InputError(f"{self.catalog.folder}: the catalog has changed since {state}")
        if manifest.parts != self.parts:
            raise InputError(
                f"{self.catalog.folder}: its products are divided in another way since {state}: train anew"
            )

    def write_manifest(self, folder: Path, manifest: RunManifest | EncoderManifest) -> None:
        """Write the manifest of a run; InputError where it was begun with another catalog, parts or initial weights."""
        log.info("%s: %d of %d rows and files used", self.data, len(self.catalog), self.catalog.inputs)
        if self.catalog.corrections:
            log.info("%s", self.catalog.corrections)
        parts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        log.info("run folder %s: %s; if interrupted, resume with --resume %s", folder, parts, folder)
        if not (folder / manifest.FILE).is_file():
            manifest.write(folder)
            return
        begun = manifest.read(folder)
        self.check_unchanged(begun, f"the run in {folder} was begun")
        if begun.source != manifest.source:
            raise InputError(
                f"{folder}: begun with weights {begun.source!r}, but only {manifest.source!r} can be had now; start a "
                "new run"
            )


def folder_training_products(folder: Path) -> frozenset[str]:
    """Return the hashes of the products that a model was trained or validated on; InputError when not recorded."""
    if not (folder / RunManifest.FILE).is_file():
        return read_training_products(folder)
    return frozenset(RunManifest.read(folder).trained_on[0])


def initial_training_products(backbone: str, weights: str) -> frozenset[str]:
    """Return the hashes of the products that initial weights were trained on; none for ImageNet, random or a file.

    `weights` is their source: "fashion" or "auto" for those that ship with the package, or a path.
    """
    folder = get_backbone(backbone).bundled(weights) or Path(weights)
    recorded = any((folder / name).is_file() for name in (TRAINING_PRODUCTS, RunManifest.FILE))
    return folder_training_products(folder) if recorded else frozenset()
