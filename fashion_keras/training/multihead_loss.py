"""Multi-head loss and accuracy: groups of logits side by side, unknown labels masked; in `keras.ops` alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.training.balance import label_weights
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.losses import smooth_labels, split_groups
from fashion_keras.training.targets import TrainingTargets

Tensor = keras.KerasTensor


@dataclass(frozen=True)
class MultiHeadObjective:
    """Loss and metric of a network with these groups of labels.

    Attributes:
        groups: K labels in all.
        weights [K] float32: of a product that has the label; see `balance.label_weights`.
    """

    groups: tuple[LabelGroup, ...]
    weights: NDArray[np.float32]

    def loss(self, smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the loss that Keras compiles: see `multihead_loss`."""
        return lambda targets, logits: multihead_loss(targets, logits, self.groups, self.weights, smoothing)

    def accuracy(self) -> "GroupAccuracy":
        """Return the metric that Keras compiles."""
        return GroupAccuracy(self.groups)


def build_objective(config: TrainConfig, targets: TrainingTargets, train: NDArray[np.int64]) -> MultiHeadObjective:
    """Return the objective of a config, with labels weighted by their counts in the rows `train` where configured."""
    groups = targets.groups
    weighted = config.balance == "class_weight" or config.loss == "weighted_bce"
    count = sum(len(group.classes) for group in groups)
    weights = label_weights(groups, targets.packed[train]) if weighted else np.ones(count, np.float32)
    return MultiHeadObjective(groups, weights)


def multihead_loss(
    targets: Tensor,
    logits: Tensor,
    groups: Sequence[LabelGroup],
    weights: NDArray[np.float32],
    smoothing: float = 0.0,
) -> Tensor:
    """Return the loss [b] of each row: -log of the probability of all its known labels, divided by the groups.

    A softmax group adds its cross-entropy, a sigmoid group the sum of the binary ones of its labels (guo2019:
    of all labels). Unknown labels add nothing.

    Args:
        targets [b, C] int: packed, see `Targets.packed`.
        logits [b, K] float32.
        groups: K labels in all.
        weights [K] float32: the factor of a softmax's rows of that class, of a sigmoid's cells with that label.
        smoothing: in a softmax, the share of the target that is spread over all labels.
    """
    parts = zip(groups, *_split(groups, targets, logits), _label_columns(groups, weights[None]), strict=True)
    losses = [
        _softmax_loss(target[:, 0], logit, weight, smoothing)
        if group.activation == "softmax"
        else _sigmoid_loss(_indicators(group, target), logit, weight)
        for group, target, logit, weight in parts
    ]
    return sum(losses) / len(groups)


class GroupAccuracy(keras.metrics.Metric):
    """Mean over groups of their accuracy: of the best class of a single-valued one, else of each known cell."""

    def __init__(self, groups: Sequence[LabelGroup], name: str = "accuracy") -> None:
        super().__init__(name=name)
        self.groups = groups
        self.right = self.add_weight(shape=(len(groups),), initializer="zeros", name="right")
        self.known = self.add_weight(shape=(len(groups),), initializer="zeros", name="known")

    def update_state(self, targets: Tensor, logits: Tensor, sample_weight: Any = None) -> None:  # noqa: ANN401
        """Count the known labels of targets [b, C] and the right ones among logits [b, K]."""
        right, known = zip(*self._counts(targets, logits), strict=True)
        self.right.assign_add(ops.stack(right))
        self.known.assign_add(ops.stack(known))

    def result(self) -> Tensor:
        """Return the mean over the groups of which any label was known."""
        shares = self.right / ops.maximum(self.known, 1)
        return ops.sum(shares) / ops.maximum(ops.sum(ops.cast(self.known > 0, "float32")), 1)

    def _counts(self, targets: Tensor, logits: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for group, target, logit in zip(self.groups, *_split(self.groups, targets, logits), strict=True):
            known = target >= 0
            if group.kind == "single":
                right = target[:, 0] == ops.cast(ops.argmax(logit, axis=1), target.dtype)
                yield _count(ops.logical_and(right, known[:, 0])), _count(known)
            else:
                yield _count(ops.logical_and((target > 0) == (logit > 0), known)), _count(known)


def _split(groups: Sequence[LabelGroup], targets: Tensor, logits: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return the packed targets, as integers again that Keras made floats of, and the logits of each group."""
    return split_groups(ops.cast(targets, "int32"), [group.target_width for group in groups]), _label_columns(
        groups, logits
    )


def _label_columns(groups: Sequence[LabelGroup], values: Tensor) -> list[Tensor]:
    return split_groups(values, [len(group.classes) for group in groups])


def _softmax_loss(codes: Tensor, logits: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy [b] of class codes [b], below 0 for unknown, whose loss is 0."""
    # A row of zeros for unknown codes masks their loss and their gradient.
    shares = ops.one_hot(codes, logits.shape[-1], dtype=logits.dtype)
    losses = -ops.sum(smooth_labels(shares, smoothing) * ops.log_softmax(logits), axis=1)
    return losses * ops.sum(shares * weights, axis=1)


def _sigmoid_loss(indicators: Tensor, logits: Tensor, weights: Tensor) -> Tensor:
    """Return the sum [b] of the binary cross-entropies of indicators [b, k]: 1 yes, 0 no, -1 unknown."""
    losses = ops.where(indicators > 0, weights * ops.softplus(-logits), ops.softplus(logits))
    return ops.sum(ops.where(indicators < 0, 0.0, losses), axis=1)


def _indicators(group: LabelGroup, targets: Tensor) -> Tensor:
    """Return packed targets [b, target_width] of one group as [b, k]: 1 yes, 0 no, -1 unknown."""
    if group.kind == "multi":
        return targets
    is_class = ops.cast(targets == ops.arange(len(group.classes), dtype=targets.dtype), targets.dtype)
    return ops.where(targets < 0, -1, is_class)


def _count(cells: Tensor) -> Tensor:
    return ops.sum(ops.cast(cells, "float32"))
