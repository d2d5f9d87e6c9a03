"""schindler2018: Fashion and Apparel Classification using Convolutional Neural Networks."""

from collections.abc import Mapping
from functools import partial
from operator import attrgetter

from fashion_keras.studies.study import (
    LITE,
    LITE_DEVIATION,
    LITE_FLAGS,
    LITE_SIZE,
    LITE_TUNED,
    Finding,
    ResultRow,
    Step,
    StepReport,
    Study,
)

_TABLE, _GENDER, _PERSON = "Table I: product category", "Table I: gender", "Person detector"
_PLAIN, _AUGMENTED = "--augment none", "--augment schindler2018"
_FULL, _FROZEN = (f"--weights imagenet --strategy {name} {_AUGMENTED}" for name in ("full", "frozen"))
_SCRATCH = f"--strategy scratch {_AUGMENTED}"
_LITE_TOP = f"{LITE_FLAGS} --strategy frozen"
_FEW = "--limit 400 --epochs 1"

# Each: table, step, as in the paper, per product by cumulative maximum: the mean over folds, per image in the best
# fold, flags, flags that are added without --quick, and with it.
_LITE = (
    (_TABLE, "lite-tuned", "InceptionV3, pretrained, fine-tuned", 0.716, 0.658,
     f"{LITE_TUNED} {_AUGMENTED}", "--epochs 6", "--limit 1000 --epochs 4"),
    (_TABLE, "lite-top", "InceptionV3, pretrained, top layers", 0.643, 0.585,
     f"{_LITE_TOP} {_AUGMENTED} --views 2", "", "--limit 1000"),
    (_TABLE, "lite-clean", "InceptionV3, clean", 0.580, 0.492,
     f"--backbone {LITE} {_SCRATCH} --image-size 56x42", "--epochs 8", "--limit 1000 --epochs 2"),
    (_TABLE, "lite-top-plain", "top layers, no augmentation", None, None,
     f"{_LITE_TOP} {_PLAIN}", "", "--limit 1000"),
    (_TABLE, "lite-person-input", "top layers, person filter as layer", None, None,
     f"{_LITE_TOP} {_AUGMENTED} --views 2 --person-input {{person}}", "", "--limit 1000"),
    (_TABLE, "lite-person-filter", "top layers, person filter as metadata", None, None,
     f"{_LITE_TOP} {_AUGMENTED} --views 2 --person-filter {{person}}", "", "--limit 1000"),
    (_GENDER, "lite-gender-tuned", "InceptionV3, pretrained, fine-tuned", 0.836, 0.798,
     f"{LITE_TUNED} {_AUGMENTED}", "--epochs 3", "--limit 1000 --epochs 2"),
    (_GENDER, "lite-gender-top", "VGG19, pretrained, top layers", 0.880, 0.819,
     f"{_LITE_TOP} {_AUGMENTED} --views 2", "", "--limit 1000"),
)  # fmt: skip
_CUSTOM = (
    (_TABLE, "custom", "custom CNN, augmentation", 0.538, 0.506, f"schindler_cnn {_SCRATCH}"),
    (_TABLE, "custom-plain", "custom CNN", 0.523, 0.463, f"schindler_cnn --strategy scratch {_PLAIN}"),
    (_TABLE, "vgg-like", "custom VGG-like", 0.519, 0.438, f"vgg_like {_SCRATCH}"),
)
_OF_KERAS = (
    (_TABLE, "inception-tuned", "InceptionV3, pretrained, fine-tuned", 0.716, 0.658, f"inception_v3 {_FULL}"),
    (_TABLE, "vgg16-tuned", "VGG16, pretrained, fine-tuned", 0.691, 0.646, f"vgg16 {_FULL}"),
    (_TABLE, "vgg19-tuned", "VGG19, pretrained, fine-tuned", 0.634, 0.579, f"vgg19 {_FULL}"),
    (_TABLE, "vgg19-top", "VGG19, pretrained, top layers", 0.343, 0.578, f"vgg19 {_FROZEN}"),
    (_TABLE, "vgg16-top", "VGG16, pretrained, top layers", 0.368, 0.603, f"vgg16 {_FROZEN}"),
    (_TABLE, "inception-top", "InceptionV3, pretrained, top layers", 0.643, 0.585, f"inception_v3 {_FROZEN}"),
    (_TABLE, "inception-clean", "InceptionV3, clean", 0.580, 0.492, f"inception_v3 {_SCRATCH}"),
    (_TABLE, "vgg16-clean", "VGG16, clean", 0.443, 0.439, f"vgg16 {_SCRATCH}"),
    (_TABLE, "vgg19-clean", "VGG19, clean", 0.430, 0.437, f"vgg19 {_SCRATCH}"),
    (_TABLE, "inception-person-input", "InceptionV3, fine-tuned, person filter as layer", 0.658, 0.569,
     f"inception_v3 {_FULL} --person-input {{person-inception}}"),
    (_TABLE, "inception-person-filter", "InceptionV3, fine-tuned, person filter as metadata", 0.614, 0.640,
     f"inception_v3 {_FULL} --person-filter {{person-inception}}"),
    (_TABLE, "inception-plain", "InceptionV3, fine-tuned, no augmentation", 0.647, 0.564,
     f"inception_v3 --weights imagenet --strategy full {_PLAIN}"),
    (_GENDER, "gender-vgg19-top", "VGG19, pretrained, top layers", 0.880, 0.819, f"vgg19 {_FROZEN}"),
    (_GENDER, "gender-inception-tuned", "InceptionV3, pretrained, fine-tuned", 0.836, 0.798, f"inception_v3 {_FULL}"),
    (_GENDER, "gender-vgg19-tuned", "VGG19, pretrained, fine-tuned", 0.830, 0.762, f"vgg19 {_FULL}"),
)  # fmt: skip
_SYSTEMS = (
    *((table, name, f"EfficientNet-Lite0 for {system}" if paper else f"EfficientNet-Lite0, {system}", paper, image)
      for table, name, system, paper, image, *_ in _LITE),
    *(row[:5] for row in (*_CUSTOM, *_OF_KERAS)),
)  # fmt: skip
_PERSON_RUN = "train --recipe schindler2018_person --data {data}"
_PERSON_FLAGS = {"full": "--limit 2000 --epochs 4", "quick": "--limit 1000 --epochs 2"}


