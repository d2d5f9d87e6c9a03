"""gutierrez2019: Deep Learning for Automated Tagging of Fashion Images."""

from collections.abc import Callable, Mapping
from typing import Any

from fashion_keras.evaluation.metrics.intervals import clopper_pearson_interval
from fashion_keras.images.corruptions import CORRUPTIONS
from fashion_keras.studies.study import CatalogSubset, Report, ResultRow, Score, Step, Study

_ATTRIBUTES = "Table 1: attributes"
_ROBUST = "Table 2: resized by another library"
_TYPES = "Table 3: product types"
_OUTLIERS = "Table 4: outlier errors among what is released"
_NET = "train --task sub_category --strategy scratch --image-size 64x64 --data {data}"
_QUICK = "--limit 2500 --epochs 8"
# Without thumbnails: a study may be published, pictures of products mostly not.
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
_REGULARISED = (
    ("ResNet-50; ours: heads with the weakest weight decay", 0.034, 6),
    ("ResNet-18, weight decay 0.3; ours: a weak one", 0.030, 4),
    ("ResNet-18, weight decay 0.5; ours: a stronger one", 0.016, 2),
    ("ResNet-18, weight decay 1; ours: the strongest", 0.004, 0),
    ("ResNet-50 with validator; ours: the weakest weight decay behind the gate", 0.001, 7),
)
# What another library, or another setting of it, may do to a picture on its way to the network's size.
RESIZERS = tuple(condition.name for condition in CORRUPTIONS if condition.resizes)


def _attribute(name: str) -> Callable[[Report], Score]:
    def score(report: Report) -> Score:
        found = next((row for row in report["attributes"] if row["name"] == name), None)
        if found is None or found["accuracy"] is None:
            return _share(0, 0)
        return _share(round(found["accuracy"] * found["known"]), found["known"])

    return score


def _product_type(name: str) -> Callable[[Report], Score]:
    """Read how often a validator is right about all products: those that it lets in and those that it does not."""

    def score(report: Report) -> Score:
        products = report["gate"]["products"]
        found = next((row for row in report["gate"]["types"] if row["name"] == name), None)
        if found is None:
            return _share(0, 0)
        wrong = found["given"] - found["right"] + found["products"] * (1 - (found["accepted"] or 0))
        return _share(products - round(wrong), products)

    return score


def _share(right: int, images: int) -> Score:
    if not images:
        return Score(None, None, 0)
    return Score(right / images, clopper_pearson_interval(right, images).tolist(), images)


def _outliers(number: int) -> Callable[[Report], Score]:
    def score(report: Report) -> Score:
        row = report["table_4"]["rows"][number]
        return Score(row["outlier_error_share"], None, round(row["released"]), "share of what is released")

    return score


def _resized(net: str, usual: bool) -> Callable[[Report], Score]:
    def score(report: Report) -> Score:
        rows = [row for row in report["rows"] if row["run"].endswith(f"/{net}")]
        row = rows[0] if usual else min((row for row in rows if row["condition"] in RESIZERS), key=_accuracy)
        unit = "accuracy" if usual else "accuracy, worst of other resizers"
        return Score(row["accuracy"], (row["low"], row["high"]), row["products"], unit)

    return score


def _accuracy(row: Mapping[str, Any]) -> float:
    return row["accuracy"]


def _lost(report: Report, net: str) -> float:
    """Return the mean loss of accuracy over the resizers."""
    rows = [row for row in report["rows"] if row["run"].endswith(f"/{net}") and row["condition"] in RESIZERS]
    return sum(-row["accuracy_change"] for row in rows) / len(rows)


def _conclude(done: Mapping[str, Report]) -> list[str]:
    plain, augmented = (_lost(done["robustness"], net) for net in ("googlenet", "googlenet-augmented"))
    cut = done["tagger"]["table_4"]["equal_coverage"]
    gate = (
        f"At equal coverage the gate leaves {cut['outlier_errors_with']:.1f} of {cut['outlier_errors_without']:.1f} "
        f"outlier errors ({cut['cut']:.0%} fewer)."
        if cut["cut"] is not None
        else "No outlier error was left to cut."
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
            "robustness",
            f"robustness {' '.join(f'{{{name}}}' for name, *_ in _NETS)} --data {{data}} --out {{here}}",
        ),
        Step("map", f"{_MAP} --data {{data}} --label sub_category", quick="--limit 1500"),
        Step("map-watches", f"{_MAP} --data {{watches}} --label gender"),
    ),
    rows=(
        *(ResultRow(_ATTRIBUTES, name, paper, "nine", _attribute(name)) for name, paper in _GOLD.items()),
        *(
            row
            for name, system, usual, other, _ in _NETS
            for row in (
                ResultRow(_ROBUST, system, usual, "robustness", _resized(name, usual=True)),
                ResultRow(_ROBUST, system, other, "robustness", _resized(name, usual=False)),
            )
        ),
        *(ResultRow(_TYPES, name, paper, "nine", _product_type(name)) for name, paper in _PRODUCTS.items()),
        *(ResultRow(_OUTLIERS, system, paper, "tagger", _outliers(number)) for system, paper, number in _REGULARISED),
    ),
    deviations=(
        "Attributes are heads on the vectors of `fashion_small`, not a ResNet-50 each; labels are read off product "
        "names, where few products have one; attributes that no name tells stay empty.",
        "Table 2 is of sub-categories, not of dresses; pictures of 60×80 are resized to 64×64, not from 500×500 to "
        "224×224; the other library is the worst of those that `robustness` knows.",
        "The base model of the last line of Table 2 was ImageNet's, which could not be had.",
        "Outliers are products of other types, a fifth of all.",
        "18 million tags: `fashion-keras tag` writes them for a catalogue of any size; here there are 9,382 products.",
    ),
    conclude=_conclude,
    figures=(
        ("tagger", "gate.png", "Outliers among what is given a label, with and without the gate (Table 4)"),
        ("robustness", "robustness.png", "Accuracy under each condition (Table 2)"),
        ("map", "map.png", "t-SNE of what a validator tells apart (figure 3)"),
        ("map-watches", "map.png", "t-SNE of watches alone (figure 3)"),
    ),
)
