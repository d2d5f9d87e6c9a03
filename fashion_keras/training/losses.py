"""Losses of metric learning, on embeddings of length 1; in `keras.ops` alone."""

from collections.abc import Sequence

import keras
from keras import ops

Tensor = keras.KerasTensor

_FAR = 1e9


def supervised_contrastive(embeddings: Tensor, codes: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the loss of each anchor [b]: supervised contrastive learning, Khosla et al. 2020, arXiv:2004.11362, eq. 2.

    Args:
        embeddings [b, d] float32 of length 1.
        codes [b]: classes; below 0 is unknown, which is neither positive nor negative. An anchor without a positive
            counts 0.
        temperature: the cosines are divided by it.
    """
    known = codes >= 0
    others = ops.logical_and(known[None, :], ops.logical_not(ops.eye(ops.shape(codes)[0], dtype="bool")))
    positive = ops.logical_and(codes[:, None] == codes[None, :], others)
    positive = ops.cast(ops.logical_and(positive, known[:, None]), "float32")
    cosines = ops.where(others, embeddings @ ops.transpose(embeddings) / temperature, -_FAR)
    logarithms = cosines - ops.logsumexp(cosines, axis=1, keepdims=True)
    count = ops.sum(positive, axis=1)
    return -ops.sum(ops.where(positive > 0, logarithms, 0.0), axis=1) / ops.maximum(count, 1)


def semi_hard_triplet(embeddings: Tensor, codes: Tensor, margin: float = 0.2) -> Tensor:
    """Return the loss of each anchor [b], the mean over its positives: FaceNet, Schroff et al. 2015, arXiv:1503.03832.

    The negative of an anchor and a positive is the nearest of those farther than the positive, or, where there is none,
    the farthest of all; distances are squared and Euclidean.

    Args:
        embeddings [b, d] float32 of length 1.
        codes [b]: classes; below 0 is unknown: neither positive nor negative. An anchor without a positive or a
            negative counts 0.
        margin: by how much a negative is to be farther than a positive.
    """
    known = ops.logical_and(codes[:, None] >= 0, codes[None, :] >= 0)
    same = codes[:, None] == codes[None, :]
    alone = ops.eye(ops.shape(codes)[0], dtype="bool")
    positive = ops.logical_and(ops.logical_and(same, known), ops.logical_not(alone))
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