def _train(table: str, flags: str) -> str:
    task, min_images = ("gender", 20) if table == _GENDER else ("article_type", 100)
    return f"train --task {task} --min-images {min_images} --data {{data}} {flags}"


def _of_keras(table: str, name: str, flags: str) -> Step:
    backbone = flags.split(" ")[0]
    small = "" if backbone == "inception_v3" else " --image-size 32x32"
    command = _train(table, f"--backbone {flags}")
    return Step(name, command, full="--folds 3", quick=f"{_FEW}{small}", imagenet=backbone)


def _order(reports: Mapping[str, StepReport]) -> str:
    systems = ("lite-tuned", "lite-top", "lite-clean")
    tuned, top, clean = (reports[name].accuracy for name in systems)
    holds = "holds" if tuned.value > top.value > clean.value else "does not hold"
    overlaps = [
        f"the intervals of {pair} do {'' if better.overlaps(other) else 'not '}overlap"
        for pair, better, other in (("the first two", tuned, top), ("the last two", top, clean))
    ]
    means = ", ".join(_over_folds(reports[name]) for name in systems)
    return (
        f"The paper's order, fine-tuned > top layers only > clean, {holds} with EfficientNet-Lite0: accuracy per image "
        f"{tuned}, {top}, {clean}; {overlaps[0]}, {overlaps[1]}. Means of three folds with their standard deviation: "
        f"{means}."
    )


def _over_folds(report: StepReport) -> str:
    return "{mean:.3f} ± {standard_deviation:.3f}".format_map(report.values["over_folds"]["accuracy"])


