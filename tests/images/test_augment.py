"""Augmentation: Keras' geometry, MXNet's colors, the papers' ranges, one seed."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.images.augment import PRESETS, Augmentation, get_augmentation, without_color
from fashion_keras.images.transforms import AUGMENTATION_VERSION, N_RANDOM_PARAMETERS, affine_matrices, augment_batch
from fashion_keras.support.errors import InputError

HEIGHT, WIDTH = 40, 30


def image_of(height=HEIGHT, width=WIDTH):
    """A smooth image without symmetry, [h, w, 3] float32 in 0..255."""
    y, x = np.mgrid[:height, :width] / 10
    channels = [np.sin(x + 0.3 * y), np.cos(0.7 * x - y), np.sin(0.5 * x * y / 4 + 1)]
    return np.float32(127.5 + 100 * np.stack(channels, axis=-1))


def random_parameters(count, seed):
    """Random parameters [count, N_RANDOM_PARAMETERS] of as many views."""
    import tensorflow as tf

    return tf.random.stateless_uniform([count, N_RANDOM_PARAMETERS], seed)


def views(augmentation, count=64, seed=(1, 2), image=None):
    """`count` views of one image, [count, h, w, 3]."""
    import tensorflow as tf

    image = image_of() if image is None else image
    return augment_batch(tf.constant(np.stack([image] * count)), random_parameters(count, seed), augmentation).numpy()


def plain(color):
    return np.full((4, 4, 3), color, np.float32)


def matrices(height=HEIGHT, width=WIDTH, **moves):
    """The matrix [3, 3] of one view's moves; what is not named stays as it is."""
    import tensorflow as tf

    still = {"rotation": 0, "shear": 0, "shift": (0, 0), "zoom": (1, 1), "crop": (1, 1), "place": (0, 0), "mirror": 1}
    values = {name: tf.constant([value], tf.float32) for name, value in (still | moves).items()}
    return affine_matrices(height, width, **values).numpy()[0]


def warped(image, matrix):
    """The view of `image` [h, w, c] that `matrix` describes, by SciPy rather than by TensorFlow."""
    from scipy.ndimage import map_coordinates

    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    to_x, to_y, _ = np.einsum("ij,jhw->ihw", matrix, np.stack([x, y, np.ones_like(x)]).astype(np.float64))
    channels = [map_coordinates(channel, [to_y, to_x], order=1, mode="nearest") for channel in np.moveaxis(image, 2, 0)]
    return np.stack(channels, axis=-1)


def keras(image, rotation=0, shear=0, shift=(0, 0), zoom=(1, 1)):
    """The view by Keras, on the image set in the middle of a square: there its center is the right one."""
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    height, width = image.shape[:2]
    rim = (height - width) // 2
    square = np.pad(image, [(0, 0), (rim, rim), (0, 0)], mode="edge")
    tx, ty = shift[0] * width, shift[1] * height
    view = apply_affine_transform(square, rotation, tx, ty, shear, *zoom, row_axis=0, col_axis=1, channel_axis=2)
    return view[:, rim : rim + width]


def test_presets_import_without_tensorflow():
    code = "import sys, fashion_keras.images.transforms, fashion_keras.images.augment; "
    code += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_presets_have_the_ranges_of_the_papers():
    assert [preset.name for preset in PRESETS] == [
        *("none", "default", "strong", "mixed_resolution", "li2020", "schindler2018", "gutierrez2019", "guo2019"),
        *("mixup", "cutmix", "rand_augment"),
    ]
    rows = {preset.name: preset for preset in PRESETS}
    li = Augmentation("li2020", rotation=40, shift_x=0.2, shift_y=0.2, shear=0.2, zoom=0.2, flip=True)
    assert rows["li2020"] == li
    assert rows["schindler2018"] == Augmentation("schindler2018", shift_x=0.25, shift_y=0.25, zoom=0.25, flip=True)
    assert rows["guo2019"] == Augmentation("guo2019", flip=True, crop_scales=(1.0, 0.9375, 0.875))
    gutierrez = rows["gutierrez2019"]
    assert without_color(gutierrez) == Augmentation("gutierrez2019", flip=True)
    colors = ("brightness", "contrast", "saturation", "hue", "pca_noise", "grayscale")
    assert all(getattr(gutierrez, color) > 0 for color in colors)


