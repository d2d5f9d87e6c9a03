"""gutierrez2019: Deep Learning for Automated Tagging of Fashion Images."""

from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics.intervals import clopper_pearson_interval
from fashion_keras.images.corruptions import CORRUPTIONS
from fashion_keras.studies.study import (
    LITE,
    LITE_DEVIATION,
    LITE_SIZE,
    LITE_TUNED,
    CatalogSubset,
    Finding,
    ResultRow,
    Score,
    Step,
    StepReport,
    Study,
)

_ATTRIBUTES = "Table 1: attributes"
_ROBUST = "Table 2: resized by another library"
_TYPES = "Table 3: product types"
_OUTLIERS = "Table 4: outlier errors among what is released"
_TRANSFER = "Gain of a similar task first"
_NET = "train --task sub_category --min-images 40 --data {data}"
_FEW = "--image-size 64x64 --limit 2000 --epochs 6"
_LITE_FEW = "--limit 1000 --epochs 3 --views 2"
_TAGGER = f"--encoder {LITE} --weights imagenet --data {{data}} --out {{here}}"
# Without thumbnails: a study may be published, product images mostly not.
_MAP = f"map --encoder {LITE} --weights imagenet --method tsne --part all --thumbnails 0 --out {{here}}/map.png"
_GOLD = {
    "sleeve type": 0.929, "boot style": 0.894, "display type": 0.9262, "heel type": 0.8793, "shell type": 0.9377,
    "sandal style": 0.8689, "skirt length": 0.9078, "neck style": 0.906, "number of wheels": 0.9356,
}  # fmt: skip
_PRODUCTS = {"luggage": 0.9948, "watch": 0.973, "shoe": 0.9924, "dress": 0.9838, "top": 0.9856}
# (step, system, the paper's accuracy with the library of training, with the other one, flags)
_SCRATCH = (
    ("resnet18", "ResNet-18", 0.98, 0.83, "--backbone resnet18 --strategy scratch --augment none"),
    ("googlenet", "GoogLeNet", 0.99, 0.93, "--backbone googlenet --strategy scratch --augment none"),
    ("alexnet", "AlexNet", 0.98, 0.98, "--backbone alexnet --strategy scratch --augment none"),
)
_LITE = (
    ("lite-plain", "EfficientNet-Lite0, base model", None, None, f"{LITE_TUNED} --augment none"),
    ("lite-augmented", "GoogLeNet with augmentation and base model; ours: EfficientNet-Lite0", 0.98, 0.98,
     f"{LITE_TUNED} --augment gutierrez2019"),
)  # fmt: skip
# (task, as in the tables); the base of the second route is a fashion task, the one of `lite-augmented`.
_TARGETS = (("gender", "gender"), ("usage", "usage"))
_ROUTES = (("imagenet", "ImageNet", "imagenet"), ("fashion", "ImageNet, then sub-categories", "{lite-augmented}"))
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
    """Return a network's rows of a robustness report: as it was trained, and under each change of the images."""
    reference, *changed = (row for row in report.values["rows"] if row["run"].endswith(f"/{network}"))
    return reference, changed


def _resized(report: StepReport, network: str, reference: bool) -> Score:
    """Return the accuracy of a network with the resizer of its training, or with the worst of the others."""
    row, changed = _rows_of(report, network)
    if not reference:
        row = min((row for row in changed if row["condition"] in RESIZERS), key=itemgetter("accuracy"))
    unit = "accuracy" if reference else "accuracy, worst of other resizers"
    return Score(row["accuracy"], (row["low"], row["high"]), row["products"], unit)


def _robustness(reports: Mapping[str, StepReport]) -> str:
    texts = []
    for network, text in (("lite-plain", "without augmentation"), ("lite-augmented", "with the paper's")):
        reference, changed = _rows_of(reports["robustness"], network)
        resized, others = (
            np.mean([row["accuracy"] for row in changed if (row["condition"] in RESIZERS) == resizes])
            for resizes in (True, False)
        )
        worst = min(changed, key=itemgetter("accuracy"))
        texts.append(
            f"{text} {reference['accuracy']:.3f} as trained, {resized:.3f} over other resizers, {others:.3f} over "
            f"JPEG, shifts, noise and gamma, {worst['accuracy']:.3f} at worst ({worst['condition']})"
        )
    return f"Accuracy of fine-tuned EfficientNet-Lite0 when images are changed, in the mean: {'; '.join(texts)}."


def _transfer(reports: Mapping[str, StepReport]) -> str:
    texts = []
    for task, name in _TARGETS:
        first, second = (reports[f"{task}-{route}"].accuracy for route, *_ in _ROUTES)
        verdict = "not beyond the intervals" if first.overlaps(second) else "beyond the intervals"
        texts.append(
            f"{name} {first} from ImageNet alone, {second} by way of it ({second.value - first.value:+.3f}, {verdict})"
        )
    return f"Transfer from a similar task, sub-categories: {'; '.join(texts)}. The paper gained 0.01 to 0.02."


