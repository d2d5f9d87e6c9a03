"""gutierrez2019: Deep Learning for Automated Tagging of Fashion Images."""

from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics.intervals import clopper_pearson_interval
from fashion_keras.images.corruptions import CORRUPTIONS
from fashion_keras.studies.study import CatalogSubset, ResultRow, Score, Step, StepReport, Study

_ATTRIBUTES = "Table 1: attributes"
_ROBUST = "Table 2: resized by another library"
_TYPES = "Table 3: product types"
_OUTLIERS = "Table 4: outlier errors among what is released"
_NET = "train --task sub_category --strategy scratch --image-size 64x64 --data {data}"
_QUICK = "--limit 2500 --epochs 8"
# Without thumbnails: a study may be published, product images mostly not.
_MAP = "map --encoder fashion_small --method tsne --part all --thumbnails 0 --out {here}/map.png"
_GOLD = {
    "sleeve type": 0.929, "boot style": 0.894, "display type": 0.9262, "heel type": 0.8793, "shell type": 0.9377,
    "sandal style": 0.8689, "skirt length": 0.9078, "neck style": 0.906, "number of wheels": 0.9356,
}  # fmt: skip
_PRODUCTS = {"luggage": 0.9948, "watch": 0.973, "shoe": 0.9924, "dress": 0.9838, "top": 0.9856}
# (step, system, the paper's accuracy with the library of training, with the other one, flags)
_NETS = (
    ("resnet18", "ResNet-18", 0.98, 0.83, "--backbone resnet18 --augment none"),
    ("googlenet", "GoogLeNet", 0.99, 0.93, "--backbone googlenet --augment none"),
    ("alexnet", "AlexNet", 0.98, 0.98, "--backbone alexnet --augment none"),
    ("googlenet-augmented", "GoogLeNet, augmented", 0.98, 0.98, "--backbone googlenet --augment gutierrez2019"),
)
# (system, the paper's share, row of the report: weight decays, the strongest first, each without and with the gate)
_REGULARIZED = (
    ("ResNet-50; ours: heads with the weakest weight decay", 0.034, 6),
    ("ResNet-18, weight decay 0.3; ours: a weak one", 0.030, 4),
    ("ResNet-18, weight decay 0.5; ours: a stronger one", 0.016, 2),
    ("ResNet-18, weight decay 1; ours: the strongest", 0.004, 0),
    ("ResNet-50 with validator; ours: the weakest weight decay behind the gate", 0.001, 7),
)
_UNKNOWN = Score(None, None, 0)
# Resizing by another library, or by other settings of one.
RESIZERS = tuple(condition.name for condition in CORRUPTIONS if condition.resizes)


def _attribute(report: StepReport, name: str) -> Score:
    """Return the accuracy of an attribute's head on the products whose label is known."""
    row = next((row for row in report.values["attributes"] if row["name"] == name), {"accuracy": None})
    if row["accuracy"] is None:
        return _UNKNOWN
    return _proportion(round(row["accuracy"] * row["known"]), row["known"])


def _product_type(report: StepReport, name: str) -> Score:
    """Return how often a validator is right about all products: those that it accepts and those that it rejects."""
    gate = report.values["gate"]
    row = next((row for row in gate["types"] if row["name"] == name), None)
    if row is None:
        return _UNKNOWN
    wrong = row["given"] - row["right"] + row["products"] * (1 - (row["accepted"] or 0))
    return _proportion(gate["products"] - round(wrong), gate["products"])


def _proportion(correct: int, images: int) -> Score:
    low, high = clopper_pearson_interval(correct, images).tolist()
    return Score(correct / images, (low, high), images)


def _outlier_errors(report: StepReport, number: int) -> Score:
    row = report.values["table_4"]["rows"][number]
    return Score(row["outlier_error_share"], None, round(row["released"]), "share of what is released")


