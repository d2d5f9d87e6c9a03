"""Metric learning: train a projection, and the trainable layers of a backbone, so that similar products are close."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import write_training_products
from fashion_keras.catalog.tasks import get_task
from fashion_keras.evaluation.reports.compute import embedding_search, retrieval_scores, text_retrieval_scores
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.features.runtime import store_network
from fashion_keras.models.architectures.text_tower import build_text_tower
from fashion_keras.models.builder import build_network, cast_copy, save_network
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.pretrained_weights import WeightsSource, initialize
from fashion_keras.models.serialization import SPEC, TEXT, WEIGHTS, EncoderSpec, load_spec, write_spec
from fashion_keras.models.weights_file import load_weights
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training import losses
from fashion_keras.training.balance import epoch_rows
from fashion_keras.training.dataset_prep import prepare_encoder
from fashion_keras.training.encoder.captions import make_captions
from fashion_keras.training.encoder.config import EncoderConfig, MetricLearningReport
from fashion_keras.training.encoder.image_text import captioned, image_text_loss, joint_network
from fashion_keras.training.encoder.page import write_encoder_page
from fashion_keras.training.encoder.pk_sampling import TITLE, attribute_tasks, label_codes, number_groups, pk_batches
from fashion_keras.training.encoder.zero_shot import calibrate_on
from fashion_keras.training.feeds import ImageFeed, make_image_feed, phase_feeds
from fashion_keras.training.manifests import EncoderManifest, TrainingData, initial_training_products
from fashion_keras.training.run_folder import Callbacks, Run, begin_run, resume_run, training_run
from fashion_keras.training.trainer import Loss, OptimizerSettings, Trainer, trainer_phases

Integers = NDArray[np.int64]

log = logging.getLogger("fashion_keras")

_SMOOTHING = 0.1


class CosineClassifier(keras.layers.Layer):
    """Embeddings [b, d] of length 1 -> cosines [b, k] with k trained class centers."""

    def __init__(self, classes: int, **options: Any) -> None:  # noqa: ANN401 - Keras' own options
        super().__init__(**options)
        self.classes = classes

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the centers [d, k]."""
        self.centers = self.add_weight(name="centers", shape=(shape[-1], self.classes), initializer="glorot_uniform")

    def call(self, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """Return the cosines of embeddings [b, d] with the centers."""
        return embeddings @ ops.normalize(self.centers, axis=0)


@takes_verbose
def train_encoder(config: EncoderConfig | Mapping[str, Any], callbacks: Callbacks = ()) -> Run:
    """Train an encoder and evaluate it with held-out products; model, report and history are written to its folder.

    `callbacks` are Keras callbacks of the user. InputError when the folder is not empty, catalog or weights cannot be
    used, or the loss is not finite.
    """
    config = as_config(EncoderConfig, config)
    return begin_run(config, f"runs/encoder-{config.backbone}-{config.loss}", prepare_encoder, _run, callbacks)


@takes_verbose
def resume_encoder(folder: str | Path, callbacks: Callbacks = ()) -> Run:
    """Resume an interrupted `train_encoder` from its last finished epoch; InputError as `resume_run`."""
    return resume_run(folder, EncoderConfig, MetricLearningReport, prepare_encoder, _run, callbacks)


def _run(config: EncoderConfig, data: TrainingData, folder: Path, callbacks: Callbacks) -> Run:
    run = _train(config, data, folder, callbacks)
    write_encoder_page(run, config, data.data)
    return run


@training_run
def _train(config: EncoderConfig, data: TrainingData, folder: Path, callbacks: Callbacks) -> MetricLearningReport:
    began = time.perf_counter()
    network, source = _initial_network(config)
    tower = build_text_tower(config.text_spec) if config.has_text else None
    data.write_manifest(folder, EncoderManifest(data.fingerprint, source.source, data.parts))
    _make_trainer(config, data, network, tower, source.pretrained, folder, callbacks).run()
    network = cast_copy(network, "float32")
    save_network(config.spec, network, folder, config.storage)
    store_network(network, folder)
    if tower:
        save_network(config.text_spec, tower, folder / TEXT, config.storage)
    initial = initial_training_products(config.backbone, source.source)
    train, held_out = data.take("train"), data.take("held_out")
    write_training_products(folder, {*train.product_groups, *initial})
    encoder = load_encoder(folder, precision="float32")
    embeddings = encoder.embed(held_out.paths)
    scores = retrieval_scores(embeddings, held_out)
    zero_shot = None
    if tower:
        zero_shot = _calibrate(config, held_out, embeddings, encoder, folder)
        scores |= text_retrieval_scores(held_out, embedding_search(embeddings, encoder.embed_text))
    return MetricLearningReport(
        counts=data.counts,
        corrections=data.catalog.correction_counts,
        seconds=round(time.perf_counter() - began, 1),
        held_out=scores,
        backbone=config.backbone,
        weights=source.source,
        zero_shot=zero_shot,
        warnings=[source.warning] if source.warning else [],
    )


def _calibrate(
    config: EncoderConfig, catalog: Catalog, embeddings: NDArray[np.float32], encoder: Encoder, folder: Path
) -> dict[str, Any] | None:
    """Calibrate zero-shot classification by the first label, in the tower's spec; None where there is no label."""
    tasks = attribute_tasks(config.similarity_labels)
    if not tasks:
        return None
    calibration = calibrate_on(catalog, embeddings, encoder.text, tasks[0], config.seed)
    spec = replace(config.text_spec, temperature=calibration.temperature, floor=calibration.floor)
    write_spec(spec, folder / TEXT)
    return {"task": tasks[0], **asdict(calibration)}


def _initial_network(config: EncoderConfig) -> tuple[keras.Model, WeightsSource]:
    keras.utils.set_random_seed(config.seed)
    weights, policy = config.initial_weights, dtype_policy(config.precision)
    given = load_spec(weights)[0] if (Path(weights) / SPEC).is_file() else None
    head = given and replace(given.head, dropout=config.dropout)
    if isinstance(given, EncoderSpec) and replace(given, head=head) == config.spec:
        # An encoder of the same network but for dropout, which has no weights: its projection is trained further, too.
        network = build_network(config.spec, policy)
        load_weights(network, Path(weights) / WEIGHTS)
        return network, WeightsSource(weights)
    network, source = initialize(config.spec, weights, policy)
    if source.warning:
        log.warning("WARNING  %s", source.warning)
    return network, source


def _make_trainer(
    config: EncoderConfig,
    data: TrainingData,
    network: keras.Model,
    tower: keras.Model | None,
    pretrained: bool,
    folder: Path,
    callbacks: Callbacks,
) -> Trainer:
    codes = label_codes(data.catalog, config.similarity_labels)
    widths = (codes.max(axis=0) + 1).tolist()
    if config.loss == "arcface":
        classifier = CosineClassifier(sum(widths), name="centers", dtype="float32")
        network = keras.Model(network.input, classifier(network.output))
    feeds = phase_feeds(config, data, network, _image_feed(config, data, codes))
    if tower:
        captions = make_captions(data.take("train"), config.text, attribute_tasks(config.similarity_labels))
        feeds = tuple(captioned(feed, captions, config.text_spec) for feed in feeds)
        network = joint_network(network, tower, config.loss)
    return Trainer(
        model=network,
        phases=trainer_phases(config, feeds, pretrained),
        loss=_loss(config, widths),
        folder=folder,
        optimizer=OptimizerSettings("adamw", "cosine", config.weight_decay),
        seed=config.seed,
        validate=False,
        callbacks=callbacks,
    )


def _image_feed(config: EncoderConfig, data: TrainingData, codes: Integers) -> ImageFeed:
    names = [label.name for label in config.similarity_labels]
    rows = data.rows["train"]
    order = partial(epoch_rows, codes[rows, 0], "none", config.seed)
    if config.loss != "arcface":
        # Same class: equal in all labels but the title, or in the title where it is the only label.
        columns = [number for number, name in enumerate(names) if name != TITLE] or [0]
        classes = np.unique(codes[rows][:, columns], axis=0, return_inverse=True)[1]
        titles, images = number_groups(data.catalog.product_groups[rows]), config.images_per_class
        order = partial(pk_batches, classes, titles, config.batch_size // images, images, config.seed)
    is_color = any(get_task(name).is_color for name in attribute_tasks(config.similarity_labels))
    return make_image_feed(config, data, codes.astype(np.float32), order, is_color)


def _loss(config: EncoderConfig, widths: Sequence[int]) -> Loss:
    weights = [label.weight for label in config.similarity_labels]

    def angular_margin(codes: keras.KerasTensor, cosines: keras.KerasTensor) -> keras.KerasTensor:
        groups = enumerate(zip(losses.split_groups(cosines, widths), weights, strict=True))
        return sum(
            weight * losses.additive_angular_margin(group, codes[:, number], config.margin, config.scale, _SMOOTHING)
            for number, (group, weight) in groups
        )

    def pairwise(codes: keras.KerasTensor, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        is_triplet = config.loss == "triplet"
        loss = losses.semi_hard_triplet if is_triplet else losses.supervised_contrastive
        setting = config.margin if is_triplet else config.temperature
        return sum(weight * loss(embeddings, codes[:, number], setting) for number, weight in enumerate(weights))

    def similarity(codes: keras.KerasTensor, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        return config.similarity * pairwise(codes, embeddings) / sum(weights)

    if config.has_text:
        added = similarity if config.similarity else None
        return image_text_loss(config.loss, config.width, len(weights), added)
    return angular_margin if config.loss == "arcface" else pairwise
