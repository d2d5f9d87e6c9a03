"""schindler2018: Fashion and Apparel Classification using Convolutional Neural Networks."""

from collections.abc import Mapping
from operator import attrgetter

from fashion_keras.studies.study import CatalogSubset, ResultRow, Step, StepReport, Study

_TABLE, _GENDER, _PERSON = "Table I: product category", "Table I: gender", "Person detector"
_ORDER = "The order, with a transfer from one half of the images to the other"
_FOLDS = "--folds 3"
_PLAIN, _AUGMENTED = "--augment none", "--augment schindler2018"
# Epochs and images of --quick: enough to see every system run.
_QUICK = "--limit 400 --epochs 1"
_SMALL = f"{_QUICK} --image-size 32x32"

# (name, as in the paper, per product by cumulative maximum: the mean over folds, per image in the best fold, flags)
_SYSTEMS = (
    ("inception-tuned", "InceptionV3, pretrained, fine-tuned", 0.716, 0.658, "inception_v3", "full"),
    ("vgg16-tuned", "VGG16, pretrained, fine-tuned", 0.691, 0.646, "vgg16", "full"),
    ("vgg19-tuned", "VGG19, pretrained, fine-tuned", 0.634, 0.579, "vgg19", "full"),
    ("vgg19-top", "VGG19, pretrained, top layers", 0.343, 0.578, "vgg19", "frozen"),
    ("vgg16-top", "VGG16, pretrained, top layers", 0.368, 0.603, "vgg16", "frozen"),
    ("inception-top", "InceptionV3, pretrained, top layers", 0.643, 0.585, "inception_v3", "frozen"),
    ("inception-clean", "InceptionV3, clean", 0.580, 0.492, "inception_v3", "scratch"),
    ("custom", "custom CNN, augmentation", 0.538, 0.506, "schindler_cnn", "scratch"),
    ("vgg-like", "custom VGG-like", 0.519, 0.438, "vgg_like", "scratch"),
    ("vgg16-clean", "VGG16, clean", 0.443, 0.439, "vgg16", "scratch"),
    ("vgg19-clean", "VGG19, clean", 0.430, 0.437, "vgg19", "scratch"),
)
_VARIANTS = (
    ("inception-person-input", "InceptionV3, fine-tuned, person filter as layer", 0.658, 0.569,
     f"--backbone inception_v3 --strategy full {_AUGMENTED} --person-input {{person}}"),
    ("inception-person-filter", "InceptionV3, fine-tuned, person filter as metadata", 0.614, 0.640,
     f"--backbone inception_v3 --strategy full {_AUGMENTED} --person-filter {{person}}"),
    ("inception-plain", "InceptionV3, fine-tuned, no augmentation", 0.647, 0.564,
     f"--backbone inception_v3 --strategy full {_PLAIN}"),
    ("custom-plain", "custom CNN", 0.523, 0.463, f"--backbone schindler_cnn --strategy scratch {_PLAIN}"),
)  # fmt: skip
_GENDERS = (
    ("gender-vgg19-top", "VGG19, pretrained, top layers", 0.880, 0.819, "vgg19", "frozen"),
    ("gender-inception-tuned", "InceptionV3, pretrained, fine-tuned", 0.836, 0.798, "inception_v3", "full"),
    ("gender-vgg19-tuned", "VGG19, pretrained, fine-tuned", 0.830, 0.762, "vgg19", "full"),
)
_WAYS = (
    ("order-tuned", "fine-tuned on the other half", "--strategy frozen+full --weights {order-first}"),
    ("order-top", "top layers alone", "--strategy frozen --weights {order-first}"),
    ("order-clean", "clean", "--strategy scratch"),
)
_OURS = "--task article_type --backbone custom_cnn --min-images 40"


def _flags(backbone: str, strategy: str) -> str:
    return f"--backbone {backbone} --strategy {strategy} {_AUGMENTED}"


def _quick(flags: str) -> str:
    return _QUICK if "inception" in flags else _SMALL


def _rows(table: str, name: str, system: str, per_product: float, per_image: float) -> tuple[ResultRow, ResultRow]:
    return (
        ResultRow(table, system, per_product, name, attrgetter("product_accuracy")),
        ResultRow(table, system, per_image, name),
    )


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


_TASKS = {_TABLE: "article_type", _GENDER: "gender"}
_CLASSIFIERS = tuple(
    (table, name, system, per_product, per_image, flags)
    for table, rows in (
        (_TABLE, [(*row[:4], _flags(*row[4:])) for row in _SYSTEMS]),
        (_TABLE, _VARIANTS),
        (_GENDER, [(*row[:4], _flags(*row[4:])) for row in _GENDERS]),
    )
    for name, system, per_product, per_image, flags in rows
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
        *(
            Step(
                name,
                f"train --task {_TASKS[table]} --data {{data}} {flags}",
                full=_FOLDS,
                quick=f"{_quick(flags)} --min-images {20 if table == _GENDER else 100}",
            )
            for table, name, _, _, _, flags in _CLASSIFIERS
        ),
        Step(
            "order-first",
            f"train {_OURS} --strategy scratch --data {{half-one}}",
            quick="--image-size 40x32 --epochs 8",
        ),
        *(
            Step(name, f"train {_OURS} {flags} {_FOLDS} --data {{half-two}}", quick="--image-size 40x32 --epochs 8")
            for name, _, flags in _WAYS
        ),
    ),
    rows=(
        ResultRow(_PERSON, "three blocks of batch-normalized convolutions", 0.911, "person"),
        *(
            row
            for table, name, system, per_product, per_image, _ in _CLASSIFIERS
            for row in _rows(table, name, system, per_product, per_image)
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
