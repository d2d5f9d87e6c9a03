"""Outlier scores against arithmetic done by hand, scipy and scikit-learn, and the table of gutierrez2019."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax
from sklearn.covariance import shrunk_covariance

from fashion_keras.evaluation.metrics import out_of_distribution

LOGITS = 3 * np.random.default_rng(0).standard_normal((20, 6))
NOTHING = np.array([])


def units(count, width, seed):
    vectors = np.random.default_rng(seed).standard_normal((count, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_maximum_softmax_by_hand():
    np.testing.assert_allclose(out_of_distribution.maximum_softmax(np.log([[1, 3], [1, 1]])), [3 / 4, 1 / 2])
    np.testing.assert_allclose(
        out_of_distribution.maximum_softmax(np.log([[1, 9]]), temperature=2), [3 / 4]
    )  # 9 ** (1/2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_scores_of_logits_agree_with_scipy(temperature):
    scaled = LOGITS / temperature
    np.testing.assert_allclose(
        out_of_distribution.maximum_softmax(LOGITS, temperature), softmax(scaled, axis=1).max(axis=1)
    )
    np.testing.assert_allclose(out_of_distribution.energy(LOGITS, temperature), temperature * logsumexp(scaled, axis=1))


def test_maximum_softmax_separates_confident_rows_where_float32_does_not():
    logits = np.array([[20.0, 0.0], [30.0, 0.0]], dtype=np.float32)
    low, high = out_of_distribution.maximum_softmax(logits)
    assert low < high
    assert len(set(softmax(logits, axis=1).max(axis=1))) == 1


def test_energy_sees_the_size_of_all_logits_and_softmax_does_not():
    logits = np.array([[1.0, 0.0], [11.0, 10.0]])
    assert np.ptp(out_of_distribution.maximum_softmax(logits)) == pytest.approx(0)
    np.testing.assert_allclose(np.diff(out_of_distribution.energy(logits)), [10])


def test_neighbor_similarity_by_hand():
    train = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    vectors = np.array([[0.6, 0.8], [1.0, 0.0]])
    for k, expected in ((1, [0.8, 1.0]), (2, [0.6, 0.0]), (3, [-0.6, -1.0])):
        np.testing.assert_allclose(out_of_distribution.neighbor_similarity(train, vectors, k), expected)


def test_neighbor_similarity_agrees_with_scipy_and_ties_do_no_harm():
    train, vectors = units(40, 5, 1), units(15, 5, 2)
    train[10:20] = train[:10]
    expected = 1 - np.sort(cdist(vectors, train, "cosine"), axis=1)[:, 4]
    result = out_of_distribution.neighbor_similarity(train.astype(np.float32), vectors.astype(np.float32), k=5)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_mahalanobis_by_hand():
    # Two classes around (0, 0) and (10, 0); within both, variance 1 along x and 4 along y.
    around = np.array([[1, 2], [-1, 2], [1, -2], [-1, -2]])
    train = np.concatenate([around, around + [10, 0]])
    gaussians = out_of_distribution.fit_gaussians(train, np.array([0] * 4 + [7] * 4), shrinkage=0)
    np.testing.assert_allclose(gaussians.means, [[0, 0], [10, 0]])
    result = out_of_distribution.mahalanobis(gaussians, [[0, 0], [3, 0], [0, 3], [10, 2], [8, 4]])
    np.testing.assert_allclose(result, [0, -9, -9 / 4, -1, -(4 + 16 / 4)], atol=1e-9)
    # Shrunk by half, the variances are 1/2 x 1 + 1/2 x 5/2 = 1.75 and 1/2 x 4 + 1/2 x 5/2 = 3.25.
    shrunk = out_of_distribution.fit_gaussians(train, np.array([0] * 4 + [7] * 4), shrinkage=0.5)
    np.testing.assert_allclose(out_of_distribution.mahalanobis(shrunk, [[3, 0], [0, 3]]), [-9 / 1.75, -9 / 3.25])


def test_mahalanobis_agrees_with_scipy_and_scikit_learn():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, 90)
    train = rng.standard_normal((90, 4)) @ rng.standard_normal((4, 4)) + codes[:, None]
    means = np.array([train[codes == code].mean(axis=0) for code in range(3)])
    centered = train - means[codes]
    inverse = np.linalg.inv(shrunk_covariance(centered.T @ centered / 90, shrinkage=0.1))
    vectors = 3 * rng.standard_normal((20, 4))
    expected = -(cdist(vectors, means, "mahalanobis", VI=inverse) ** 2).min(axis=1)
    result = out_of_distribution.mahalanobis(out_of_distribution.fit_gaussians(train, codes, shrinkage=0.1), vectors)
    np.testing.assert_allclose(result, expected)


def test_shrinkage_gives_an_unused_direction_an_inverse():
    train = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    result = out_of_distribution.mahalanobis(
        out_of_distribution.fit_gaussians(train, np.zeros(3, int)), [[7 / 3, 0.0], [7 / 3, 1.0]]
    )
    assert result[0] == pytest.approx(0, abs=1e-9)
    # The variance along x, 14/9, halves over two dimensions: 0.01 x 7/9 stands in the unused one.
    assert result[1] == pytest.approx(-1 / (0.01 * 7 / 9))


def test_auroc_by_hand():
    assert out_of_distribution.auroc([0.9, 0.5], [0.5, 0.1]) == (1 + 1 + 1 / 2 + 1) / 4
    assert out_of_distribution.auroc([1.0], [1.0]) == 1 / 2
    assert out_of_distribution.auroc([2, 3], [0, 1]) == 1.0
    assert out_of_distribution.auroc([0], [1, 2, 3]) == 0.0


@pytest.mark.parametrize("digits", [1, 8])
def test_auroc_and_false_positives_agree_with_scikit_learn(digits):
    rng = np.random.default_rng(5)
    inside, outside = np.round(rng.beta(4, 2, 300), digits), np.round(rng.beta(2, 3, 170), digits)
    belongs, scores = np.repeat([1, 0], [300, 170]), np.concatenate([inside, outside])
    assert out_of_distribution.auroc(inside, outside) == pytest.approx(reference.roc_auc_score(belongs, scores))
    false, true, _ = reference.roc_curve(belongs, scores, drop_intermediate=False)
    assert out_of_distribution.false_positives_at_95(inside, outside) == false[true >= 0.95].min()


def test_false_positives_by_hand():
    inside = np.arange(1, 21)  # 19 of 20 are 95 %: the threshold is 2
    assert out_of_distribution.false_positives_at_95(inside, [0, 1, 2, 3]) == 2 / 4  # the tie at 2 is let through
    assert (
        out_of_distribution.false_positives_at_95(np.arange(1, 22), [1, 2]) == 1 / 2
    )  # 20 of 21: the threshold is 2 again
    assert out_of_distribution.false_positives_at_95([5], [4, 5, 6]) == 2 / 3
    assert out_of_distribution.false_positives_at_95([1, 1, 1], [1]) == 1.0


def test_mean_threshold_errors_by_hand():
    # Released are 1, 0.75 (wrong) and an outlier at exactly the mean, (1 + 0.75 + 0.625 + 0.125) / 4.
    row = out_of_distribution.mean_threshold_errors([1, 0.75], [True, False], [0.625, 0.125])
    assert row == {
        "mean_confidence": 0.625,
        "released": 3,
        "errors": 2,
        "error_share": 2 / 3,
        "outlier_errors": 1,
        "outlier_error_share": 1 / 3,
        "coverage": 3 / 4,
    }


def test_mean_threshold_errors_with_a_validator_that_rejects_outliers():
    row = out_of_distribution.mean_threshold_errors([0.9, 0.8, 0.1], [True, False, False], NOTHING, rejected=5)
    assert (row["released"], row["errors"], row["outlier_errors"]) == (2, 1, 0)
    assert row["coverage"] == 2 / 8
    assert row["mean_confidence"] == pytest.approx(0.6)  # of those that came to the classifier


def test_mean_threshold_errors_of_the_paper():
    """ResNet-50 on 777 images: coverage 82 %, 47 errors (7.3 %), of which 22 (3.4 %) are due to outliers."""
    # 637 released; 140 are not: mean (637 + 0) / 777 = 0.82 lies between.
    inside = np.repeat([1.0, 0.0], [637 - 22, 140])
    correct = np.arange(len(inside)) >= 47 - 22
    row = out_of_distribution.mean_threshold_errors(inside, correct, np.ones(22))
    assert (row["errors"], row["outlier_errors"], row["released"]) == (47, 22, 637)
    for key, percent in (("coverage", 81.9), ("error_share", 7.3), ("outlier_error_share", 3.4)):
        assert math.floor(1000 * row[key]) / 10 == percent  # cut, as the paper does


@pytest.mark.parametrize(("value", "count"), [(0.1, 3), (0.7, 11), (1 / 3, 49)])
def test_mean_threshold_errors_release_all_equal_confidences(value, count):
    assert (
        out_of_distribution.mean_threshold_errors(np.full(count, value), np.ones(count, bool), NOTHING)["coverage"]
        == 1.0
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: out_of_distribution.maximum_softmax(LOGITS[0]), r"logits must be finite and have shape .* \(6,\)"),
        (lambda: out_of_distribution.energy(LOGITS * np.nan), "logits must be finite"),
        (lambda: out_of_distribution.energy(LOGITS, temperature=0), "temperature must be above 0, got 0"),
        (lambda: out_of_distribution.neighbor_similarity(np.eye(2), np.eye(2), 3), "a query has 2 to choose from"),
        (lambda: out_of_distribution.neighbor_similarity(2 * np.eye(2), np.eye(2), 1), "gallery must have unit norm"),
        (lambda: out_of_distribution.fit_gaussians(np.eye(3), np.array([0, 1])), "of each of 3 training rows"),
        (lambda: out_of_distribution.fit_gaussians(np.eye(2), np.array([0, -1])), "a whole number from 0 on"),
        (lambda: out_of_distribution.fit_gaussians(np.eye(2), np.array([0, 1])), "has no inverse"),
        (lambda: out_of_distribution.fit_gaussians(np.eye(2), np.array([0, 0]), shrinkage=0), "has no inverse"),
        (
            lambda: out_of_distribution.fit_gaussians(np.eye(2), np.array([0, 0]), shrinkage=2),
            r"shrinkage must be in 0\.\.1",
        ),
        (
            lambda: out_of_distribution.mahalanobis(
                out_of_distribution.fit_gaussians(np.eye(2), np.array([0, 0])), np.eye(3)
            ),
            "features have 3 dimensions, the training rows 2",
        ),
        (lambda: out_of_distribution.auroc([], [1.0]), "inside is empty"),
        (lambda: out_of_distribution.false_positives_at_95([1.0], [np.nan]), "outside has a value that is not finite"),
        (lambda: out_of_distribution.mean_threshold_errors([0.5], [True, False], NOTHING), "one value per row"),
        (lambda: out_of_distribution.mean_threshold_errors([0.5], [True], [1.5]), r"confidence must be in 0\.\.1"),
    ],
)
def test_out_of_distribution_refuses_input_in_one_line(call, message):
    with pytest.raises(out_of_distribution.InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
