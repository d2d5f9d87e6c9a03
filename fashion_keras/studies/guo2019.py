"""guo2019: The iMaterialist Fashion Attribute Dataset."""

from collections.abc import Callable, Mapping

from fashion_keras.studies.study import CatalogSubset, Report, ResultRow, Score, Step, Study, accuracy

_BASE, _LOSS, _MORE = "Table 3: attributes, F1 of eight labels each", "Weighted loss", "Table 5: DeepFashion, top 3"
_TRANSFER = "Table 4: Clothes-50K after pretraining elsewhere"
_TRAIN = "train --task attributes --data {data}"
_SCRATCH = "--strategy scratch --augment guo2019 --loss"
_QUICK = "--limit 600 --epochs 2"
_SMALL = f"{_QUICK} --image-size 48x48"
# (step, as in the paper, F1 on the private test, flags, flags of --quick)
_NETS = (
    ("inception-bn", "Inception-BN", 0.593, f"--backbone inception_bn {_SCRATCH} bce", _SMALL),
    ("inception-v1", "Inception-v1", 0.598, f"--backbone googlenet {_SCRATCH} bce", _SMALL),
    ("inception-v3", "Inception-v3", 0.602, f"--backbone inception_v3 {_SCRATCH} bce", _QUICK),
    ("resnet101", "ResNet101", 0.595, f"--backbone resnet101 {_SCRATCH} bce", _SMALL),
    ("resnet101-weighted", "ResNet101, weighted BCE", 0.602, f"--backbone resnet101 {_SCRATCH} weighted_bce", _SMALL),
)
_LOSSES = ("bce", "weighted_bce", "grouped")
_FINE = "train --task article_type --min-images 30 --backbone inception_bn --data"
_EPOCHS = "--image-size 40x32 --epochs"
# (step, as in the paper, accuracy on Clothes-50K, top 3 on DeepFashion)
_ROUTES = (
    ("c-alone", "no pretraining", None, None),
    ("b-c", "Clothes-1M; ours: a third by article type", 0.775, 0.859),
    ("a-c", "iFashion; ours: a third by all attributes", 0.789, 0.882),
    ("a-b-c", "iFashion, then 1M and 50K; ours: both thirds, one after the other", 0.805, None),
)


def _top_8(report: Report) -> Score:
    return _labels(report, "top_8", "micro", "micro-F1, eight labels")


def _labels(report: Report, given: str, mean: str, unit: str) -> Score:
    found = report["labels"][given][mean]
    return Score(found["f1"], tuple(found["f1_ci95"]), report["counts"]["test"], unit)


def _given(mean: str) -> Callable[[Report], Score]:
    return lambda report: _labels(report, "given", mean, f"{mean}-F1")


def _top_3(report: Report) -> Score:
    return Score(report["test"]["top_3"], None, report["counts"]["test"], "top 3")


def _conclude(done: Mapping[str, Report]) -> list[str]:
    plain, weighted = (done[f"ours-{loss}"]["labels"]["given"] for loss in ("bce", "weighted_bce"))
    routes = ", ".join(f"{name} {done[name]['test']['accuracy']:.3f}" for name, *_ in _ROUTES)
    best = max(_ROUTES, key=lambda row: done[row[0]]["test"]["accuracy"])
    return [
        f"Weighted BCE on the same vectors: macro-F1 {weighted['macro']['f1']:.3f} against {plain['macro']['f1']:.3f}, "
        f"micro-F1 {weighted['micro']['f1']:.3f} against {plain['micro']['f1']:.3f}.",
        f"Transfer to the last third: {routes}; best: {best[1]}.",
    ]


GUO2019 = Study(
    name="guo2019",
    title="guo2019: The iMaterialist Fashion Attribute Dataset",
    columns=("gender", "base_colour", "season", "usage", "article_type", "product_display_name"),
    parts=tuple(CatalogSubset(name, share=(number, 3)) for number, name in enumerate(("a", "b", "c"))),
    steps=(
        *(Step(name, f"{_TRAIN} {flags}", quick=quick) for name, _, _, flags, quick in _NETS),
        *(Step(f"ours-{loss}", f"{_TRAIN} --backbone fashion_small --loss {loss}") for loss in _LOSSES),
        Step(
            "a-first",
            "train --task attributes --min-images 30 --backbone inception_bn --strategy scratch --data {a}",
            quick=f"{_EPOCHS} 8",
        ),
        Step("b-first", f"{_FINE} {{b}} --strategy scratch", quick=f"{_EPOCHS} 8"),
        Step(
            "a-b-first",
            f"{_FINE} {{b}} --strategy frozen+full --weights {{a-first}}",
            quick=f"{_EPOCHS} 8",
        ),
        Step("c-alone", f"{_FINE} {{c}} --strategy scratch", quick=f"{_EPOCHS} 8"),
        Step("b-c", f"{_FINE} {{c}} --strategy frozen+full --weights {{b-first}}", quick=f"{_EPOCHS} 8"),
        Step("a-c", f"{_FINE} {{c}} --strategy frozen+full --weights {{a-first}}", quick=f"{_EPOCHS} 8"),
        Step("a-b-c", f"{_FINE} {{c}} --strategy frozen+full --weights {{a-b-first}}", quick=f"{_EPOCHS} 8"),
    ),
    rows=(
        *(ResultRow(_BASE, system, paper, name, _top_8) for name, system, paper, *_ in _NETS),
        *(ResultRow(_BASE, f"ours: fashion_small, {loss}", None, f"ours-{loss}", _top_8) for loss in _LOSSES),
        *(
            ResultRow(_LOSS, f"ours: fashion_small, {loss}", None, f"ours-{loss}", _given(mean))
            for mean in ("micro", "macro")
            for loss in _LOSSES
        ),
        *(ResultRow(_TRANSFER, system, paper, name, accuracy) for name, system, paper, _ in _ROUTES),
        *(ResultRow(_MORE, system, paper, name, _top_3) for name, system, _, paper in _ROUTES if paper),
    ),
    deviations=(
        "iFashion's million pictures are not at hand (`train --data` reads its files where they are): attributes are "
        "those of this catalogue, from its columns and product names; micro-F1 over what is known of each product.",
        "The learning rate is that of `--strategy scratch` (AdamW, cosine), not RMSprop at 0.1, which diverges with "
        "small batches; small pictures in place of 224×224 and 299×299.",
        "Inception-BN*, DeepFashion and Clothes-1M with ImageNet's weights could not be had; nor WTBI, DARN, "
        "FashionNet and others that the paper quotes.",
        "Transfer is between three thirds of the catalogue, by title: attributes of the first, article types of the "
        "second, article types of the third.",
    ),
    conclude=_conclude,
    figures=(
        ("ours-grouped", "labels_per_image.png", "Labels per image (figure 2)"),
        ("ours-grouped", "co_occurrence.png", "Which labels go together"),
    ),
)
