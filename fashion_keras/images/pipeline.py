"""Input pipelines: image files to batches, seeded and augmented for training, in order and complete for inference."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.augment import Augmentation
from fashion_keras.images.batch_augment import batch_augmentation
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.resized_cache import ResizedCache
from fashion_keras.images.shares import ONE_REPLICA, Shares
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.transforms import N_RANDOM_PARAMETERS, augment_batch

if TYPE_CHECKING:
    import tensorflow as tf

Item = TypeVar("Item")


@dataclass(frozen=True)
class Examples:
    """Labelled images of one part: n paths (or anything `decode` takes), and targets [n, c] as the loss takes them."""

    images: Sequence[Any]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def codes(self) -> NDArray[np.int64]:
        """codes [n] of the first group of labels, by which rows are balanced."""
        return self.targets[:, 0]


def for_training(
    examples: Examples,
    spec: ImageSpec,
    augmentation: Augmentation,
    order: Callable[[int], NDArray[np.int64]],
    epochs: range,
    batch_size: int,
    seed: int = 0,
    cache: bool = False,
    shares: Shares = ONE_REPLICA,
) -> "tf.data.Dataset":
    """Yield (pixels [b, h, w, 3] float32 in 0..255, targets [b, c]); the last batch of an epoch may be smaller.

    A batch depends on `seed`, its epoch and its position alone, so that training can resume at any epoch.

    Args:
        examples: with one-hot targets, float32, where the augmentation mixes labels.
        order: epoch -> rows of that epoch, in order.
        seed: of the augmentation.
        cache: keep the resized images of files on disk, see `ResizedCache`.
        shares: yield a batch for each replica of this process instead; together they are the global batch of
            `batch_size`, with the same augmentation. Only mixing and RandAugment differ: they see a replica's rows.
    """
    import tensorflow as tf  # noqa: PLC0415 - inference must not wait for it

    on_disk = cache and all(isinstance(image, str | Path) for image in examples.images)
    resized = ResizedCache(examples.images, spec) if on_disk else None
    mix = batch_augmentation(augmentation, seed) if augmentation.is_per_batch else None

    def load(rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        pixels = resized(rows) if resized else decode_batch([examples.images[row] for row in rows], spec)
        return pixels, examples.targets[rows]

    def batch(epoch: tf.Tensor, bounds: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = rows[bounds[1] : bounds[2]]
        pixels, targets = tf.numpy_function(load, [rows], (tf.uint8, tf.as_dtype(examples.targets.dtype)))
        pixels = tf.cast(tf.ensure_shape(pixels, (None, spec.height, spec.width, 3)), tf.float32)
        parameters = _random_parameters(seed, epoch, bounds, shares.replicas)
        pixels = augment_batch(pixels, parameters, augmentation)
        targets = tf.ensure_shape(targets, (None, *examples.targets.shape[1:]))
        return mix(pixels, targets, epoch, bounds[0]) if mix else (pixels, targets)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = tf.ensure_shape(tf.numpy_function(order, [epoch], tf.int64), (None,))
        bounds = tf.numpy_function(shares.bounds, [tf.size(rows), batch_size], tf.int64)
        parts = tf.data.Dataset.from_tensor_slices(tf.ensure_shape(bounds, (None, 5)))
        return parts.map(lambda bounds: (epoch, bounds, rows))

    steps = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(epoch_batches)
    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _random_parameters(seed: int, epoch: "tf.Tensor", bounds: "tf.Tensor", replicas: int) -> "tf.Tensor":
    """Return the parameters of the augmentation of a part with these `Shares.bounds`, a row for each image."""
    import tensorflow as tf  # noqa: PLC0415

    part, start, stop, first, count = tf.unstack(bounds)
    # One stream of random numbers per global batch; epochs are far apart, so streams never meet.
    stream = tf.stack([tf.constant(seed, tf.int64), epoch * 1_000_000 + part // replicas])
    parameters = tf.random.stateless_uniform([count, N_RANDOM_PARAMETERS], stream)
    return parameters[first : first + stop - start]


def for_inference(images: Sequence[Any], spec: ImageSpec, batch_size: int = 64) -> Iterator[NDArray[np.float32]]:
    """Yield pixels [b, h, w, 3] float32 in 0..255 of every image once, in order; ImageError for an unusable one."""
    starts = range(0, len(images), batch_size)
    batches = (decode_batch(images[at : at + batch_size], spec).astype(np.float32) for at in starts)
    # A thread for one batch only costs time.
    yield from batches if len(starts) == 1 else prefetch(batches)


def prefetch(batches: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of `batches`, each made on another thread while the one before is being used.

    What `batches` raises is raised here, in its place. When the caller stops early, the thread ends, too.
    """
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, end)
        while (batch := coming.result()) is not end:
            coming = thread.submit(next, batches, end)
            yield batch
