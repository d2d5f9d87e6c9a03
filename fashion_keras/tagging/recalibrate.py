"""Recalibration of a tagger after a review: its precision on reviewed labels, and thresholds fitted to them."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.attributes import ColumnSource, ProductType
from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.evaluation.metrics.intervals import clopper_pearson_interval
from fashion_keras.evaluation.metrics.selective_prediction import min_samples
from fashion_keras.features.cache import encode
from fashion_keras.images.validation import read_source, reject_unreadable
from fashion_keras.support.atomic_files import make_output_dir, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.config import RecalibrateConfig
from fashion_keras.tagging.evaluation.metrics import HeadEvaluation, against_target, evaluate_tags
from fashion_keras.tagging.model.fit import select_thresholds
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead, Mask
from fashion_keras.tagging.model.labels import AttributeLabels, Values
from fashion_keras.tagging.model.manifest import ARRAYS, ORIGIN, Provenance, TaggerManifest, head_spec
from fashion_keras.tagging.model.tagger import load_tagger
from fashion_keras.tagging.review import attribute_columns
from fashion_keras.training.run_folder import Run


@dataclass(frozen=True)
class _Rows:
    """Rows [n] bool of a catalog, one per product: of the parts of the tagger's training, and reviewed in a column."""

    parts: np.ndarray
    first: Mask
    selection: Mask

    def measured(self, reviewed: Mask) -> Mask:
        """The reviewed rows that nothing in the tagger was fitted to."""
        return self.first & reviewed & np.isin(self.parts, ("test", ""))

    def proof(self, reviewed: Mask) -> Mask:
        """The rows that thresholds may be fitted to: nothing else was, nor is anything evaluated on them."""
        of_others = reviewed & (self.parts == "")
        return self.first & ~self.selection & ((self.parts == "validation") | of_others)


@takes_verbose
def recalibrate(config: RecalibrateConfig | Mapping[str, Any]) -> Run:
    """Measure a tagger on reviewed labels, fit its thresholds to them, and save it in a new folder with a report.

    The precision of an attribute is that of its tags on reviewed test products, or of all reviewed ones of another
    catalog, with an exact interval (Clopper & Pearson 1934). A review queue holds what looks wrong, so it is lower than
    on all products. Thresholds are fitted anew to the validation products and the reviewed ones of another catalog,
    where one of their labels is reviewed and there are at least `min_samples` of them.

    The report: tagger, data, target_precision, corrections, attributes (see `_recalibrate_head`), together: `TagScores`
    on the test products with corrected labels; None where the catalog has none.

    InputError when tagger, catalog or corrections cannot be used, or the folder is not empty.
    """
    config = as_config(RecalibrateConfig, config)
    home, tagger = Path(config.tagger), load_tagger(config.tagger)
    manifest = TaggerManifest.read(home)
    catalog, data = read_source(config)
    catalog = reject_unreadable(catalog)
    columns = attribute_columns(manifest, catalog)
    rows = _rows(home, catalog)
    _, outputs = tagger.predict_heads(np.asarray(encode(catalog, tagger.encoder).values))
    heads, attributes, evaluations = [], [], []
    for head, output in zip(tagger.heads, outputs, strict=True):
        if head.name not in columns:
            heads.append(head)
            continue
        labels = _labels(manifest, head, columns[head.name], catalog)
        reviewed = reviewed_rows(catalog, columns[head.name])
        head, scores = _recalibrate_head(head, labels.values, output, rows, reviewed, manifest.target_precision)
        heads.append(head)
        attributes.append({"name": head.name, "column": columns[head.name], **scores})
        test = np.flatnonzero(rows.parts == "test")
        evaluations.append(_evaluation(head, labels.take(test), output, test, catalog))
    has_test = bool((rows.parts == "test").any()) and bool(evaluations)
    report = {
        "tagger": str(home),
        "data": data,
        "target_precision": manifest.target_precision,
        "corrections": catalog.correction_counts,
        "attributes": attributes,
        "together": asdict(evaluate_tags(evaluations, manifest.target_precision)) if has_test else None,
    }
    folder = make_output_dir(config.out, "runs/tagger-recalibrated")
    _save(folder, home, replace(manifest, heads=tuple(map(head_spec, heads))))
    write_json(folder / "config.json", config.to_dict())
    write_rejected(folder, catalog.rejected)
    write_json(folder / "report.json", report)
    return Run(folder, report)


def reviewed_rows(catalog: Catalog, column: str) -> Mask:
    """Return [n] bool: the images of products whose label in a column a person has decided on."""
    reviewed = catalog.corrections.reviewed if catalog.corrections else frozenset()
    return np.array([(sku, column) in reviewed for sku in catalog.skus.tolist()], bool)


