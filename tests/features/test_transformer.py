"""FashionEncoder in scikit-learn: its own checks, pipelines, grid search, column transformers, pickles."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.validation import validate_data

from fashion_keras import FashionEncoder, InputError, load_encoder, read_catalog

TINY = {"encoder": "custom_cnn", "weights": "none", "image_size": (32, 32), "precision": "float32"}
NUMBERS = "the check passes numbers as X; this transformer takes images"


class EncoderOfNumbers(FashionEncoder):
    """FashionEncoder that draws each row of numbers as an image, so that scikit-learn's checks can run on it."""

    def fit(self, X, y=None):  # noqa: N803 - scikit-learn's name
        return super().fit(self._draw(validate_data(self, X)))

    def transform(self, X):  # noqa: N803
        return super().transform(self._draw(validate_data(self, X, reset=False)))

    def _draw(self, numbers):
        levels = 255 / (1 + np.exp(-numbers[:, np.arange(64) % numbers.shape[1]]))
        return np.repeat(levels.reshape(-1, 8, 8, 1), 3, axis=3)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags


def checks_that_pass_numbers(estimator):
    """The checks that call fit or transform with numbers -> why they cannot pass."""
    applicable = {
        "check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types", "check_estimator_repr",
        "check_no_attributes_set_in_init", "check_estimators_unfitted",
        "check_do_not_raise_errors_in_init_or_set_params", "check_mixin_order", "check_array_api_input",
        "check_transformers_unfitted", "check_transformer_n_iter", "check_parameters_default_constructible",
        "check_get_params_invariance", "check_set_params", "check_fit1d",
    }  # fmt: skip
    checks = (check for _, check in estimator_checks_generator(estimator, mark=None))
    names = {getattr(check, "func", check).__name__ for check in checks}
    assert applicable <= names
    return dict.fromkeys(names - applicable, NUMBERS)


@parametrize_with_checks([FashionEncoder("fashion_small")], expected_failed_checks=checks_that_pass_numbers)
def test_estimator_checks_of_scikit_learn(estimator, check):
    check(estimator)


@parametrize_with_checks([EncoderOfNumbers(**TINY)])
def test_estimator_checks_of_scikit_learn_on_drawn_numbers(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def products(sample):
    """Paths and article types of 120 products of two types, alternating."""
    frame = pd.read_csv(sample / "styles.csv", on_bad_lines="skip", dtype=str).drop_duplicates("id")
    frame["path"] = [str(sample / "images" / f"{key}.jpg") for key in frame.id]
    frame = frame[frame.id.isin(read_catalog(sample).skus)]
    parts = [frame[frame.articleType == name].iloc[5:65] for name in ("Watches", "Jeans")]
    return pd.concat(parts).iloc[np.arange(120).reshape(2, 60).T.ravel()]


def test_transform_gives_the_embeddings_of_the_encoder(products):
    paths = products.path.tolist()[:8]
    encoder = FashionEncoder("fashion_small").fit(paths)
    expected = load_encoder("fashion_small").embed(paths)
    for images in (paths, products.path[:8], np.array(paths), products[["path"]][:8], np.array(paths)[:, None]):
        np.testing.assert_array_equal(encoder.transform(images), expected)
    names = encoder.get_feature_names_out()
    assert (len(names), names[0], names[-1]) == (
        expected.shape[1],
        "fashionencoder0",
        f"fashionencoder{len(names) - 1}",
    )
    assert encoder.set_output(transform="pandas").transform(paths).columns.tolist() == names.tolist()


def test_pipeline_and_grid_search_tell_article_types_apart(products, tmp_path):
    pipeline = make_pipeline(FashionEncoder("fashion_small"), LogisticRegression(max_iter=500), memory=str(tmp_path))
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 10]}, cv=3, error_score="raise")
    search.fit(products.path[:90], products.articleType[:90])
    assert search.best_score_ > 0.9
    assert search.score(products.path[90:], products.articleType[90:]) > 0.9


def test_column_transformer_joins_images_with_other_columns(products):
    joined = ColumnTransformer([("image", FashionEncoder(**TINY), "path"), ("year", "passthrough", ["year"])])
    values = joined.fit_transform(products[:6])
    width = load_encoder("custom_cnn", "none", (32, 32), precision="float32").embed([]).shape[1]
    assert values.shape == (6, width + 1)
    assert values[:, -1].tolist() == products.year[:6].tolist()


def test_clone_and_pickle_hold_the_parameters_alone(products):
    encoder = FashionEncoder(**TINY).fit(products.path)
    assert clone(encoder).get_params() == encoder.get_params() == TINY | {"runtime": "auto"}
    data = pickle.dumps(encoder)
    assert len(data) < 1000
    paths = products.path.tolist()[:3]
    np.testing.assert_array_equal(pickle.loads(data).transform(paths), encoder.transform(paths))  # noqa: S301


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("a.jpg", "not one image; pass \\[image\\]"),
        ([], "no images"),
        (np.array([["a.jpg", "b.jpg"]]), "not 1 x 2 values"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "not 1 x 2 values"),
    ],
)
def test_fit_refuses_what_is_not_a_collection_of_images(images, message):
    with pytest.raises(InputError, match=message):
        FashionEncoder(**TINY).fit(images)


def test_transform_before_fit_and_an_unknown_encoder_are_refused(products):
    with pytest.raises(NotFittedError):
        FashionEncoder("fashion_small").transform(products.path)
    with pytest.raises(InputError, match="unknown encoder"):
        FashionEncoder("vgg91").fit(products.path)
