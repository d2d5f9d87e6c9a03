"""MixUp, CutMix and RandAugment: shares of labels are shares of pixels, one seed, refusals."""

import numpy as np
import pytest

from fashion_keras import InputError, TrainConfig
from fashion_keras.images.augment import Augmentation, get_augmentation, without_color
from fashion_keras.images.pipeline import Examples, for_training
from fashion_keras.images.spec import ImageSpec
from fashion_keras.training.encoder.config import EncoderConfig

ROWS = 8


def batches(augmentation, epochs=1, seed=0, first=0):
    """Batches of a black half of images with label 0 and a white half with label 1, one-hot."""
    images = [np.full((20, 16, 3), value, np.uint8) for value in [0] * (ROWS // 2) + [255] * (ROWS // 2)]
    targets = np.repeat(np.eye(2, dtype=np.float32), ROWS // 2, axis=0)
    examples = Examples(images, targets)
    order = lambda _: np.arange(ROWS)  # noqa: E731
    data = for_training(examples, ImageSpec(20, 16), augmentation, order, range(first, epochs), ROWS, seed)
    return [tuple(part.numpy() for part in batch) for batch in data]


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_labels_are_mixed_as_the_pixels_are(mix):
    results = batches(Augmentation("own", mix=mix), epochs=4)
    pixels, targets = (np.concatenate(part) for part in zip(*results, strict=True))
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
    # The area of a rectangle is that of its exact edges: off by a row and a column of pixels at most.
    tolerance = 1 / 20 + 1 / 16 if mix == "cutmix" else 1e-3
    np.testing.assert_allclose(targets[:, 1], pixels.mean(axis=(1, 2, 3)) / 255, atol=tolerance)
    assert ((targets[:, 1] > 0.01) & (targets[:, 1] < 0.99)).any()
    values = np.unique(pixels.round(2), axis=None)
    if mix == "cutmix":
        assert set(values) == {0, 255}
    else:
        assert all(np.ptp(image) < 0.01 for image in pixels)


@pytest.mark.parametrize("settings", [{"mix": "mixup"}, {"mix": "cutmix"}, {"rand_augment": 0.5}])
def test_a_batch_depends_on_seed_epoch_and_step_alone(settings):
    augmentation = Augmentation("own", **settings)
    whole, later = batches(augmentation, epochs=3), batches(augmentation, epochs=3, first=2)
    np.testing.assert_array_equal(whole[2][0], later[0][0])
    np.testing.assert_array_equal(whole[2][1], later[0][1])
    assert any((whole[0][part] != batches(augmentation, seed=1)[0][part]).any() for part in (0, 1))


def test_rand_augment_changes_pixels_and_keeps_labels():
    results = batches(Augmentation("own", rand_augment=1.0), epochs=6)
    assert all(pixels.min() >= 0 and pixels.max() <= 255 for pixels, _ in results)
    assert len({pixels.tobytes() for pixels, _ in results}) > 1
    for _, targets in results:
        np.testing.assert_array_equal(targets, np.repeat(np.eye(2), ROWS // 2, axis=0))


@pytest.mark.parametrize("name", ["mixup", "cutmix", "rand_augment"])
@pytest.mark.parametrize("strategy", ["frozen", "last_block", "last_n:3", "frozen+full"])
def test_cached_features_refuse_what_changes_with_the_batch(name, strategy):
    with pytest.raises(InputError, match=rf"--augment {name} .*--views 0"):
        TrainConfig(augment=name, strategy=strategy)
    assert TrainConfig(augment=name, strategy=strategy, views=0).augment == name


def test_mixed_labels_need_one_single_valued_head():
    for task in ("article_type,gender", "labels:material"):
        with pytest.raises(InputError, match="one single-valued head"):
            TrainConfig(augment="mixup", strategy="full", task=task)
    with pytest.raises(InputError, match="mixes labels"):
        EncoderConfig(augment="cutmix", strategy="full")


def test_color_tasks_refuse_rand_augment():
    with pytest.raises(InputError, match="these labels are colors"):
        without_color(get_augmentation("rand_augment"))
    assert without_color(get_augmentation("mixup")).mix == "mixup"


def test_unknown_mix_is_refused():
    with pytest.raises(InputError, match="unknown mix 'mixpu'; did you mean 'mixup'"):
        Augmentation("own", mix="mixpu")
