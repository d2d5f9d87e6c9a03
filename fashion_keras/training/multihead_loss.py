"""Loss and accuracy of logits that are groups of labels side by side, where not all is known; in `keras.ops` alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashion_keras.models.predictions import LabelGroup
from fashion_keras.training.balance import label_weights
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.losses import smooth_labels, split_groups
from fashion_keras.training.targets import TrainingTargets

Tensor = keras.KerasTensor


@dataclass(frozen=True)
class MultiHeadObjective:
    """What a network with these groups of labels is trained for.

    Attributes:
        groups: K labels in all; each group's activation says whether its labels exclude each other.
        weights [K] float32: how much a product that has the label counts; see `balance.label_weights`.
    """

    groups: tuple[LabelGroup, ...]
    weights: NDArray[np.float32]

    def loss(self, smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the loss that Keras compiles: see `multihead_loss`."""
        return lambda targets, logits: multihead_loss(targets, logits, self.groups, self.weights, smoothing)

    def accuracy(self) -> "GroupAccuracy":
        """Return the metric that Keras compiles."""
        return GroupAccuracy(self.groups)


def build_objective(config: TrainConfig, goal: TrainingTargets, train: NDArray[np.int64]) -> MultiHeadObjective:
    """Return what a config's network is trained for, rare labels weighed by the rows `train` where it says so."""
    values = goal.values[train]
    weighed = config.balance == "class_weight" or config.loss == "weighted_bce"
    return MultiHeadObjective(
        goal.groups, label_weights(goal.groups, values) if weighed else np.ones(values.shape[1], np.float32)
    )


def multihead_loss(
    targets: Tensor,
    logits: Tensor,
    groups: Sequence[LabelGroup],
    weights: NDArray[np.float32],
    smoothing: float = 0.0,
) -> Tensor:
    """Return the loss [b] of each row: -log of the probability of all that is known of it, divided by the groups.

    A softmax group adds its cross-entropy, a sigmoid group the sum of the binary ones of its labels (guo2019: of all
    labels). What is not known adds nothing.

    Args:
        targets [b, K] float32: 1 yes, 0 no, -1 not known.
        logits [b, K] float32.
        groups: K labels in all.
        weights [K] float32: the factor of a softmax's rows of that class, of a sigmoid's cells with that label.
        smoothing: in a softmax, the share of the target that is spread over all labels.
    """
    widths = [len(group.classes) for group in groups]
    parts = zip(*(split_groups(values, widths) for values in (targets, logits, weights[None])), strict=True)
    losses = [
        _exclusive(*part, smoothing) if group.activation == "softmax" else _each(*part)
        for group, part in zip(groups, parts, strict=True)
    ]
    return sum(losses) / len(groups)


class GroupAccuracy(keras.metrics.Metric):
    """The mean over groups of how often they are right: the best class of a single-valued one, else each known cell."""

    def __init__(self, groups: Sequence[LabelGroup], name: str = "accuracy") -> None:
        super().__init__(name=name)
        self.groups = groups
        self.right = self.add_weight(shape=(len(groups),), initializer="zeros", name="right")
        self.known = self.add_weight(shape=(len(groups),), initializer="zeros", name="known")

    def update_state(self, targets: Tensor, logits: Tensor, sample_weight: Any = None) -> None:  # noqa: ANN401
        """Count the known answers of targets [b, K] and the right ones among logits [b, K]."""
        right, known = zip(*self._counts(targets, logits), strict=True)
        self.right.assign_add(ops.stack(right))
        self.known.assign_add(ops.stack(known))

    def result(self) -> Tensor:
        """Return the mean over the groups of which anything was known."""
        shares = self.right / ops.maximum(self.known, 1)
        return ops.sum(shares) / ops.maximum(ops.sum(ops.cast(self.known > 0, "float32")), 1)

    def _counts(self, targets: Tensor, logits: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        widths = [len(group.classes) for group in self.groups]
        for group, wanted, said in zip(
            self.groups, split_groups(targets, widths), split_groups(logits, widths), strict=True
        ):
            if group.kind == "single":
                known = ops.any(wanted > 0, axis=1)
                right = ops.argmax(wanted, axis=1) == ops.argmax(said, axis=1)
            else:
                known = wanted >= 0
                right = (wanted > 0) == (said > 0)
            yield _count(ops.logical_and(right, known)), _count(known)


def _exclusive(targets: Tensor, logits: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    shares = ops.relu(targets)
    losses = -ops.sum(smooth_labels(shares, smoothing) * ops.log_softmax(logits), axis=1)
    return losses * ops.sum(shares * weights, axis=1)


def _each(targets: Tensor, logits: Tensor, weights: Tensor) -> Tensor:
    losses = ops.where(targets > 0, weights * ops.softplus(-logits), ops.softplus(logits))
    return ops.sum(ops.where(targets < 0, 0.0, losses), axis=1)


def _count(cells: Tensor) -> Tensor:
    return ops.sum(ops.cast(cells, "float32"))
