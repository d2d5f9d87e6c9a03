"""Views that a photographer could have taken: Keras' geometry, MXNet's colours, the papers' amounts, one seed."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.images.augment import PRESETS, Augmentation, get_augmentation, without_color
from fashion_keras.images.transforms import N_RANDOM_PARAMETERS, affine_matrices, augment_batch
from fashion_keras.support.errors import InputError

HEIGHT, WIDTH = 40, 30


def picture(height=HEIGHT, width=WIDTH):
    """A smooth picture without symmetry, [h, w, 3] float32 in 0..255."""
    y, x = np.mgrid[:height, :width] / 10
    channels = [np.sin(x + 0.3 * y), np.cos(0.7 * x - y), np.sin(0.5 * x * y / 4 + 1)]
    return np.float32(127.5 + 100 * np.stack(channels, axis=-1))


def drawn(count, seed):
    """Chances [count, CHANCES] for as many views."""
    import tensorflow as tf

    return tf.random.stateless_uniform([count, N_RANDOM_PARAMETERS], seed)


def views(augmentation, count=64, seed=(1, 2), image=None):
    """`count` views of one picture, [count, h, w, 3]."""
    import tensorflow as tf

    image = picture() if image is None else image
    return augment_batch(tf.constant(np.stack([image] * count)), drawn(count, seed), augmentation).numpy()


def plain(colour):
    return np.full((4, 4, 3), colour, np.float32)


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
    """The view by Keras, on the picture set in the middle of a square: there its centre is the right one."""
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    height, width = image.shape[:2]
    rim = (height - width) // 2
    square = np.pad(image, [(0, 0), (rim, rim), (0, 0)], mode="edge")
    tx, ty = shift[0] * width, shift[1] * height
    view = apply_affine_transform(square, rotation, tx, ty, shear, *zoom, row_axis=0, col_axis=1, channel_axis=2)
    return view[:, rim : rim + width]


def test_presets_are_read_without_tensorflow():
    code = "import sys, fashion_keras.images.transforms, fashion_keras.images.augment; "
    code += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_presets_are_what_the_papers_say():
    assert [preset.name for preset in PRESETS] == [
        *("none", "default", "strong", "li2020", "schindler2018", "gutierrez2019", "guo2019")
    ]
    rows = {preset.name: preset for preset in PRESETS}
    li = Augmentation("li2020", rotation=40, shift_x=0.2, shift_y=0.2, shear=0.2, zoom=0.2, flip=True)
    assert rows["li2020"] == li
    assert rows["schindler2018"] == Augmentation("schindler2018", shift_x=0.25, shift_y=0.25, zoom=0.25, flip=True)
    assert rows["guo2019"] == Augmentation("guo2019", flip=True, crop_scales=(1.0, 0.9375, 0.875))
    gutierrez = rows["gutierrez2019"]
    assert without_color(gutierrez) == Augmentation("gutierrez2019", flip=True)
    colours = ("brightness", "contrast", "saturation", "hue", "pca_noise", "grayscale")
    assert all(getattr(gutierrez, colour) > 0 for colour in colours)


def test_an_unknown_name_is_answered_with_the_nearest():
    assert get_augmentation("li2020") in PRESETS
    with pytest.raises(
        InputError, match=r"unknown augmentation 'li2021'; did you mean 'li2020'\? Known: none, default"
    ):
        get_augmentation("li2021")


@pytest.mark.parametrize("wrong", [{"rotation": -1}, {"zoom": 1.0}, {"crop_scales": ()}, {"crop_scales": (0.5, 1.5)}])
def test_impossible_amounts_are_refused(wrong):
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
def test_geometry_equals_keras(moves):
    np.testing.assert_allclose(warped(picture(), matrices(**moves)), keras(picture(), **moves), atol=0.01)


def test_the_warp_of_a_batch_equals_scipy():
    """The one pass through ImageProjectiveTransformV3 shows what the matrices say, border included."""
    from fashion_keras.images import transforms as drawing

    li = get_augmentation("li2020")
    moves = drawing._moves(drawn(8, (1, 2)), li)
    for view, matrix in zip(views(li, count=8), affine_matrices(HEIGHT, WIDTH, **moves).numpy(), strict=True):
        np.testing.assert_allclose(view, warped(picture(), matrix), atol=0.1)


def test_a_quarter_turn_and_a_flip_move_pixels_where_they_belong():
    square = picture(30, 30)
    np.testing.assert_allclose(warped(square, matrices(30, 30, rotation=90.0)), np.rot90(square), atol=0.01)
    np.testing.assert_allclose(warped(picture(), matrices(mirror=-1.0)), picture()[:, ::-1], atol=0.01)


@pytest.mark.parametrize(
    ("place", "left", "top"),
    [((-0.5, -0.5), 0, 0), ((0.5, -0.5), 4, 0), ((-0.5, 0.5), 0, 2), ((0.5, 0.5), 4, 2), ((0, 0), 2, 1)],
)
def test_crops_lie_in_the_corners_and_in_the_centre(place, left, top):
    """An image 32 wide and 32 high, cut to 28 x 30: the view's outer edges are the crop's."""
    matrix = matrices(32, 32, crop=(0.875, 0.9375), place=place)
    np.testing.assert_allclose(matrix @ (-0.5, -0.5, 1), (left - 0.5, top - 0.5, 1), atol=1e-4)
    np.testing.assert_allclose(matrix @ (31.5, 31.5, 1), (left + 28 - 0.5, top + 30 - 0.5, 1), atol=1e-4)


def test_guo2019_draws_every_crop_size_and_place_alike():
    """Seen on a picture whose red and green tell x and y: 3 x 3 sizes, five places."""
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
def test_views_are_pixels_and_follow_from_the_seed(preset):
    first = views(preset)
    assert first.dtype == np.float32
    assert first.shape == (64, HEIGHT, WIDTH, 3)
    assert first.min() >= 0
    assert first.max() <= 255
    np.testing.assert_array_equal(first, views(preset))
    if preset.name == "none":
        np.testing.assert_array_equal(first, [picture()] * 64)
    else:
        assert not np.array_equal(first, views(preset, seed=(1, 3)))
        assert len(np.unique(first, axis=0)) > 1


def test_none_returns_the_very_images():
    images = np.stack([picture()] * 2)
    assert augment_batch(images, drawn(2, (0, 0)), get_augmentation("none")) is images


def test_half_of_the_views_are_flipped_and_nothing_else_happens():
    seen = views(Augmentation("mine", flip=True), count=1000)
    flipped = (seen == picture()[:, ::-1]).all((1, 2, 3))
    np.testing.assert_array_equal(seen[~flipped], [picture()] * (~flipped).sum())
    assert 440 < flipped.sum() < 560


def test_moves_stay_within_their_ranges():
    from fashion_keras.images import transforms as drawing

    moves = drawing._moves(drawn(4000, (5, 6)), get_augmentation("li2020"))
    for name, low, high in (("rotation", -40, 40), ("shear", -0.2, 0.2), ("shift", -0.2, 0.2), ("zoom", 0.8, 1.2)):
        values = moves[name].numpy()
        room = (high - low) / 100
        assert low - 1e-6 <= values.min() < low + room
        assert high - room < values.max() <= high + 1e-6
    assert np.abs(np.corrcoef(moves["zoom"].numpy().T)[0, 1]) < 0.1
    np.testing.assert_array_equal(moves["crop"], np.ones((4000, 2)))


def test_shift_x_moves_sideways_and_shift_y_up_and_down():
    rows = np.broadcast_to(picture()[:, :1], (HEIGHT, WIDTH, 3))
    columns = np.broadcast_to(picture()[:1], (HEIGHT, WIDTH, 3))
    for field, still, moved in (("shift_x", rows, columns), ("shift_y", columns, rows)):
        shifted = Augmentation("mine", **{field: 0.2})
        np.testing.assert_allclose(views(shifted, image=still), [still] * 64, atol=0.01)
        assert np.abs(views(shifted, image=moved) - moved).mean() > 5


def test_each_view_is_of_its_own_image():
    images = np.stack([plain((shade, 0, 255 - shade)) for shade in range(60, 120)])
    seen = augment_batch(images, drawn(60, (1, 2)), get_augmentation("li2020"))
    np.testing.assert_allclose(seen, images, atol=0.01)


def test_a_white_background_stays_white():
    product = np.full((80, 60, 3), 255, np.float32)
    product[30:50, 20:40] = (30, 60, 90)
    for name in ("li2020", "schindler2018", "guo2019"):
        seen = views(get_augmentation(name), image=product)
        assert seen.min(axis=(1, 2, 3)).max() < 60
        assert (seen[:, [0, 0, -1, -1], [0, -1, 0, -1]] > 254.99).all()
        assert seen.max() <= 255


def test_without_colour_keeps_the_geometry_and_every_colour():
    default = get_augmentation("default")
    quiet = without_color(default)
    assert (quiet.rotation, quiet.shift_x, quiet.zoom, quiet.flip) == (10.0, 0.1, 0.15, True)
    for preset in PRESETS:
        np.testing.assert_allclose(
            views(replace(without_color(preset), erase=0.0), image=plain((200, 90, 30))),
            [plain((200, 90, 30))] * 64,
            rtol=1e-6,
        )
    assert np.ptp(views(default, image=plain((200, 90, 30))), axis=0).min() > 5
    still = replace(default, brightness=0, contrast=0, saturation=1e-7)
    np.testing.assert_allclose(views(still), views(quiet), atol=0.01)


def amounts(field, amount, colour):
    """The colours [64, 3] of views of one plain colour when only `field` changes."""
    return views(Augmentation("mine", **{field: amount}), image=plain(colour))[:, 0, 0]


def test_brightness_scales_all_channels_alike():
    seen = amounts("brightness", 0.3, (100, 50, 150))
    np.testing.assert_allclose(seen / seen[:, :1], [[1, 0.5, 1.5]] * 64, rtol=1e-4)
    assert 69.9 < seen[:, 0].min() < 80
    assert 120 < seen[:, 0].max() < 130.1


def test_contrast_scales_the_distance_from_the_mean_grey():
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


def test_saturation_and_hue_keep_the_luma_and_leave_grey_alone():
    luma = np.float32([0.299, 0.587, 0.114])
    colour = np.float32([120, 100, 90])
    for field in ("saturation", "hue"):
        seen = amounts(field, 0.8, colour)
        np.testing.assert_allclose(seen @ luma, [colour @ luma] * 64, rtol=1e-3)
        assert np.ptp(seen, axis=0).min() > 5
        np.testing.assert_allclose(amounts(field, 0.8, (99, 99, 99)), [[99] * 3] * 64, rtol=1e-3)
    distance = amounts("saturation", 0.8, colour) - colour @ luma
    np.testing.assert_allclose(
        distance / distance[:, :1], [(colour - colour @ luma) / (120 - colour @ luma)] * 64, rtol=1e-3
    )


def test_hue_turns_the_chroma_by_a_fraction_of_half_a_turn():
    """By the standard library's YIQ: the angle stays within 0.25 of half a turn, the length stays as it is."""
    import colorsys

    colour = (120, 100, 90)
    chroma = np.array([complex(*colorsys.rgb_to_yiq(*row)[1:]) for row in amounts("hue", 0.25, colour)])
    turns = np.angle(chroma / complex(*colorsys.rgb_to_yiq(*colour)[1:]), deg=True)
    assert -46 < turns.min() < -35
    assert 35 < turns.max() < 46
    np.testing.assert_allclose(np.abs(chroma), np.abs(complex(*colorsys.rgb_to_yiq(*colour)[1:])), rtol=0.05)


