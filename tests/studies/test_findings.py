"""Findings of the studies: each sentence is true, whichever way the scores turn out."""

import pytest

from fashion_keras.studies.registry import get_study
from fashion_keras.studies.study import Score, StepReport


def classifier(accuracy, margin=0.01, **values):
    """The report of a run with that accuracy, in an interval of `margin` to both sides."""
    test = {"accuracy": accuracy, "accuracy_ci95": [accuracy - margin, accuracy + margin], "macro_f1": accuracy - 0.1}
    folds = {"accuracy": {"mean": accuracy, "standard_deviation": 0.005}}
    return StepReport({"test": test, "counts": {"test": 100}, "over_folds": folds, **values})


def labels(f1, margin=0.01):
    scores = {"f1": f1, "f1_ci95": [f1 - margin, f1 + margin]}
    given = {"micro": scores, "macro": scores}
    return StepReport({"labels": {"given": given, "top_8": given}, "counts": {"test": 100}})


def conclude(study, **reports):
    """The findings on these reports, whose underscores stand for hyphens."""
    return get_study(study).conclusions({name.replace("_", "-"): report for name, report in reports.items()})


def test_score_as_text_and_overlap():
    wide, narrow = Score(0.5, (0.4, 0.6), 9), Score(0.65, (0.61, 0.7), 9)
    assert (str(wide), str(Score(0.5, None, 9))) == ("0.500 (0.400–0.600)", "0.500")
    assert not wide.overlaps(narrow)
    assert wide.overlaps(Score(0.65, (0.6, 0.7), 9))


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((0.86, 0.83, 0.6), "clean, holds with"),
        ((0.83, 0.86, 0.6), "clean, does not hold with"),
        ((0.86, 0.6, 0.83), "clean, does not hold with"),
    ],
)
def test_schindler2018_order(scores, verdict):
    tuned, top, clean = map(classifier, scores)
    (sentence,) = conclude("schindler2018", lite_tuned=tuned, lite_top=top, lite_clean=clean)
    assert verdict in sentence
    assert f"{scores[0]:.3f} ({scores[0] - 0.01:.3f}–{scores[0] + 0.01:.3f}), {scores[1]:.3f} (" in sentence
    assert "0.860 ± 0.005" in sentence


def test_schindler2018_order_with_intervals_that_overlap():
    reports = {"lite_tuned": classifier(0.84), "lite_top": classifier(0.83), "lite_clean": classifier(0.6)}
    (sentence,) = conclude("schindler2018", **reports)
    assert "the intervals of the first two do overlap, the intervals of the last two do not overlap" in sentence


def test_schindler2018_person_filter_and_pairs():
    reports = {
        "lite_person_input": classifier(0.82),
        "lite_person_filter": classifier(0.81),
        "lite_top": classifier(0.83),
    }
    (persons,) = conclude("schindler2018", **reports)
    assert "does not improve top layers: as a layer 0.820" in persons
    assert "The person filter improves" in conclude("schindler2018", **reports | {"lite_top": classifier(0.8)})[0]
    (gender,) = conclude("schindler2018", lite_gender_tuned=classifier(0.9), lite_gender_top=classifier(0.8))
    assert gender.startswith("Gender, fine-tuned 0.900 (0.890–0.910), top layers only 0.800")
    assert gender.endswith("do not overlap.")


@pytest.mark.parametrize(
    ("raw", "verdict"), [(0.2, "scaling can explain"), (0.795, "scaling does not explain"), (0.9, "does not explain")]
)
def test_li2020_scaling(raw, verdict):
    reports = {"lite-article_type": classifier(0.8), "lite-article_type-unscaled": classifier(raw)}
    (sentence,) = get_study("li2020").conclusions(reports)
    assert verdict in sentence
    assert f"0.800 (0.790–0.810) with the scaling of its training and {raw:.3f}" in sentence