def test_get_augmentation_offers_the_nearest_name():
    assert get_augmentation("li2020") in PRESETS
    with pytest.raises(
        InputError, match=r"unknown augmentation 'li2021'; did you mean 'li2020'\? Known: none, default"
    ):
        get_augmentation("li2021")


@pytest.mark.parametrize("wrong", [{"rotation": -1}, {"zoom": 1.0}, {"crop_scales": ()}, {"crop_scales": (0.5, 1.5)}])
def test_augmentation_refuses_impossible_ranges(wrong):
    with pytest.raises(InputError, match="augmentation mine"):
        Augmentation("mine", **wrong)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")
@pytest.mark.parametrize(
    "moves",
    [
        {"rotation": 40.0},
        {"rotation": -25.0},
        {"shear": 20.0},
        {"shear": -0.2},
        {"shift": (0.2, 0.0)},
        {"shift": (0.0, -0.15)},
        {"zoom": (0.8, 1.2)},
        {"rotation": 33.0, "shear": 12.0, "shift": (-0.2, 0.1), "zoom": (1.15, 0.85)},
        {"rotation": -38.0, "shear": -7.0, "shift": (0.13, 0.2), "zoom": (0.9, 0.8)},
    ],
)
def test_affine_matrices_equal_keras(moves):
    np.testing.assert_allclose(warped(image_of(), matrices(**moves)), keras(image_of(), **moves), atol=0.01)


def test_augment_batch_warps_as_scipy_does():
    """The one pass through ImageProjectiveTransformV3 shows what the matrices say, border included."""
    from fashion_keras.images import transforms

    li = get_augmentation("li2020")
    moves = transforms._geometry(random_parameters(8, (1, 2)), li)
    for view, matrix in zip(views(li, count=8), affine_matrices(HEIGHT, WIDTH, **moves).numpy(), strict=True):
        np.testing.assert_allclose(view, warped(image_of(), matrix), atol=0.1)


def test_affine_matrices_of_a_quarter_turn_and_a_flip():
    square = image_of(30, 30)
    np.testing.assert_allclose(warped(square, matrices(30, 30, rotation=90.0)), np.rot90(square), atol=0.01)
    np.testing.assert_allclose(warped(image_of(), matrices(mirror=-1.0)), image_of()[:, ::-1], atol=0.01)


@pytest.mark.parametrize(
    ("place", "left", "top"),
    [((-0.5, -0.5), 0, 0), ((0.5, -0.5), 4, 0), ((-0.5, 0.5), 0, 2), ((0.5, 0.5), 4, 2), ((0, 0), 2, 1)],
)
def test_affine_matrices_of_crops_in_the_corners_and_the_center(place, left, top):
    """An image 32 wide and 32 high, cut to 28 x 30: the view's outer edges are the crop's."""
    matrix = matrices(32, 32, crop=(0.875, 0.9375), place=place)
    np.testing.assert_allclose(matrix @ (-0.5, -0.5, 1), (left - 0.5, top - 0.5, 1), atol=1e-4)
    np.testing.assert_allclose(matrix @ (31.5, 31.5, 1), (left + 28 - 0.5, top + 30 - 0.5, 1), atol=1e-4)