def _rows_of(report: StepReport, network: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a network's row of a robustness report with the resizer of its training, and those with the others."""
    rows = [row for row in report.values["rows"] if row["run"].endswith(f"/{network}")]
    return rows[0], [row for row in rows if row["condition"] in RESIZERS]


def _resized(report: StepReport, network: str, reference: bool) -> Score:
    """Return the accuracy of a network with the resizer of its training, or with the worst of the others."""
    row, others = _rows_of(report, network)
    if not reference:
        row = min(others, key=itemgetter("accuracy"))
    unit = "accuracy" if reference else "accuracy, worst of other resizers"
    return Score(row["accuracy"], (row["low"], row["high"]), row["products"], unit)


def _conclude(reports: Mapping[str, StepReport]) -> list[str]:
    plain, augmented = (
        -np.mean([row["accuracy_change"] for row in _rows_of(reports["robustness"], name)[1]])
        for name in ("googlenet", "googlenet-augmented")
    )
    coverage = reports["tagger"].values["table_4"]["equal_coverage"]
    gate = "There was no outlier error to remove."
    if coverage["cut"] is not None:
        gate = (
            f"At equal coverage the gate leaves {coverage['outlier_errors_with']:.1f} of "
            f"{coverage['outlier_errors_without']:.1f} outlier errors ({coverage['cut']:.0%} fewer)."
        )
    return [
        f"Over all resizers GoogLeNet loses {plain:.3f} of its accuracy in the mean, trained with the paper's "
        f"augmentation {augmented:.3f}.",
        gate,
    ]


GUTIERREZ2019 = Study(
    name="gutierrez2019",
    title="gutierrez2019: Deep Learning for Automated Tagging of Fashion Images",
    columns=("gender", "master_category", "sub_category", "article_type", "product_display_name"),
    parts=(CatalogSubset("watches", {"sub_category": "Watches"}),),
    steps=(
        Step("nine", "train-tagger --taxonomy gutierrez2019 --data {data} --out {here}"),
        Step("tagger", "train-tagger --taxonomy kaggle --data {data} --out {here}"),
        *(Step(name, f"{_NET} {flags} --min-images 40", quick=_QUICK) for name, _, _, _, flags in _NETS),
        Step(
            "robustness", f"robustness {' '.join(f'{{{name}}}' for name, *_ in _NETS)} --data {{data}} --out {{here}}"
        ),
        Step("map", f"{_MAP} --data {{data}} --label sub_category", quick="--limit 1500"),
        Step("map-watches", f"{_MAP} --data {{watches}} --label gender"),
    ),
    rows=(
        *(ResultRow(_ATTRIBUTES, name, paper, "nine", partial(_attribute, name=name)) for name, paper in _GOLD.items()),
        *(
            ResultRow(_ROBUST, system, paper, "robustness", partial(_resized, network=name, reference=reference))
            for name, system, *papers, _ in _NETS
            for paper, reference in zip(papers, (True, False), strict=True)
        ),
        *(
            ResultRow(_TYPES, name, paper, "nine", partial(_product_type, name=name))
            for name, paper in _PRODUCTS.items()
        ),
        *(
            ResultRow(_OUTLIERS, system, paper, "tagger", partial(_outlier_errors, number=number))
            for system, paper, number in _REGULARIZED
        ),
    ),
    deviations=(
        "Attributes are heads on the features of `fashion_small`, not a ResNet-50 each; labels are read from product "
        "names, where few products have one; attributes that no name contains stay empty.",
        "Table 2 is of sub-categories, not of dresses; images of 60×80 are resized to 64×64, not from 500×500 to "
        "224×224; the other library is the worst of those in `robustness`.",
        "The base model of the last line of Table 2 was ImageNet's, which was not available.",
        "Outliers are products of other types, a fifth of all.",
        "18 million tags: `fashion-keras tag` writes them for a catalog of any size; here there are 9,382 products.",
    ),
    conclude=_conclude,
    figures=(
        ("tagger", "gate.png", "Outliers among the released labels, with and without the gate (Table 4)"),
        ("robustness", "robustness.png", "Accuracy under each condition (Table 2)"),
        ("map", "map.png", "t-SNE of the classes of a validator (figure 3)"),
        ("map-watches", "map.png", "t-SNE of watches alone (figure 3)"),
    ),
)