def test_li2020_search_and_balancing():
    def row(name, value):
        return {"name": name, "scores": {key: {"value": value, "ci95": [value - 0.01, value + 0.01]} for key in keys}}

    keys = ("article_type precision@10", "base_colour precision@10", "same_title recall@10")
    rows = [row("efficientnet_lite0", 0.8), row("/x/steps/autoencoder", 0.5)]
    (sentence,) = conclude("li2020", search=StepReport({"rows": rows, "products": 9}))
    assert all(
        f"{key} 0.800 (0.790–0.810) against 0.500 (0.490–0.510), beyond the intervals" in sentence for key in keys
    )
    accuracies = {"none": 0.8, "class_weight": 0.79, "oversample": 0.805, "undersample": 0.7, "smote": 0.85}
    reports = {f"balance-{name}": classifier(value) for name, value in accuracies.items()}
    (sentence,) = get_study("li2020").conclusions(reports)
    assert "1 of four methods is more accurate than `none` beyond its interval; `smote` has the highest" in sentence
    assert "0.750 (`none`: 0.700)" in sentence


def test_gutierrez2019_transfer_and_robustness():
    reports = {
        "gender-imagenet": classifier(0.8), "gender-fashion": classifier(0.81),
        "usage-imagenet": classifier(0.9), "usage-fashion": classifier(0.85),
    }  # fmt: skip
    (sentence,) = get_study("gutierrez2019").conclusions(reports)
    assert "by way of it (+0.010, not beyond the intervals)" in sentence
    assert "by way of it (-0.050, beyond the intervals)" in sentence
    conditions = {"reference": 0.9, "nearest": 0.8, "area": 0.9, "jpeg_30": 0.6, "noise_5": 0.8}
    rows = [
        {"run": f"x/{run}", "condition": name, "accuracy": value}
        for run in ("lite-plain", "lite-augmented")
        for name, value in conditions.items()
    ]
    (sentence,) = conclude("gutierrez2019", robustness=StepReport({"rows": rows}))
    assert "0.900 as trained, 0.850 over other resizers, 0.700 over JPEG, shifts, noise and gamma" in sentence
    assert "0.600 at worst (jpeg_30)" in sentence


@pytest.mark.parametrize(
    ("cut", "gate"), [(0.97, "leaves 1.4 of 47.0 outlier errors (97% fewer)"), (None, "There was no outlier error")]
)
def test_gutierrez2019_weight_decay_and_gate(cut, gate):
    shares = (0.115, 0.02, 0.114, 0.01, 0.146, 0.01, 0.17, 0.006)
    rows = [{"outlier_error_share": share, "released": 400} for share in shares]
    coverage = {"cut": cut, "outlier_errors_with": 1.4, "outlier_errors_without": 47}
    decays, gated = conclude(
        "gutierrez2019", tagger=StepReport({"table_4": {"rows": rows, "equal_coverage": coverage}})
    )
    assert "releases fewer outlier errors: 0.170 of what is released with the weakest, 0.115" in decays
    assert "0.006 with the weakest behind the gate" in decays
    assert gate in gated


def test_guo2019_transfer_and_losses():
    scores = {"c_alone": 0.4, "c_imagenet": 0.8, "b_c": 0.83, "a_c": 0.81, "a_b_c": 0.82}
    (sentence,) = conclude("guo2019", **{name: classifier(score) for name, score in scores.items()})
    assert "from ImageNet alone 0.800" in sentence
    assert "the best is by way of the article types of other products, beyond the intervals of" in sentence
    worse = {name: classifier(0.5 if name == "c_imagenet" else 0.4) for name in scores}
    assert "no other route is better than ImageNet alone" in conclude("guo2019", **worse)[0]
    losses = {"lite-tuned": labels(0.8), "lite-bce": labels(0.7), "lite-weighted_bce": labels(0.71)}
    tuned, weighted = get_study("guo2019").conclusions(losses)
    assert "micro-F1 0.800 (0.790–0.810) with EfficientNet-Lite0 fine-tuned, 0.700" in tuned
    assert "macro-F1 0.710 (0.700–0.720) against 0.700" in weighted