def test_augment_batch_of_guo2019_draws_every_crop_size_and_place_alike():
    """Measured on an image whose red and green tell x and y: 3 x 3 sizes, five places."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    seen = views(replace(get_augmentation("guo2019"), flip=False), 2000, image=np.stack([x, y, x], axis=-1))
    left, top = seen[:, 32, 1, 0], seen[:, 1, 32, 1]
    scale_x, scale_y = (seen[:, 32, 62, 0] - left) / 61, (seen[:, 62, 32, 1] - top) / 61
    for scale in (scale_x, scale_y):
        sizes, counts = np.unique(np.rint(scale * 64), return_counts=True)
        np.testing.assert_array_equal(sizes, [56, 60, 64])
        assert counts.min() > 550
    small = np.rint(scale_x * 64) == 56
    edges, counts = np.unique(np.rint(left[small] + 0.5 - 1.5 * 0.875), return_counts=True)
    np.testing.assert_array_equal(edges, [0, 4, 8])
    np.testing.assert_allclose(counts / counts.sum(), [0.4, 0.2, 0.4], atol=0.06)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_augment_batch_gives_pixels_that_depend_on_the_seed(preset):
    first = views(preset)
    assert first.dtype == np.float32
    assert first.shape == (64, HEIGHT, WIDTH, 3)
    assert first.min() >= 0
    assert first.max() <= 255
    np.testing.assert_array_equal(first, views(preset))
    if preset.name == "none":
        np.testing.assert_array_equal(first, [image_of()] * 64)
    else:
        assert not np.array_equal(first, views(preset, seed=(1, 3)))
        assert len(np.unique(first, axis=0)) > 1


def test_augment_batch_of_none_returns_its_input():
    images = np.stack([image_of()] * 2)
    assert augment_batch(images, random_parameters(2, (0, 0)), get_augmentation("none")) is images


def test_augment_batch_flips_half_of_the_images():
    seen = views(Augmentation("mine", flip=True), count=1000)
    flipped = (seen == image_of()[:, ::-1]).all((1, 2, 3))
    np.testing.assert_array_equal(seen[~flipped], [image_of()] * (~flipped).sum())
    assert 440 < flipped.sum() < 560


def test_geometry_stays_within_its_ranges():
    from fashion_keras.images import transforms

    moves = transforms._geometry(random_parameters(4000, (5, 6)), get_augmentation("li2020"))
    for name, low, high in (("rotation", -40, 40), ("shear", -0.2, 0.2), ("shift", -0.2, 0.2), ("zoom", 0.8, 1.2)):
        values = moves[name].numpy()
        room = (high - low) / 100
        assert low - 1e-6 <= values.min() < low + room
        assert high - room < values.max() <= high + 1e-6
    assert np.abs(np.corrcoef(moves["zoom"].numpy().T)[0, 1]) < 0.1
    np.testing.assert_array_equal(moves["crop"], np.ones((4000, 2)))


def test_shift_x_moves_sideways_and_shift_y_up_and_down():
    rows = np.broadcast_to(image_of()[:, :1], (HEIGHT, WIDTH, 3))
    columns = np.broadcast_to(image_of()[:1], (HEIGHT, WIDTH, 3))
    for field, still, moved in (("shift_x", rows, columns), ("shift_y", columns, rows)):
        shifted = Augmentation("mine", **{field: 0.2})
        np.testing.assert_allclose(views(shifted, image=still), [still] * 64, atol=0.01)
        assert np.abs(views(shifted, image=moved) - moved).mean() > 5


def test_augment_batch_keeps_images_apart():
    images = np.stack([plain((shade, 0, 255 - shade)) for shade in range(60, 120)])
    seen = augment_batch(images, random_parameters(60, (1, 2)), get_augmentation("li2020"))
    np.testing.assert_allclose(seen, images, atol=0.01)


def test_augment_batch_keeps_a_white_background():
    product = np.full((80, 60, 3), 255, np.float32)
    product[30:50, 20:40] = (30, 60, 90)
    for name in ("li2020", "schindler2018", "guo2019"):
        seen = views(get_augmentation(name), image=product)
        assert seen.min(axis=(1, 2, 3)).max() < 60
        assert (seen[:, [0, 0, -1, -1], [0, -1, 0, -1]] > 254.99).all()
        assert seen.max() <= 255


def test_without_color_keeps_the_geometry_and_every_color():
    default = get_augmentation("default")
    quiet = without_color(default)
    assert (quiet.rotation, quiet.shift_x, quiet.zoom, quiet.flip) == (10.0, 0.1, 0.15, True)
    for preset in PRESETS:
        if preset.rand_augment:
            with pytest.raises(InputError, match="changes colors"):
                without_color(preset)
            continue
        np.testing.assert_allclose(
            views(replace(without_color(preset), erase=0.0), image=plain((200, 90, 30))),
            [plain((200, 90, 30))] * 64,
            rtol=1e-6,
        )
    assert np.ptp(views(default, image=plain((200, 90, 30))), axis=0).min() > 5
    still = replace(default, brightness=0, contrast=0, saturation=1e-7)
    np.testing.assert_allclose(views(still), views(quiet), atol=0.01)


def amounts(field, amount, color):
    """The colors [64, 3] of views of one plain color when only `field` changes."""
    return views(Augmentation("mine", **{field: amount}), image=plain(color))[:, 0, 0]


def test_brightness_scales_all_channels_alike():
    seen = amounts("brightness", 0.3, (100, 50, 150))
    np.testing.assert_allclose(seen / seen[:, :1], [[1, 0.5, 1.5]] * 64, rtol=1e-4)
    assert 69.9 < seen[:, 0].min() < 80
    assert 120 < seen[:, 0].max() < 130.1


def test_contrast_scales_the_distance_from_the_mean_gray():
    image = plain((60, 60, 60))
    image[:2] = 140
    seen = views(Augmentation("mine", contrast=0.5), image=image)
    np.testing.assert_allclose(seen.mean((1, 2, 3)), 100, rtol=1e-4)
    step = seen[:, 0, 0, 0] - seen[:, 3, 0, 0]
    assert 39.9 < step.min() < 50
    assert 110 < step.max() < 120.1
    bright = Augmentation("mine", brightness=0.3)
    both = views(replace(bright, contrast=0.5), image=image)
    np.testing.assert_allclose(both.mean((1, 2, 3)), views(bright, image=image).mean((1, 2, 3)), rtol=1e-4)


def test_saturation_and_hue_keep_the_luma_and_leave_gray_alone():
    luma = np.float32([0.299, 0.587, 0.114])
    color = np.float32([120, 100, 90])
    for field in ("saturation", "hue"):
        seen = amounts(field, 0.8, color)
        np.testing.assert_allclose(seen @ luma, [color @ luma] * 64, rtol=1e-3)
        assert np.ptp(seen, axis=0).min() > 5
        np.testing.assert_allclose(amounts(field, 0.8, (99, 99, 99)), [[99] * 3] * 64, rtol=1e-3)
    distance = amounts("saturation", 0.8, color) - color @ luma
    np.testing.assert_allclose(
        distance / distance[:, :1], [(color - color @ luma) / (120 - color @ luma)] * 64, rtol=1e-3
    )


def test_hue_turns_the_chroma_by_a_fraction_of_half_a_turn():
    """By the standard library's YIQ: the angle stays within 0.25 of half a turn, the length stays as it is."""
    import colorsys

    color = (120, 100, 90)
    chroma = np.array([complex(*colorsys.rgb_to_yiq(*row)[1:]) for row in amounts("hue", 0.25, color)])
    turns = np.angle(chroma / complex(*colorsys.rgb_to_yiq(*color)[1:]), deg=True)
    assert -46 < turns.min() < -35
    assert 35 < turns.max() < 46
    np.testing.assert_allclose(np.abs(chroma), np.abs(complex(*colorsys.rgb_to_yiq(*color)[1:])), rtol=0.05)


