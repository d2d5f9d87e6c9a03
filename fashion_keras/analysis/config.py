"""Config dataclasses of the analysis commands: each field is a flag, a JSON key and a line of documentation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fashion_keras.catalog.tasks import get_task
from fashion_keras.features.hub import HUB
from fashion_keras.features.registry import DEFAULT_ENCODER
from fashion_keras.support.config_fields import Config, DataConfig, LimitConfig, SourceConfig, TableConfig, config_field
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.manifests import RunManifest

RUN_PARTS, CATALOG_PARTS = ("auto", "test", "all"), ("held_out", "all")
PROJECTIONS = ("pca", "tsne")

_DATA = "Catalog, or 'sample'. Default: the catalog that the run was trained on."
_RUN_PART = (
    "Products to score: test (the run's test part), all (those that the run was not trained on) or auto (test where "
    "the catalog has at least half of that part, else all)."
)
_CATALOG_PART = (
    "Products to use: held_out (those that no encoder was trained on), all, or the folder of a run (its test part)."
)
_WEIGHTS = "Weights of bare backbones, as in train."
_EXCLUDE = "Leave out the products that an encoder was trained on."


def _as_paths(images: Any) -> Any:  # noqa: ANN401 - one path or many
    images = (images,) if isinstance(images, str | PathLike) else images
    return tuple(fspath(image) for image in images) if isinstance(images, Iterable) else images


def _as_names(names: Any) -> tuple[str, ...]:  # noqa: ANN401 - "a,b", or many of such
    return tuple(name for part in _as_paths(names) for name in part.split(",") if name)


def same_field(name: str) -> Any:  # noqa: ANN401 - of any field type
    """Return a dataclass field with the default, help and checks of that field of `TrainConfig`."""
    original = TrainConfig.__dataclass_fields__[name]
    return field(default=original.default, metadata=original.metadata)


def _required(name: str, convert: Callable[[Any], Any] = lambda value: value) -> Callable[[Any], Any]:
    """Return the conversion of a field that must be given."""

    def convert_given(value: Any) -> Any:  # noqa: ANN401 - of any field type
        if not value:
            raise InputError(f"{name} is missing: give at least one")
        return convert(value)

    return convert_given


def _check_catalog_part(part: str) -> None:
    if part not in CATALOG_PARTS and not (Path(part) / RunManifest.FILE).is_file():
        raise InputError(f"{unknown_name_error('part', part, CATALOG_PARTS)}, or a run's folder")


def _run_field() -> Any:  # noqa: ANN401 - a dataclass field
    return config_field("", "Finished run folder.", metavar="RUN", convert=_required("run"))


def _images_field(help: str) -> Any:  # noqa: ANN401 - a dataclass field
    return config_field((), help, metavar="IMAGE", convert=_required("images", _as_paths))


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SourceConfig):
    """Settings of the command `evaluate`: a run is scored on a catalog."""

    run: str = _run_field()
    data: str | None = config_field(None, _DATA, metavar="SOURCE")
    part: str = config_field("auto", _RUN_PART, RUN_PARTS)
    limit: int | None = config_field(
        None, "Score at most this many products, drawn at random. Default: all.", metavar="N", at_least=1
    )
    out: str | None = config_field(
        None, "New folder for report, predictions and figures. Default: none.", metavar="DIR"
    )


@dataclass(frozen=True, kw_only=True)
class PredictConfig(TableConfig):
    """Settings of the command `predict`: a run classifies image files, or a folder or table of them."""

    run: str = config_field(
        "", "Finished run folder; with --labels an encoder: fashion_encoder or a folder.", metavar="RUN",
        convert=_required("run"),
    )  # fmt: skip
    images: tuple[str, ...] = _images_field("Image files; or one catalog: a folder, a table or a tar file.")
    labels: str | None = config_field(
        None,
        "Labels as words, of which an image-text encoder predicts one without training, or 'none of these'; a "
        "semicolon begins another head.",
        metavar="LABEL,..",
    )
    out: str | None = config_field(
        None, "CSV file for the predictions of a folder or table. Default: predictions.csv.", metavar="CSV"
    )


@dataclass(frozen=True, kw_only=True)
class ExplainConfig(Config):
    """Settings of the command `explain`: Grad-CAM heat maps of a run for image files."""

    run: str = _run_field()
    images: tuple[str, ...] = _images_field("Image files.")
    label: str = config_field("", "Class to explain beside the predicted one.", metavar="NAME")
    head: str = config_field("", "Head to explain, of a run with several.", metavar="NAME")
    stage: str = config_field(
        "", "Backbone stage. Default: the last one with feature maps of at least 7x7.", metavar="STAGE"
    )
    out: str | None = config_field(None, "Figure. Default: explain.png; none with --json.", metavar="PNG")


@dataclass(frozen=True, kw_only=True)
class RobustnessConfig(DataConfig):
    """Settings of the command `robustness`: accuracy of runs on resized, compressed, shifted and noisy images."""

    runs: tuple[str, ...] = config_field(
        (), "Finished run folders; several are compared.", metavar="RUN", convert=_required("runs", _as_paths)
    )
    data: str | None = config_field(
        None, f"{_DATA} The same products in larger images show the effect of resizing.", metavar="SOURCE"
    )
    part: str = config_field("auto", _RUN_PART, RUN_PARTS)
    limit: int | None = config_field(
        None, "Score at most this many products, drawn at random.", metavar="N", at_least=1
    )
    out: str | None = config_field(
        None, "New folder for tables and figures. Default: on the command line RUN/robustness, or runs/robustness for "
        "several runs; in Python none.", metavar="DIR",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if len({Path(run) for run in self.runs}) < len(self.runs):
            raise InputError(f"a run is named twice: {', '.join(self.runs)}")


@dataclass(frozen=True, kw_only=True)
class AuditConfig(LimitConfig, DataConfig):
    """Settings of the command `audit`: labels of a catalog that may be wrong."""

    task: str = config_field("article_type", "Task with one label per product.", metavar="T")
    encoder: str = config_field(
        DEFAULT_ENCODER, "Encoder, or file of embeddings, whose features are classified.", metavar="NAME|DIR|FILE"
    )
    folds: int = config_field(5, "Number of cross-validation folds, divided by product.", metavar="N", at_least=2)
    top: int = config_field(200, "List at most this many labels.", metavar="N", at_least=1)
    min_images: int = config_field(20, "Leave out classes with fewer images.", metavar="N", at_least=1)
    exclude_trained: bool = config_field(False, _EXCLUDE)
    out: str | None = config_field(None, "New output folder. Default: runs/audit-N.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        get_task(self.task)


@dataclass(frozen=True, kw_only=True)
class ProbeConfig(SourceConfig):
    """Settings of the command `probe`: validation accuracy of simple classifiers on features of several backbones."""

    backbones: tuple[str, ...] = config_field(
        (), "Backbones to compare, such as vgg19,resnet50,hub:dinov2_small.", metavar="B,..", convert=_as_names
    )
    task: str = same_field("task")
    weights: str = same_field("weights")
    image_size: str | None = same_field("image_size")
    fit: str = same_field("fit")
    cut: str = same_field("cut")
    pooling: str | None = same_field("pooling")
    min_images: int = same_field("min_images")
    split: str = same_field("split")
    limit: float | None = same_field("limit")
    floor: int | None = same_field("floor")
    runtime: str = same_field("runtime")
    precision: str = same_field("precision")
    seed: int = same_field("seed")
    exclude_trained: bool = config_field(False, _EXCLUDE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.backbones:
            raise InputError("--backbones must name at least one backbone, such as vgg19,resnet50")
        if (self.cut or self.pooling) and any(name.startswith(HUB) for name in self.backbones):
            raise InputError(f"--cut and --pooling are not for presets of KerasHub ({HUB}...): leave them out")
        if len(self.train_configs[0].label_spec) > 1:
            raise InputError(f"backbones are compared on one task; --task {self.task} is several: name one of them")

    @property
    def train_configs(self) -> list[TrainConfig]:
        """The training config of each backbone, which decides its input, weights and the split.

        Of a preset of KerasHub, which has input and weights of its own, the default backbone's, for the split.
        """
        own = ("backbones", "exclude_trained")
        shared = {name: value for name, value in vars(self).items() if name not in own}
        given = ({} if name.startswith(HUB) else {"backbone": name} for name in self.backbones)
        return [TrainConfig(**shared, **backbone) for backbone in given]


@dataclass(frozen=True, kw_only=True)
class RetrievalConfig(LimitConfig):
    """Settings of the command `evaluate-search`: retrieval scores of indexes and encoders on one catalog."""

    index: tuple[str, ...] = config_field(
        (), "Index folder or postgresql://...; may be repeated.", metavar="DIR|URL", convert=_as_paths
    )
    encoder: tuple[str, ...] = config_field(
        (),
        "Encoder, bare backbone, run or file of embeddings; may be repeated.",
        metavar="NAME|DIR|FILE",
        convert=_as_paths,
    )
    weights: str = config_field("auto", _WEIGHTS, metavar="W")
    part: str = config_field("held_out", _CATALOG_PART, metavar="held_out|all|RUN")
    seed: int = same_field("seed")
    exclude_trained: bool = config_field(False, _EXCLUDE)
    out: str | None = config_field(None, "New folder for the report. Default: none.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.index and not self.encoder:
            raise InputError("evaluate-search needs an --index or an --encoder")
        _check_catalog_part(self.part)


@dataclass(frozen=True, kw_only=True)
class ProjectionConfig(DataConfig):
    """Settings of the command `map`: a two-dimensional plot of a catalog's embeddings."""

    encoder: str = config_field(
        DEFAULT_ENCODER, "Encoder, bare backbone, run or file of embeddings.", metavar="NAME|DIR|FILE"
    )
    weights: str = config_field("auto", _WEIGHTS, metavar="W")
    method: str = config_field("pca", "Principal components or t-SNE.", PROJECTIONS)
    label: str = config_field("article_type", "Column that colors the points.", metavar="COLUMN")
    part: str = config_field("all", _CATALOG_PART, metavar="held_out|all|RUN")
    limit: int | None = config_field(
        None, "Approximate number of products to plot, drawn at random.", metavar="N", at_least=1
    )
    thumbnails: int = config_field(150, "Show at most this many images.", metavar="N", at_least=0)
    out: str = config_field("map.png", "Figure; a CSV file of the points is written beside it.", metavar="PNG")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_catalog_part(self.part)


@dataclass(frozen=True, kw_only=True)
class DescribeConfig(LimitConfig):
    """Settings of the command `data describe`: counts and figures of a catalog."""

    out: str = config_field("runs/describe", "Folder for description.json, rejected.csv and figures.", metavar="DIR")
    leaks: bool = config_field(False, "Count products that stand in two parts of the default split.")
