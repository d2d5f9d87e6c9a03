"""Metric learning: a projection, and as much of a backbone as is thawed, learns which products are alike."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.splits import hold_out
from fashion_keras.catalog.tasks import get_task
from fashion_keras.evaluation.reports.retrieval import retrieval_scores
from fashion_keras.features.registry import load_encoder
from fashion_keras.features.runtime import store_network
from fashion_keras.images.augment import get_augmentation, without_color
from fashion_keras.images.pipeline import Examples
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import build_network, cast_copy, save_network
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.pretrained_weights import WeightsSource, initialise
from fashion_keras.models.serialization import SPEC, WEIGHTS, EncoderSpec, load_spec
from fashion_keras.support.atomic_files import make_output_dir, write_csv, write_json
from fashion_keras.support.progress import LogFile
from fashion_keras.training.encoder.config import EncoderConfig
from fashion_keras.training.encoder.pk_sampling import TITLE, label_codes, one_hot_groups, pk_batches
from fashion_keras.training.feeds import ImageFeed, Order, Sampling
from fashion_keras.training.history_logger import HistoryLogger
from fashion_keras.training.losses import (
    additive_angular_margin,
    semi_hard_triplet,
    smooth_labels,
    split_groups,
    supervised_contrastive,
)
from fashion_keras.training.phase_feeds import phase_feed
from fashion_keras.training.strategies import get_strategy, set_trainable
from fashion_keras.training.weight_decay import exclude_from_weight_decay

Integers = NDArray[np.int64]
Loss = Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]

log = logging.getLogger("fashion_keras")

_WARM_UP_EPOCHS = 2
_SMOOTHING = 0.1


@dataclass(frozen=True)
class TrainedEncoder:
    """A trained encoder: its folder, and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]


@dataclass(frozen=True)
class PKSampler(Sampling):
    """Batches of P classes x K images.

    Attributes:
        images: K; P is the batch size divided by it.
        kinds [n] int64: what makes a class, of each image of the training part.
        titles [n] int64: their title groups.
    """

    images: int
    kinds: Integers
    titles: Integers

    def order(self, _: Integers) -> Order:
        """Return epoch -> rows."""
        classes = self.batch_size // self.images
        return lambda epoch: pk_batches(self.kinds, self.titles, classes, self.images, self.seed, int(epoch))