def test_lighting_noise_has_alexnets_strengths_and_directions():
    noise = views(Augmentation("mine", pca_noise=0.1), count=8000, image=plain((128, 128, 128)))[:, 0, 0] - 128
    strengths, axes = np.linalg.eigh(np.cov(noise.T))
    np.testing.assert_allclose(np.sqrt(strengths), [0.1148, 0.4794, 5.546], rtol=0.05)
    np.testing.assert_allclose(np.abs(axes[:, 2]), [0.5675, 0.5808, 0.5836], atol=0.01)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.2)


def test_grayscale_has_its_probability():
    mixed = Augmentation("mine", grayscale=0.25, pca_noise=0.5, hue=0.2)
    seen = views(mixed, count=1000, image=plain((200, 90, 30)))[:, 0, 0]
    assert 200 < (np.ptp(seen, axis=1) < 0.01).sum() < 300


def test_augment_batch_works_inside_tf_data_with_any_batch_size():
    import tensorflow as tf

    default = get_augmentation("default")
    data = tf.data.Dataset.from_tensor_slices(np.stack([image_of()] * 5)).batch(2)
    data = data.map(lambda images: augment_batch(images, random_parameters(tf.shape(images)[0], (1, 2)), default))
    batches = [batch.numpy() for batch in data]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    np.testing.assert_allclose(batches[0], views(default, count=2), atol=0.01)
    assert data.element_spec.shape[1:] == (HEIGHT, WIDTH, 3)