def _difference(reports: Mapping[str, StepReport], text: str, first: str, second: str) -> str:
    """Return `text`, its two {} being the accuracies of two steps, and whether they differ beyond their intervals."""
    scores = reports[first].accuracy, reports[second].accuracy
    verdict = "overlap: no difference is shown" if scores[0].overlaps(scores[1]) else "do not overlap"
    return f"{text.format(*scores)}; the intervals {verdict}."


def _persons(reports: Mapping[str, StepReport]) -> str:
    layer, filtered, without = (
        reports[name].accuracy for name in ("lite-person-input", "lite-person-filter", "lite-top")
    )
    gain = "improves" if max(layer.value, filtered.value) > without.value else "does not improve"
    return (
        f"The person filter {gain} top layers: as a layer {layer}, as metadata {filtered} (of the images without a "
        f"person), without it {without}. In the paper it lowered both scores of fine-tuned InceptionV3."
    )


def _finding(text: str, first: str, second: str) -> Finding:
    return Finding((first, second), partial(_difference, text=text, first=first, second=second))


SCHINDLER2018 = Study(
    name="schindler2018",
    title="schindler2018: Fashion and Apparel Classification using Convolutional Neural Networks",
    columns=("gender", "master_category", "sub_category", "article_type", "product_display_name"),
    parts=(),
    steps=(
        Step("person", f"{_PERSON_RUN} {LITE_SIZE}", **_PERSON_FLAGS),
        *(
            Step(name, _train(table, f"{flags} --folds 3"), full, quick, imagenet=LITE)
            for table, name, *_, flags, full, quick in _LITE
        ),
        *(
            Step(
                name,
                _train(table, f"--backbone {flags} --image-size 32x32"),
                full="--limit 1500 --epochs 8 --folds 3 --fold 1",
                quick=_FEW,
            )
            for table, name, *_, flags in _CUSTOM
        ),
        Step("person-inception", f"{_PERSON_RUN} --image-size 75x75", imagenet="inception_v3", **_PERSON_FLAGS),
        *(_of_keras(table, name, flags) for table, name, *_, flags in _OF_KERAS),
    ),
    rows=(
        ResultRow(_PERSON, "three blocks of batch-normalized convolutions", 0.911, "person"),
        *(
            ResultRow(table, system, paper, name, score)
            for table, name, system, *papers in _SYSTEMS
            for paper, score in zip(papers, (attrgetter("product_accuracy"), attrgetter("accuracy")), strict=True)
        ),
    ),
    deviations=(
        LITE_DEVIATION,
        "From scratch (clean), EfficientNet-Lite0 takes images of 56×42, the custom networks 32×32, both 8 "
        "epochs; the latter about 1,500 products and one of three folds: as much as two CPU cores train in minutes.",
        "Fine-tuned takes 6 epochs (gender: 3) from four augmented views of each image, top layers two views.",
        "Article types with at least 100 products in place of 30 categories; one image a product: several images "
        "of a product are those that share a title.",
        "The paper's accuracy per image is that of its best fold, per product the mean of folds; ours are of all folds "
        "together, with `--quick` and for the networks of one fold, of that test part.",
        "Labels of the person detector are derived from product types (see README), not given by people; the paper had "
        "7,833 labeled images, ours are about 2,000.",
        "0.706 and 0.794 on the whole set of 234,408 images, the first line of Table I, is the first system again: "
        "here there is one set.",
        "The whole catalog; the paper drew a subset by product with a floor: `--limit 0.1 --floor 100`.",
    ),
    findings=(
        Finding(("lite-tuned", "lite-top", "lite-clean"), _order),
        _finding("Gender, fine-tuned {}, top layers only {}", "lite-gender-tuned", "lite-gender-top"),
        _finding("Top layers with the paper's augmentation {}, without {}", "lite-top", "lite-top-plain"),
        Finding(("lite-person-input", "lite-person-filter", "lite-top"), _persons),
    ),
)