class CosineClassifier(keras.layers.Layer):
    """Vectors [b, d] of length 1 -> their cosines [b, k] with k class centres, which it learns."""

    def __init__(self, classes: int, **options: Any) -> None:  # noqa: ANN401 - Keras' own options
        super().__init__(**options)
        self.classes = classes

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the centres [d, k]."""
        self.centres = self.add_weight(name="centres", shape=(shape[-1], self.classes), initializer="glorot_uniform")

    def call(self, vectors: keras.KerasTensor) -> keras.KerasTensor:
        """Compare vectors [b, d] with the centres."""
        return vectors @ ops.normalize(self.centres, axis=0)


def train_encoder(config: EncoderConfig) -> TrainedEncoder:
    """Train an encoder and judge it on products it has not seen; all about it is then in its folder.

    Raises:
        InputError: when the folder is not empty, or catalogue or weights cannot be used.
    """
    began = time.perf_counter()
    source, _ = resolve_dataset(config.data)
    catalog = reject_unreadable(read_catalog(source))
    parts = hold_out(catalog, config.hold_out, config.seed)
    folder = make_output_dir(config.out, f"runs/encoder-{config.backbone}-{config.loss}")
    write_json(folder / "config.json", asdict(config))
    with LogFile(folder / "log.txt"):
        write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
        network, origin = _first_network(config)
        log.info("%s: %d products to learn from, %d held out", source, *map(len, parts))
        _fit(config, network, origin, catalog, parts, folder)
        network = cast_copy(network, "float32")
        save_network(config.spec, network, folder, config.storage)
        store_network(network, folder)
        report = {
            "backbone": config.backbone,
            "weights": origin.source,
            "warnings": [origin.warning] if origin.warning else [],
            "counts": {"train": len(parts[0]), "held_out": len(parts[1]), "rejected": len(catalog.rejected)},
            "held_out": evaluate_retrieval(folder, catalog.take(parts[1])),
            "seconds": round(time.perf_counter() - began, 1),
        }
        write_json(folder / "report.json", report)
    return TrainedEncoder(folder, report)


def evaluate_retrieval(encoder: str | Path, catalog: Catalog) -> dict[str, Any]:
    """Return the retrieval scores of an encoder, each product of a catalogue a query to all others."""
    vectors = load_encoder(encoder, precision="float32").embed(catalog.paths)
    return retrieval_scores(vectors, catalog)


def _first_network(config: EncoderConfig) -> tuple[keras.Model, WeightsSource]:
    keras.utils.set_random_seed(config.seed)
    scratch = get_strategy(config.strategy_name).from_scratch
    weights = "none" if scratch and config.weights == "auto" else config.weights
    if (Path(weights) / SPEC).is_file() and _alike(load_spec(weights)[0], config.spec):
        # An encoder of the same kind: its projection goes on learning, too.
        network = build_network(config.spec, dtype_policy(config.precision))
        network.load_weights(Path(weights) / WEIGHTS)
        return network, WeightsSource(weights)
    network, origin = initialise(config.spec, weights, dtype_policy(config.precision))
    if origin.warning:
        log.warning("WARNING  %s", origin.warning)
    return network, origin


def _alike(ours: object, theirs: EncoderSpec) -> bool:
    """Whether two networks differ in dropout at most, which has no weights."""
    return isinstance(ours, EncoderSpec) and replace(ours, head=theirs.head) == theirs


def _fit(
    config: EncoderConfig,
    network: keras.Model,
    origin: WeightsSource,
    catalog: Catalog,
    parts: tuple[Integers, Integers],
    folder: Path,
) -> None:
    codes = label_codes(catalog, config.similarity_labels)
    targets, widths = codes.astype(np.float32), ()
    if config.loss == "arcface":
        targets, widths = one_hot_groups(codes)
        network = keras.Model(
            network.input, CosineClassifier(sum(widths), name="centres", dtype="float32")(network.output)
        )
    strategy = get_strategy(config.strategy_name)
    phase = strategy.phases[0]
    pictures = _pictures(config, catalog, parts, codes, targets)
    catalogs = tuple(catalog.take(rows) for rows in parts)
    feed = phase_feed(config, catalogs, network, pictures, phase, config.epochs)
    set_trainable(network, strategy, phase, get_backbone(config.backbone).last_frozen(config.cut), origin.pretrained)
    learner, steps = feed.learner(network), feed.steps[0]
    # A twin: what is compiled cannot be copied, as the encoder itself will be.
    learner = keras.Model(learner.input, learner.output)
    learner.compile(_optimizer(config, steps), _loss(config, widths), jit_compile=False)
    keeper = HistoryLogger(config.epochs, steps, folder / "history.csv")
    # One epoch more than is used: Keras warns of a data set that ends.
    learner.fit(
        feed.training(range(config.epochs + 1)), shuffle=False, epochs=config.epochs, steps_per_epoch=steps,
        callbacks=[keeper], verbose=0,
    )  # fmt: skip


def _pictures(
    config: EncoderConfig,
    catalog: Catalog,
    parts: tuple[Integers, Integers],
    codes: Integers,
    targets: NDArray[np.float32],
) -> ImageFeed:
    names = [one.name for one in config.similarity_labels]
    sampling = Sampling("none", config.batch_size, config.seed)
    if config.loss != "arcface":
        # What agrees in all that is learnt but the title, or in the title where there is nothing else.
        columns = [number for number, name in enumerate(names) if name != TITLE] or [0]
        kinds = np.unique(codes[parts[0]][:, columns], axis=0, return_inverse=True)[1]
        titles = catalog.product_groups[parts[0]]
        sampling = PKSampler("none", config.batch_size, config.seed, config.images_per_class, kinds, titles)
    examples = [Examples(catalog.paths[rows], targets[rows]) for rows in parts]
    augmentation = get_augmentation(config.augment)
    if any(name != TITLE and get_task(name).is_color for name in names):
        augmentation = without_color(augmentation)
    return ImageFeed(*examples, sampling, config.image_spec, augmentation, config.cache)


def _loss(config: EncoderConfig, widths: tuple[int, ...]) -> Loss:
    weights = [one.weight for one in config.similarity_labels]

    def of_centres(targets: keras.KerasTensor, cosines: keras.KerasTensor) -> keras.KerasTensor:
        groups = zip(split_groups(targets, widths), split_groups(cosines, widths), weights, strict=True)
        return sum(
            weight * additive_angular_margin(said, smooth_labels(target, _SMOOTHING), config.margin, config.scale)
            for target, said, weight in groups
        )

    def of_pairs(codes: keras.KerasTensor, vectors: keras.KerasTensor) -> keras.KerasTensor:
        single = supervised_contrastive if config.loss == "supcon" else semi_hard_triplet
        setting = config.temperature if config.loss == "supcon" else config.margin
        return sum(weight * single(vectors, codes[:, number], setting) for number, weight in enumerate(weights))

    return of_centres if config.loss == "arcface" else of_pairs


def _optimizer(config: EncoderConfig, steps: int) -> keras.optimizers.Optimizer:
    warm = min(_WARM_UP_EPOCHS, config.epochs - 1) * steps
    rate = config.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        rate / 20, config.epochs * steps - warm, warmup_target=rate, warmup_steps=warm
    )
    return exclude_from_weight_decay(keras.optimizers.AdamW(rate, weight_decay=config.weight_decay))