def test_erase_paints_one_white_rectangle_with_its_probability():
    white = views(Augmentation("t", erase=0.5), 400, image=np.zeros((HEIGHT, WIDTH, 3), np.float32)).min(axis=3) == 255
    painted = white.any(axis=(1, 2))
    assert 0.4 < painted.mean() < 0.6
    for mask in white[painted]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        # A rectangle, of at most four tenths of each side and the pixel that it may begin in.
        np.testing.assert_array_equal(mask, rows[:, None] & columns)
        assert rows.sum() <= 0.4 * HEIGHT + 1
        assert columns.sum() <= 0.4 * WIDTH + 1


def test_low_resolution_takes_the_detail_that_80_pixels_do_not_hold():
    """Stripes of one pixel in 160 rows leave their mean; as wide as four pixels they stay."""
    blur, count = Augmentation("mine", low_resolution=1.0), 4
    fine = np.broadcast_to(np.where(np.arange(160) % 2, 200, 50)[:, None, None], (160, 120, 3)).astype(np.float32)
    np.testing.assert_allclose(views(blur, count, image=fine), np.full((count, 160, 120, 3), 125), atol=0.01)
    np.testing.assert_array_equal(views(replace(blur, low_resolution=0.0), count, image=fine), [fine] * count)
    coarse = np.broadcast_to(np.where(np.arange(160) // 4 % 2, 200, 50)[:, None, None], (160, 120, 3)).astype(
        np.float32
    )
    seen = views(blur, count, image=coarse)
    assert (seen.max(), seen.min()) == (200, 50)


def test_low_resolution_leaves_flat_and_small_images_unchanged():
    blur = Augmentation("mine", low_resolution=1.0)
    flat = np.broadcast_to(np.float32([200, 90, 30]), (160, 120, 3))
    np.testing.assert_allclose(views(blur, 4, image=flat), [flat] * 4, atol=0.01)
    np.testing.assert_allclose(views(blur, 4), [image_of()] * 4, atol=0.01)


def test_low_resolution_has_its_probability():
    fine = np.broadcast_to(np.where(np.arange(160) % 2, 200, 50)[:, None, None], (160, 8, 3)).astype(np.float32)
    reduced = np.ptp(views(Augmentation("mine", low_resolution=0.25), 1000, image=fine), axis=(1, 2, 3)) < 1
    assert 200 < reduced.sum() < 300


# Mean, standard deviation and slope of 16 views by each preset, by version 1 of the augmentation. Where these change,
# raise AUGMENTATION_VERSION, as cached features of views were made by the earlier one.
PINNED = {
    "none": (184.466, 55.067, -4.05),
    "default": (187.847, 59.163, -1.088),
    "strong": (188.636, 59.412, -1.215),
    "mixed_resolution": (188.12, 59.354, -1.181),
    "li2020": (186.153, 53.374, -1.673),
    "schindler2018": (184.799, 54.964, 0.277),
    "gutierrez2019": (183.822, 58.128, -1.369),
    "guo2019": (187.114, 53.037, -1.705),
}


# Those of which features are cached: of the others, Keras' layers change whole batches.
CACHED = [preset for preset in PRESETS if not preset.is_per_batch]


@pytest.mark.parametrize("preset", CACHED, ids=lambda preset: preset.name)
def test_augmentation_version_stands_for_these_pixels(preset):
    assert AUGMENTATION_VERSION == 1
    # The parameter of the resolution came last, and changes no other.
    parameters = np.random.default_rng(0).random((16, N_RANDOM_PARAMETERS - 1), np.float32)
    parameters = np.hstack([parameters, np.linspace(0, 1, 16, dtype=np.float32)[:, None]])
    seen = np.asarray(augment_batch(np.stack([image_of()] * 16), parameters, preset))
    ramp = np.linspace(-1, 1, WIDTH)[:, None] * (1.0, 0.5, -0.7)
    np.testing.assert_allclose([seen.mean(), seen.std(), (seen * ramp).mean()], PINNED[preset.name], atol=0.01)
