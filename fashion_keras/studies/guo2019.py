"""guo2019: The iMaterialist Fashion Attribute Dataset."""

from collections.abc import Mapping
from operator import attrgetter, methodcaller

from fashion_keras.studies.study import CatalogSubset, ResultRow, Step, StepReport, Study

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
_F1_TOP_8 = methodcaller("label_f1", "top_8", "micro")
_MEANS = ("micro", "macro")
_LOSSES = ("bce", "weighted_bce", "grouped")
# (step, task, flags)
_TRANSFERS = (
    ("a-first", "attributes", "--strategy scratch --data {a}"),
    ("b-first", "article_type", "--data {b} --strategy scratch"),
    ("a-b-first", "article_type", "--data {b} --strategy frozen+full --weights {a-first}"),
    ("c-alone", "article_type", "--data {c} --strategy scratch"),
    ("b-c", "article_type", "--data {c} --strategy frozen+full --weights {b-first}"),
    ("a-c", "article_type", "--data {c} --strategy frozen+full --weights {a-first}"),
    ("a-b-c", "article_type", "--data {c} --strategy frozen+full --weights {a-b-first}"),
)
# (step, as in the paper, accuracy on Clothes-50K, top 3 on DeepFashion)
_ROUTES = (
    ("c-alone", "no pretraining", None, None),
    ("b-c", "Clothes-1M; ours: a third by article type", 0.775, 0.859),
    ("a-c", "iFashion; ours: a third by all attributes", 0.789, 0.882),
    ("a-b-c", "iFashion, then 1M and 50K; ours: both thirds, one after the other", 0.805, None),
)


def _conclude(reports: Mapping[str, StepReport]) -> list[str]:
    f1 = {(loss, mean): reports[f"ours-{loss}"].label_f1("given", mean).value for loss in _LOSSES for mean in _MEANS}
    micro, macro = (f"{mean}-F1 {f1['weighted_bce', mean]:.3f} against {f1['bce', mean]:.3f}" for mean in _MEANS)
    scores = {route: reports[route[0]].accuracy.value for route in _ROUTES}
    routes = ", ".join(f"{route[0]} {score:.3f}" for route, score in scores.items())
    return [
        f"Weighted BCE on the same features: {macro}, {micro}.",
        f"Transfer to the last third: {routes}; best: {max(scores, key=scores.get)[1]}.",
    ]


GUO2019 = Study(
    name="guo2019",
    title="guo2019: The iMaterialist Fashion Attribute Dataset",
    columns=("gender", "base_colour", "season", "usage", "article_type", "product_display_name"),
    parts=tuple(CatalogSubset(name, share=(number, 3)) for number, name in enumerate(("a", "b", "c"))),
    steps=(
        *(Step(name, f"{_TRAIN} {flags}", quick=quick) for name, _, _, flags, quick in _NETS),
        *(Step(f"ours-{loss}", f"{_TRAIN} --backbone fashion_small --loss {loss}") for loss in _LOSSES),
        *(
            Step(
                name,
                f"train --task {task} --min-images 30 --backbone inception_bn {flags}",
                quick="--image-size 40x32 --epochs 8",
            )
            for name, task, flags in _TRANSFERS
        ),
    ),
    rows=(
        *(ResultRow(_BASE, system, paper, name, _F1_TOP_8) for name, system, paper, *_ in _NETS),
        *(ResultRow(_BASE, f"ours: fashion_small, {loss}", None, f"ours-{loss}", _F1_TOP_8) for loss in _LOSSES),
        *(
            ResultRow(
                _LOSS, f"ours: fashion_small, {loss}", None, f"ours-{loss}", methodcaller("label_f1", "given", mean)
            )
            for mean in _MEANS
            for loss in _LOSSES
        ),
        *(ResultRow(_TRANSFER, system, paper, name) for name, system, paper, _ in _ROUTES),
        *(ResultRow(_MORE, system, paper, name, attrgetter("top_3")) for name, system, _, paper in _ROUTES if paper),
    ),
    deviations=(
        "iFashion's million images are not at hand (`train --data` reads its files where they are): attributes are "
        "those of this catalog, from its columns and product names; micro-F1 over the known labels of each product.",
        "The learning rate is that of `--strategy scratch` (AdamW, cosine), not RMSprop at 0.1, which diverges with "
        "small batches; small images in place of 224×224 and 299×299.",
        "Inception-BN*, DeepFashion and Clothes-1M with ImageNet's weights could not be had; nor WTBI, DARN, "
        "FashionNet and others that the paper quotes.",
        "Transfer is between three thirds of the catalog, by product: attributes of the first, article types of the "
        "second, article types of the third.",
    ),
    conclude=_conclude,
    figures=(
        ("ours-grouped", "labels_per_image.png", "Labels per image (figure 2)"),
        ("ours-grouped", "co_occurrence.png", "Which labels go together"),
    ),
)
