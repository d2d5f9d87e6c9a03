"""Losses and accuracy, in `keras.ops` alone: of groups of labels side by side, and of metric learning."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup

Tensor = keras.KerasTensor

_FAR = 1e9


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


def mixed_loss(targets: Tensor, logits: Tensor, weights: NDArray[np.float32], smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy [b] of shares of labels, such as those of mixed images.

    Args:
        targets [b, k] float32: the rows add up to 1.
        logits [b, k] float32.
        weights [k] float32: the factor of a row is their mean under its targets.
        smoothing: the share of the target that is spread over all labels.
    """
    losses = -ops.sum(smooth_labels(targets, smoothing) * ops.log_softmax(logits), axis=1)
    return losses * ops.sum(targets * weights[None], axis=1)


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
                right = target == ops.cast(ops.argmax(logit, axis=1, keepdims=True), target.dtype)
            else:
                right = (target > 0) == (logit > 0)
            yield tuple(ops.sum(ops.cast(cells, "float32")) for cells in (ops.logical_and(right, known), known))


def supervised_contrastive(embeddings: Tensor, codes: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the loss of each anchor [b]: supervised contrastive learning, Khosla et al. 2020, arXiv:2004.11362, eq. 2.

    Args:
        embeddings [b, d] float32 of length 1.
        codes [b]: classes; below 0 is unknown, which is neither positive nor negative. An anchor without a positive
            counts 0.
        temperature: the cosines are divided by it.
    """
    same, known, others = _pairs(codes)
    others = ops.logical_and(codes[None, :] >= 0, others)
    positive = ops.cast(ops.logical_and(same, ops.logical_and(known, others)), "float32")
    cosines = ops.where(others, embeddings @ ops.transpose(embeddings) / temperature, -_FAR)
    logarithms = cosines - ops.logsumexp(cosines, axis=1, keepdims=True)
    count = ops.sum(positive, axis=1)
    return -ops.sum(ops.where(positive > 0, logarithms, 0.0), axis=1) / ops.maximum(count, 1)


def semi_hard_triplet(embeddings: Tensor, codes: Tensor, margin: float = 0.2) -> Tensor:
    """Return the loss of each anchor [b], the mean over its positives: FaceNet, Schroff et al. 2015, arXiv:1503.03832.

    The negative of an anchor and a positive is the nearest of those farther than the positive, or, where there is none,
    the farthest of all; distances are squared and Euclidean. A negative is to be farther than a positive by the margin.
    Embeddings and codes are as of `supervised_contrastive`; an anchor without a positive or a negative counts 0.
    """
    same, known, others = _pairs(codes)
    positive = ops.logical_and(ops.logical_and(same, known), others)
    negative = ops.logical_and(ops.logical_not(same), known)
    distances = 2.0 - 2.0 * (embeddings @ ops.transpose(embeddings))
    # [anchor, positive, negative]
    farther = ops.logical_and(negative[:, None, :], distances[:, None, :] > distances[:, :, None])
    nearest = ops.min(ops.where(farther, distances[:, None, :], _FAR), axis=2)
    farthest = ops.max(ops.where(negative, distances, -_FAR), axis=1, keepdims=True)
    chosen = ops.where(nearest < _FAR, nearest, farthest)
    pairs = ops.cast(ops.logical_and(positive, farthest > -_FAR), "float32")
    losses = ops.where(pairs > 0, ops.relu(distances - chosen + margin), 0.0)
    return ops.sum(losses, axis=1) / ops.maximum(ops.sum(pairs, axis=1), 1)


def additive_angular_margin(
    cosines: Tensor, codes: Tensor, margin: float = 0.5, scale: float = 64.0, smoothing: float = 0.0
) -> Tensor:
    """Return the loss [b] of each row: ArcFace, Deng et al. 2018, arXiv:1801.07698, eq. 3.

    Where angle and margin would exceed half a turn, the cosine falls on in a straight line, as in the authors' code.
    With margin 0 this is a softmax of scaled cosines (NormFace, Wang et al. 2017, arXiv:1704.06369).

    Args:
        cosines [b, k] float32: between embeddings and class centers.
        codes [b]: classes, integers of any dtype; below 0 is unknown and counts 0.
        margin: added to the angle of the target class, in radians.
        scale: the cosines are multiplied by it.
        smoothing: share of the target that is spread over all classes.
    """
    codes = ops.cast(codes, "int32")[:, None]
    columns = ops.maximum(codes, 0)
    target = ops.take_along_axis(cosines, columns, axis=1)
    sines = ops.sqrt(ops.maximum(1.0 - ops.square(target), 1e-12))
    moved = target * ops.cos(margin) - sines * ops.sin(margin)
    moved = ops.where(target > -ops.cos(margin), moved, target - margin * ops.sin(margin))
    is_target = ops.arange(ops.shape(cosines)[1], dtype="int32")[None] == codes
    logarithms = ops.log_softmax(scale * ops.where(is_target, moved, cosines))
    likelihood = ops.take_along_axis(logarithms, columns, axis=1)[:, 0]
    losses = -(1 - smoothing) * likelihood - smoothing * ops.mean(logarithms, axis=1)
    return ops.where(codes[:, 0] < 0, 0.0, losses)


def smooth_labels(targets: Tensor, share: float) -> Tensor:
    """Return targets [b, k] with a share of each row's sum spread over all classes; rows of zeros stay so."""
    return (1 - share) * targets + share * ops.mean(targets, axis=1, keepdims=True)


def split_groups(values: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """Return the columns of values [b, sum(widths)] in groups of these widths."""
    ends = [sum(widths[: number + 1]) for number in range(len(widths))]
    return [values[:, end - width : end] for end, width in zip(ends, widths, strict=True)]


def _pairs(codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return, for each pair of rows [b, b], whether their codes are equal, both known, and the rows two."""
    known = ops.logical_and(codes[:, None] >= 0, codes[None, :] >= 0)
    others = ops.logical_not(ops.eye(ops.shape(codes)[0], dtype="bool"))
    return codes[:, None] == codes[None, :], known, others


def _split(groups: Sequence[LabelGroup], targets: Tensor, logits: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return the packed targets, as integers again that Keras made floats of, and the logits of each group."""
    widths = [group.target_width for group in groups]
    return split_groups(ops.cast(targets, "int32"), widths), _label_columns(groups, logits)


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
