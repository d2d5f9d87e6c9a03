"""Folders of finished runs, written by hand: no network is trained, and every score can be counted with a pencil."""

import numpy as np

from fashion_keras import TrainConfig
from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.evaluation.reports.compute import compute_scores
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.evaluation.reports.write import write_predictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.atomic_files import write_json, write_text
from fashion_keras.training.manifests import RunManifest

SCRIPT = "<script>document.title = 'broken in'</script>"
CLASSES = ("Tops", "Shirts", SCRIPT)
# Seven images of five products: product p1 has three.
IDS = ("a1", "a2", "a3", "b", "c", "d", "e")
PRODUCTS = ("p1", "p1", "p1", "p2", "p3", "p4", "p5")
TRUTH = (0, 0, 0, 1, 1, 2, 2)
RIGHT = (0, 0, 1, 1, 0, 2, 0)  # predictions of the first run: 4 of 7 are right

HISTORY = """\
epoch,phase,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
1,head,1.5,0.5,1.25,0.5,0.001,2
2,head,1.0,0.75,0.75,0.625,0.001,2
3,head,0.5,1.0,1.0,0.5,0.001,2
"""


def write_finished_run(folder, predicted=RIGHT, confidence=0.8, data="no-such-catalog", **settings):
    """Write a run that predicts these codes for the seven images, each with that confidence."""
    folder.mkdir(parents=True)
    config = TrainConfig(data=data, out=str(folder), **settings)
    group = LabelGroup("article_type", "single", CLASSES, tuple(("x", name) for name in CLASSES))
    shares = np.full((len(IDS), len(CLASSES)), (1 - confidence) / 2, np.float32)
    shares[np.arange(len(IDS)), list(predicted)] = confidence
    truth, products = np.array(TRUTH)[:, None], np.unique(PRODUCTS, return_inverse=True)[1]
    predictions = Predictions(np.array(IDS), shares, (group,), truth)
    counts = {"article_type": [30, 20, 10]}
    known = {part: {"article_type": 60} for part in ("train", "validation")}
    report = Report(
        task="article_type",
        **compute_scores(predictions, counts, known, products),
        classes=list(CLASSES),
        counts={"train": 60, "validation": 7, "test": len(IDS), "rejected": 3},
        backbone=config.backbone,
        strategy=config.strategy_name,
        weights="imagenet",
        seconds={"train": 6.0, "total": 90.0},
        versions={"keras": "3.15"},
        leaks={"same_sku": {"validation": 0, "test": 0}, "near_duplicate": {"validation": 1, "test": 2}},
        calibration={"article_type": {"temperature": 1.5, "ece_before": 0.25, "ece_after": 0.125}},
        warnings=["DRAWN SAMPLE: " + SCRIPT],
    )
    parts = {"train": ["t"], "validation": ["v"], "test": list(IDS)}
    hashes = {"train": ["pt"], "validation": ["pv"], "test": list(PRODUCTS)}
    manifest = RunManifest(
        data=data, fingerprint="f" * 64, catalog_options=config.source, weights={"source": "imagenet"},
        train_counts=counts, known=known, parts=parts, part_hashes=hashes, image_hashes=hashes,
    )  # fmt: skip
    write_json(folder / "config.json", config.to_dict())
    write_text(folder / "history.csv", HISTORY)
    write_text(folder / "rejected.csv", f"where,sku,reason\n1,1,no image file\n2,2,no image file\n3,3,{SCRIPT}\n")
    write_predictions(folder, predictions)
    manifest.write(folder)
    report.write(folder)
    return folder