def reviewed_precision(values: Values, output: HeadOutput, rows: Mask, target: float) -> dict[str, Any]:
    """Return reviewed, given, right, precision, precision_ci95 and target of the tags of the reviewed `rows` [n] bool.

    reviewed: those of them that the gate accepts and whose label is known, `values` [n, k]. See `against_target`.
    """
    known = rows & output.accepted & (values >= 0).any(axis=1)
    given = output.predicted[known] & (values[known] >= 0)
    hits, trials = int((values[known][given] == 1).sum()), int(given.sum())
    score: dict[str, Any] = {"given": trials, "right": hits, "precision": None, "precision_ci95": None}
    if trials:
        score |= {"precision": hits / trials, "precision_ci95": clopper_pearson_interval(hits, trials).tolist()}
    return {"reviewed": int(known.sum()), **against_target(score, target)}


def _recalibrate_head(
    head: LinearHead, values: Values, output: HeadOutput, rows: _Rows, reviewed: Mask, target: float
) -> tuple[LinearHead, dict[str, Any]]:
    """Return the head with new thresholds, where there is enough evidence, and what was measured.

    `reviewed_precision` before; proof: products for thresholds, proof_reviewed: those of them that are reviewed;
    refitted: whether thresholds are new; thresholds: label -> [old, new] where they differ, None: never released;
    released: products that get a label, [with the old, with the new thresholds].
    """
    scores = reviewed_precision(values, output, rows.measured(reviewed), target)
    proof = rows.proof(reviewed) & output.accepted & (values >= 0).any(axis=1)
    enough = bool((proof & reviewed).any()) and int(proof.sum()) >= min_samples(target)
    new = head
    if enough:
        new = replace(head, thresholds=select_thresholds(head, output.probabilities[proof], values[proof], target))
    # Probabilities differ in the last digits with the number of images that are multiplied at once.
    differ = ~np.isclose(head.thresholds, new.thresholds, rtol=0, atol=1e-6)
    decided = new.decide(output.probabilities) & output.accepted[:, None]
    return new, {
        **scores,
        "proof": int(proof.sum()),
        "proof_reviewed": int((proof & reviewed).sum()),
        "refitted": enough,
        "thresholds": {
            head.classes[code]: [_optional(head.thresholds[code]), _optional(new.thresholds[code])]
            for code in np.flatnonzero(differ).tolist()
        },
        "released": [int((each.any(axis=1) & rows.first).sum()) for each in (output.predicted, decided)],
    }


def _optional(threshold: float) -> float | None:
    return float(threshold) if np.isfinite(threshold) else None


def _rows(home: Path, catalog: Catalog) -> _Rows:
    first = np.zeros(len(catalog), bool)
    first[np.unique(catalog.product_groups, return_index=True)[1]] = True
    provenance = Provenance.read(home)
    # The corrections changed the fingerprint, so the catalog is recognized by its images.
    if provenance is None or not provenance.is_of(catalog):
        return _Rows(np.full(len(catalog), ""), first, np.zeros(len(catalog), bool))
    return _Rows(provenance.part_of(catalog), first, np.isin(catalog.image_ids, provenance.selection))


def _labels(manifest: TaggerManifest, head: LinearHead, column: str, catalog: Catalog) -> AttributeLabels:
    """Return the labels of an attribute as in training: another label than the head's is known, and no class."""
    lists = ColumnSource(column).read(catalog.columns, f"attribute {head.name}")
    values = np.array([[(label,) in paths for label in head.classes] for paths in lists], np.int8)
    unknown = [not paths or (head.kind == "single" and len(paths) > 1) for paths in lists]
    values[np.array(unknown, bool)] = -1
    types = [
        ProductType(row["name"], row["column"], tuple(row["values"])) for row in manifest.taxonomy["product_types"]
    ]
    applies = np.any([each.rows(catalog.columns) for each in types if each.name in head.applies_to], axis=0)
    return AttributeLabels(head.name, head.kind, head.classes, head.applies_to, values, applies)


def _evaluation(
    head: LinearHead, labels: AttributeLabels, output: HeadOutput, test: np.ndarray, catalog: Catalog
) -> HeadEvaluation:
    accepted, probabilities = output.accepted[test], output.probabilities[test]
    predicted = head.decide(probabilities) & accepted[:, None]
    tested = HeadOutput(accepted, output.logits[test], probabilities, predicted)
    return HeadEvaluation(head, labels, tested, catalog.product_groups[test])


def _save(folder: Path, home: Path, manifest: TaggerManifest) -> None:
    """Write a tagger with the arrays and the training parts of the one in `home`."""
    for name in (ARRAYS, ORIGIN):
        if (home / name).is_file():
            shutil.copyfile(home / name, folder / name)
    manifest.write(folder)
