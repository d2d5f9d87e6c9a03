"""schindler2018: Fashion and Apparel Classification using Convolutional Neural Networks."""

from collections.abc import Mapping
from operator import attrgetter

from fashion_keras.studies.study import CatalogSubset, ResultRow, Step, StepReport, Study

_TABLE, _GENDER, _PERSON = "Table I: product category", "Table I: gender", "Person detector"
_ORDER = "The order, with a transfer from one half of the images to the other"
_PLAIN, _AUGMENTED = "--augment none", "--augment schindler2018"
_FULL, _FROZEN, _SCRATCH = (f"--strategy {name} {_AUGMENTED}" for name in ("full", "frozen", "scratch"))
# Epochs and images of --quick: enough to see every system run.
_QUICK = "--limit 400 --epochs 1"

# (table, step, as in the paper, per product by cumulative maximum: the mean over folds, per image in the best fold,
# backbone and flags)
_CLASSIFIERS = (
    (_TABLE, "inception-tuned", "InceptionV3, pretrained, fine-tuned", 0.716, 0.658, f"inception_v3 {_FULL}"),
    (_TABLE, "vgg16-tuned", "VGG16, pretrained, fine-tuned", 0.691, 0.646, f"vgg16 {_FULL}"),
    (_TABLE, "vgg19-tuned", "VGG19, pretrained, fine-tuned", 0.634, 0.579, f"vgg19 {_FULL}"),
    (_TABLE, "vgg19-top", "VGG19, pretrained, top layers", 0.343, 0.578, f"vgg19 {_FROZEN}"),
    (_TABLE, "vgg16-top", "VGG16, pretrained, top layers", 0.368, 0.603, f"vgg16 {_FROZEN}"),
    (_TABLE, "inception-top", "InceptionV3, pretrained, top layers", 0.643, 0.585, f"inception_v3 {_FROZEN}"),
    (_TABLE, "inception-clean", "InceptionV3, clean", 0.580, 0.492, f"inception_v3 {_SCRATCH}"),
    (_TABLE, "custom", "custom CNN, augmentation", 0.538, 0.506, f"schindler_cnn {_SCRATCH}"),
    (_TABLE, "vgg-like", "custom VGG-like", 0.519, 0.438, f"vgg_like {_SCRATCH}"),
    (_TABLE, "vgg16-clean", "VGG16, clean", 0.443, 0.439, f"vgg16 {_SCRATCH}"),
    (_TABLE, "vgg19-clean", "VGG19, clean", 0.430, 0.437, f"vgg19 {_SCRATCH}"),
    (_TABLE, "inception-person-input", "InceptionV3, fine-tuned, person filter as layer", 0.658, 0.569,
     f"inception_v3 {_FULL} --person-input {{person}}"),
    (_TABLE, "inception-person-filter", "InceptionV3, fine-tuned, person filter as metadata", 0.614, 0.640,
     f"inception_v3 {_FULL} --person-filter {{person}}"),
    (_TABLE, "inception-plain", "InceptionV3, fine-tuned, no augmentation", 0.647, 0.564,
     f"inception_v3 --strategy full {_PLAIN}"),
    (_TABLE, "custom-plain", "custom CNN", 0.523, 0.463, f"schindler_cnn --strategy scratch {_PLAIN}"),
    (_GENDER, "gender-vgg19-top", "VGG19, pretrained, top layers", 0.880, 0.819, f"vgg19 {_FROZEN}"),
    (_GENDER, "gender-inception-tuned", "InceptionV3, pretrained, fine-tuned", 0.836, 0.798, f"inception_v3 {_FULL}"),
    (_GENDER, "gender-vgg19-tuned", "VGG19, pretrained, fine-tuned", 0.830, 0.762, f"vgg19 {_FULL}"),
)  # fmt: skip
_WAYS = (
    ("order-tuned", "fine-tuned on the other half", "--strategy frozen+full --weights {order-first}"),
    ("order-top", "top layers alone", "--strategy frozen --weights {order-first}"),
    ("order-clean", "clean", "--strategy scratch"),
)
_OURS = "--task article_type --backbone custom_cnn --min-images 40"


