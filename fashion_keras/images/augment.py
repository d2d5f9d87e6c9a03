"""Augmentation presets: ranges of random geometry, color and erasing, in one table read without TensorFlow."""

from dataclasses import dataclass, field, replace

from fashion_keras.support.errors import InputError, unknown_name_error

_GEOMETRY = ("rotation", "shift_x", "shift_y", "shear", "zoom", "flip")
MIXES = ("", "mixup", "cutmix")
_COLORS = ("brightness", "contrast", "saturation", "hue", "pca_noise", "grayscale")


@dataclass(frozen=True)
class Augmentation:
    """Ranges of a random augmentation: each value is drawn for each image, uniformly within ± its field.

    Geometry, as in Keras' ImageDataGenerator, pixels outside being copied from the nearest edge: `rotation` and
    `shear` in degrees, `shift_x` and `shift_y` in fractions of the width and height, `zoom` a fraction for each axis by
    itself, `flip` left to right for half of the images. `crop_scales`: fractions of the image that a crop may be wide
    and high, each drawn by itself; the crop lies in a corner or in the center and is resized to the full size.

    Color, as in MXNet's CreateAugmenter: `brightness`, `contrast` (around the image's mean gray) and `saturation` as
    fractions, `hue` as a fraction of half a turn, `pca_noise` the standard deviation of AlexNet's lighting noise,
    `grayscale` the probability of a gray view.

    `low_resolution`: the probability that an image is first reduced to 80 pixels in height and enlarged again.

    `erase`: the probability that a rectangle, each side a tenth to four tenths of the image's, is painted white (random
    erasing, Zhong et al. 2017, arXiv:1708.04896, who fill it with noise).

    `mix`: images of a batch and their labels mixed in pairs, by keras.layers: "mixup" (Zhang et al. 2017,
    arXiv:1710.09412, weights from Beta(0.2, 0.2)) or "cutmix" (Yun et al. 2019, arXiv:1905.04899, areas from
    Beta(1, 1)). `rand_augment`: strength, 0..1, of two random operations of keras.layers.RandAugment (Cubuk et al.
    2019, arXiv:1909.13719), the same two for all images of a batch.

    Raises InputError for a field below 0, a zoom of 1 or more, and a crop scale outside 0..1.
    """

    name: str
    rotation: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    crop_scales: tuple[float, ...] = (1.0,)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    pca_noise: float = 0.0
    grayscale: float = 0.0
    erase: float = 0.0
    low_resolution: float = 0.0
    # Not in the repr, which is part of the keys of cached features: with these two, none are cached.
    mix: str = field(default="", repr=False)
    rand_augment: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in (*_GEOMETRY, *_COLORS, "erase", "low_resolution", "rand_augment"):
            if not getattr(self, name) >= 0:
                raise InputError(f"augmentation {self.name}: {name} must be 0 or more, not {getattr(self, name)!r}")
        if self.zoom >= 1:
            raise InputError(f"augmentation {self.name}: zoom must be below 1, not {self.zoom!r}")
        if self.mix not in MIXES:
            raise unknown_name_error("mix", self.mix, MIXES)
        if not self.crop_scales or not all(0 < scale <= 1 for scale in self.crop_scales):
            raise InputError(f"augmentation {self.name}: crop scales must lie in 0..1, not {self.crop_scales!r}")

    @property
    def has_geometric(self) -> bool:
        """Whether the augmentation changes geometry."""
        return self.crop_scales != (1.0,) or any(getattr(self, name) for name in _GEOMETRY)

    @property
    def is_per_batch(self) -> bool:
        """Whether a view depends on its batch, so that it cannot be computed once and cached."""
        return bool(self.mix or self.rand_augment)

    @property
    def has_color(self) -> bool:
        """Whether the augmentation changes colors."""
        return any(getattr(self, name) for name in _COLORS)


PRESETS = (
    Augmentation("none"),
    # For product photos on white.
    Augmentation("default", rotation=10.0, shift_x=0.1, shift_y=0.1, zoom=0.15, flip=True,
                 brightness=0.15, contrast=0.15, saturation=0.1),
    # For long training from scratch on few images.
    Augmentation("strong", rotation=10.0, shift_x=0.1, shift_y=0.1, zoom=0.15, flip=True,
                 brightness=0.15, contrast=0.15, saturation=0.1, erase=0.5),
    # For an encoder of thumbnails and photos alike.
    Augmentation("mixed_resolution", rotation=10.0, shift_x=0.1, shift_y=0.1, zoom=0.15, flip=True,
                 brightness=0.15, contrast=0.15, saturation=0.1, erase=0.2, low_resolution=0.5),
    # The authors' "shear 0.2" reads like a fraction, but ImageDataGenerator takes degrees: next to nothing, kept as is.
    Augmentation("li2020", rotation=40.0, shift_x=0.2, shift_y=0.2, shear=0.2, zoom=0.2, flip=True),
    Augmentation("schindler2018", shift_x=0.25, shift_y=0.25, zoom=0.25, flip=True),
    # The paper names the six color changes but not their sizes: these are MXNet's documented example, the hue ours.
    Augmentation("gutierrez2019", flip=True,
                 brightness=0.125, contrast=0.125, saturation=0.125, hue=0.1, pca_noise=0.05, grayscale=0.05),
    Augmentation("guo2019", flip=True, crop_scales=(1.0, 0.9375, 0.875)),
    # For long training of whole networks: new in every batch, so not with cached features.
    Augmentation("mixup", rotation=10.0, shift_x=0.1, shift_y=0.1, zoom=0.15, flip=True,
                 brightness=0.15, contrast=0.15, saturation=0.1, mix="mixup"),
    Augmentation("cutmix", rotation=10.0, shift_x=0.1, shift_y=0.1, zoom=0.15, flip=True,
                 brightness=0.15, contrast=0.15, saturation=0.1, mix="cutmix"),
    Augmentation("rand_augment", flip=True, rand_augment=0.3),
)  # fmt: skip


def get_augmentation(name: str) -> Augmentation:
    """Return the preset called `name`; an unknown name raises InputError with the known ones and the nearest."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise unknown_name_error("augmentation", name, (preset.name for preset in PRESETS))


def without_color(augmentation: Augmentation) -> Augmentation:
    """Return an augmentation without its color changes: for tasks whose labels are colors.

    >>> without_color(get_augmentation("default")).brightness
    0.0
    """
    if augmentation.rand_augment:
        raise InputError(
            f"--augment {augmentation.name} changes colors, and these labels are colors: take another augmentation"
        )
    return replace(augmentation, **dict.fromkeys(_COLORS, 0.0))