def _decays(reports: Mapping[str, StepReport]) -> str:
    weakest, strongest, gated = (_outlier_errors(reports["tagger"], number).value for number in (6, 0, 7))
    fewer = "fewer" if strongest < weakest else "no fewer"
    return (
        f"Stronger weight decay releases {fewer} outlier errors: {weakest:.3f} of what is released with the weakest, "
        f"{strongest:.3f} with the strongest; {gated:.3f} with the weakest behind the gate (paper: 0.034, 0.004, "
        "0.001)."
    )


def _gate(reports: Mapping[str, StepReport]) -> str:
    coverage = reports["tagger"].values["table_4"]["equal_coverage"]
    if coverage["cut"] is None:
        return "There was no outlier error for the gate to remove."
    return (
        f"At equal coverage the gate leaves {coverage['outlier_errors_with']:.1f} of "
        f"{coverage['outlier_errors_without']:.1f} outlier errors ({coverage['cut']:.0%} fewer)."
    )


def _resized_rows(systems: tuple[tuple, ...], step: str) -> tuple[ResultRow, ...]:
    return tuple(
        ResultRow(_ROBUST, system, paper, step, partial(_resized, network=name, reference=reference))
        for name, system, *papers, _ in systems
        for paper, reference in zip(papers, (True, False), strict=True)
    )


def _robustness_step(name: str, systems: tuple[tuple, ...], imagenet: str = "") -> Step:
    runs = " ".join(f"{{{run}}}" for run, *_ in systems)
    return Step(name, f"robustness {runs} --limit 500 --data {{data}} --out {{here}}", imagenet=imagenet)


GUTIERREZ2019 = Study(
    name="gutierrez2019",
    title="gutierrez2019: Deep Learning for Automated Tagging of Fashion Images",
    columns=("gender", "master_category", "sub_category", "article_type", "usage", "product_display_name"),
    parts=(CatalogSubset("watches", {"sub_category": "Watches"}),),
    steps=(
        Step("nine", f"train-tagger --taxonomy gutierrez2019 {_TAGGER}", imagenet=LITE),
        Step("tagger", f"train-tagger --taxonomy kaggle {_TAGGER}", imagenet=LITE),
        *(Step(name, f"{_NET} {flags}", "--epochs 5", _LITE_FEW, imagenet=LITE) for name, *_, flags in _LITE),
        _robustness_step("robustness", _LITE, LITE),
        *(
            Step(
                f"{task}-{route}",
                f"train --task {task} --data {{data}} --backbone {LITE} {LITE_SIZE} --weights {weights} "
                "--strategy last_block --learning-rate 5e-4 --schedule cosine",
                "--epochs 6 --views 2",
                _LITE_FEW,
                imagenet=LITE,
            )
            for task, _ in _TARGETS
            for route, _, weights in _ROUTES
        ),
        *(Step(name, f"{_NET} {flags} {_FEW}") for name, *_, flags in _SCRATCH),
        _robustness_step("robustness-scratch", _SCRATCH),
        Step("map", f"{_MAP} --data {{data}} --label sub_category --limit 1500", imagenet=LITE),
        Step("map-watches", f"{_MAP} --data {{watches}} --allow-outside --label gender", imagenet=LITE),
    ),
    rows=(
        *(ResultRow(_ATTRIBUTES, name, paper, "nine", partial(_attribute, name=name)) for name, paper in _GOLD.items()),
        *(
            ResultRow(_TRANSFER, f"EfficientNet-Lite0, {name}: {system}", None, f"{task}-{route}")
            for task, name in _TARGETS
            for route, system, _ in _ROUTES
        ),
        *_resized_rows(_SCRATCH, "robustness-scratch"),
        *_resized_rows(_LITE, "robustness"),
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
        LITE_DEVIATION,
        LITE_SIZE,
        "Attributes and product types are heads on its features, not a ResNet-50 each; labels are read from product "
        "names, where few products have one; attributes that no name contains stay empty. Weight decays are those of "
        "the heads.",
        "Table 2 is of sub-categories, not of dresses. ResNet-18, GoogLeNet and AlexNet are trained from scratch for 6 "
        "epochs on about 2,000 products at 64×64, not on images of 224×224; EfficientNet-Lite0 for 5 epochs on all. "
        "The other library is the worst of those in `robustness`, on at most 500 test images.",
        "The similar task of the transfer is the sub-category, by the run of Table 2 with augmentation; the base "
        "models of the paper were classifiers of its own. Its last stage is then fine-tuned for 6 epochs.",
        "Outliers are products of other types, a fifth of all.",
        "18 million tags: `fashion-keras tag` writes them for a catalog of any size; here there are 9,382 products.",
    ),
    findings=(
        Finding(("robustness",), _robustness),
        Finding(tuple(f"{task}-{route}" for task, _ in _TARGETS for route, *_ in _ROUTES), _transfer),
        Finding(("tagger",), _decays),
        Finding(("tagger",), _gate),
    ),
    figures=(
        ("tagger", "gate.png", "Outliers among the released labels, with and without the gate (Table 4)"),
        ("robustness", "robustness.png", "Accuracy of EfficientNet-Lite0 under each condition (Table 2)"),
        ("map", "map.png", "t-SNE of the classes of a validator (figure 3)"),
        ("map-watches", "map.png", "t-SNE of watches alone (figure 3)"),
    ),
)