def _classify(table: str, name: str, flags: str) -> Step:
    task, min_images = ("gender", 20) if table == _GENDER else ("article_type", 100)
    size = "" if "inception" in flags else " --image-size 32x32"
    quick = f"{_QUICK}{size} --min-images {min_images}"
    return Step(name, f"train --task {task} --data {{data}} --backbone {flags}", full="--folds 3", quick=quick)


def _conclude(reports: Mapping[str, StepReport]) -> list[str]:
    tuned, top, clean = (reports[name] for name, *_ in _WAYS)
    values = [report.accuracy.value for report in (tuned, top, clean)]
    order = "holds" if values == sorted(values, reverse=True) else "does not hold"
    spread = "{mean:.3f} ± {standard_deviation:.3f} (best {best:.3f})"
    folds = (report.values["over_folds"]["accuracy"] for report in (tuned, top, clean))
    spreads = ", ".join(spread.format_map(fold) for fold in folds)
    return [
        _compare("fine-tuned", tuned, "top layers alone", top),
        _compare("top layers alone", top, "clean", clean),
        f"The order fine-tuned > top only > clean {order} here. Mean over three folds, in that order: {spreads}.",
    ]


def _compare(first: str, first_report: StepReport, second: str, second_report: StepReport) -> str:
    scores = first_report.accuracy, second_report.accuracy
    (low, high), (other_low, other_high) = (score.interval for score in scores)
    overlap = "their intervals do not overlap" if low > other_high or other_low > high else "their intervals overlap"
    return (
        f"{first} {scores[0].value:.3f} ({low:.3f}–{high:.3f}), {second} {scores[1].value:.3f} "
        f"({other_low:.3f}–{other_high:.3f}): {overlap}."
    )


SCHINDLER2018 = Study(
    name="schindler2018",
    title="schindler2018: Fashion and Apparel Classification using Convolutional Neural Networks",
    columns=("gender", "master_category", "sub_category", "article_type", "product_display_name"),
    parts=(CatalogSubset("half-one", share=(0, 2)), CatalogSubset("half-two", share=(1, 2))),
    steps=(
        Step(
            "person",
            "train --recipe schindler2018_person --image-size 75x75 --data {data}",
            quick="--epochs 4 --limit 2000",
        ),
        *(_classify(table, name, flags) for table, name, *_, flags in _CLASSIFIERS),
        Step(
            "order-first",
            f"train {_OURS} --strategy scratch --data {{half-one}}",
            quick="--image-size 40x32 --epochs 8",
        ),
        *(
            Step(name, f"train {_OURS} {flags} --folds 3 --data {{half-two}}", quick="--image-size 40x32 --epochs 8")
            for name, _, flags in _WAYS
        ),
    ),
    rows=(
        ResultRow(_PERSON, "three blocks of batch-normalized convolutions", 0.911, "person"),
        *(
            ResultRow(table, system, paper, name, score)
            for table, name, system, *papers, _ in _CLASSIFIERS
            for paper, score in zip(papers, (attrgetter("product_accuracy"), attrgetter("accuracy")), strict=True)
        ),
        *(ResultRow(_ORDER, f"custom_cnn, {system}", None, name) for name, system, _ in _WAYS),
    ),
    deviations=(
        "Article types with at least 100 products in place of 30 categories; one image a product: several images "
        "of a product are those that share a title.",
        "The paper's accuracy per image is that of its best fold, per product the mean of folds; ours are of all folds "
        "together, with `--quick` of one test part.",
        "Labels of the person detector are derived from product types (see README), not given by people; the paper had "
        "7,833 labeled images.",
        "0.706 and 0.794 on the whole set of 234,408 images, the first line of Table I, is the first system again: "
        "here there is one set.",
        "The whole catalog; the paper drew a subset by product with a floor: `--limit 0.1 --floor 100`.",
    ),
    conclude=_conclude,
)