def test_lighting_noise_has_alexnets_strengths_and_directions():
    noise = views(Augmentation("mine", pca_noise=0.1), count=8000, image=plain((128, 128, 128)))[:, 0, 0] - 128
    strengths, axes = np.linalg.eigh(np.cov(noise.T))
    np.testing.assert_allclose(np.sqrt(strengths), [0.1148, 0.4794, 5.546], rtol=0.05)
    np.testing.assert_allclose(np.abs(axes[:, 2]), [0.5675, 0.5808, 0.5836], atol=0.01)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.2)


def test_grey_views_are_grey_and_as_frequent_as_said():
    mixed = Augmentation("mine", grayscale=0.25, pca_noise=0.5, hue=0.2)
    seen = views(mixed, count=1000, image=plain((200, 90, 30)))[:, 0, 0]
    assert 200 < (np.ptp(seen, axis=1) < 0.01).sum() < 300


def test_views_work_inside_tf_data_with_any_batch_size():
    import tensorflow as tf

    default = get_augmentation("default")
    data = tf.data.Dataset.from_tensor_slices(np.stack([picture()] * 5)).batch(2)
    data = data.map(lambda images: augment_batch(images, drawn(tf.shape(images)[0], (1, 2)), default))
    batches = [batch.numpy() for batch in data]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    np.testing.assert_allclose(batches[0], views(default, count=2), atol=0.01)
    assert data.element_spec.shape[1:] == (HEIGHT, WIDTH, 3)


def test_erasing_paints_one_rectangle_white_in_as_many_images_as_asked():
    white = views(Augmentation("t", erase=0.5), 400, image=np.zeros((HEIGHT, WIDTH, 3), np.float32)).min(axis=3) == 255
    painted = white.any(axis=(1, 2))
    assert 0.4 < painted.mean() < 0.6
    for one in white[painted]:
        rows, columns = one.any(axis=1), one.any(axis=0)
        # A rectangle, of at most four tenths of each side and the pixel that it may begin in.
        np.testing.assert_array_equal(one, rows[:, None] & columns)
        assert rows.sum() <= 0.4 * HEIGHT + 1
        assert columns.sum() <= 0.4 * WIDTH + 1
