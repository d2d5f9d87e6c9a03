"""Distribution of training over the devices of a machine, or over several machines, with `tf.distribute`.

Every replica computes the gradient of its rows of a global batch; their sum is that of one device on the whole batch.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import keras
import tensorflow as tf

from fashion_keras.images.shares import Shares
from fashion_keras.support.errors import InputError
from fashion_keras.training.cluster import ONE_PROCESS, Cluster

log = logging.getLogger("fashion_keras")

Result = TypeVar("Result")
RowLoss = Callable[[Any, Any], Any]

# What TensorFlow raises where another worker has ended.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@dataclass(frozen=True)
class Distribution:
    """Devices and processes that train one network together.

    Attributes:
        mode: "none", "mirrored" or "multiworker".
        strategy: None for "none".
        cluster: the processes, and which of them this is.
    """

    mode: str = "none"
    strategy: tf.distribute.Strategy | None = None
    cluster: Cluster = ONE_PROCESS

    @property
    def replicas(self) -> int:
        """Copies of the network in all processes together."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.cluster.worker == 0

    @property
    def shares(self) -> Shares:
        """Shares of this process's replicas in a global batch."""
        own = self.replicas // self.cluster.workers
        return Shares(self.replicas, range(self.cluster.worker * own, (self.cluster.worker + 1) * own))

    def to_dict(self, global_batch: int) -> dict[str, Any] | None:
        """Return what a report has of it; None for one device."""
        if self.strategy is None:
            return None
        counts = {"replicas": self.replicas, "workers": self.cluster.workers}
        return {"mode": self.mode, **counts, "global_batch": global_batch}

    def scope(self) -> Any:  # noqa: ANN401 - a context manager
        """Return the context in which a network is compiled and trained."""
        return self.strategy.scope() if self.strategy else nullcontext()

    @contextmanager
    def copied(self, network: keras.Model) -> Iterator[keras.Model]:
        """Yield a copy of a network on every replica, with its weights, which the network gets back at the end.

        BatchNormalization takes the statistics of the global batch in training. InputError where workers have other
        weights.
        """

        def copied(layer: keras.Layer) -> keras.Layer:
            changes = {"synchronized": True} if isinstance(layer, keras.layers.BatchNormalization) else {}
            return type(layer).from_config(layer.get_config() | changes)

        uncompiled = keras.Model(network.input, network.output, name=network.name)
        with self.scope():
            copy = keras.models.clone_model(uncompiled, clone_function=copied)
            copy.set_weights(network.get_weights())
        self.check_same("initial weights", b"".join(weight.tobytes() for weight in network.get_weights()))
        try:
            yield copy
        finally:
            network.set_weights(copy.get_weights())

    def learner(self, model: keras.Model) -> keras.Model:
        """Return a model of the same layers that is not compiled; make it outside of `scope`.

        For one that was made inside, Keras runs a batch before the first, to build it.
        """
        kind = _WorkerModel if self.cluster.workers > 1 else keras.Model
        return kind(model.input, model.output, name=model.name)

    def batches(self, make: Callable[[], tf.data.Dataset]) -> Any:  # noqa: ANN401 - a data set, distributed or not
        """Return the batches of `make`, whose data set has those of this process's replicas in turn."""
        if self.strategy is None:
            return make()
        # Without an end, workers need not ask each other in every step whether there is one.
        return self.strategy.distribute_datasets_from_function(lambda _: make().repeat())

    def loss(self, loss: Any) -> Any:  # noqa: ANN401 - as `keras.Model.compile` takes it
        """Return a loss whose gradient, summed over the replicas, is that of its mean over the global batch.

        Keras takes the mean of the replicas' means, which is another where they have different numbers of rows.
        """
        if self.replicas == 1:
            return loss
        given = keras.losses.get(loss)
        if isinstance(given, keras.losses.Loss) and given.reduction != "sum_over_batch_size":
            raise InputError(f"--distribute needs a loss of reduction 'sum_over_batch_size', not {given.reduction!r}")
        return _global_mean(given.call if isinstance(given, keras.losses.Loss) else given, self.replicas)

    def log_normalization(self, learner: keras.Model) -> None:
        """Log which trainable layers have the statistics of the global batch."""
        kind = keras.layers.BatchNormalization
        count = sum(isinstance(layer, kind) and layer.trainable for layer in learner.layers)
        if count and self.replicas > 1:
            log.info("BatchNormalization of %d trained layers: statistics of the global batch, of all replicas", count)

    def barrier(self) -> None:
        """Wait until every worker is here."""
        if self.cluster.workers > 1:
            self._sum(1)

    def chief_first(self, work: Callable[..., Result]) -> Callable[..., Result]:
        """Return `work`, done by the chief while the others wait: then they find in the cache what it has put there."""

        def in_turn(*arguments: Any) -> Result:  # noqa: ANN401 - those of `work`
            if not self.is_chief:
                self.barrier()
            result = work(*arguments)
            if self.is_chief:
                self.barrier()
            return result

        return in_turn

    def check_same(self, what: str, content: bytes) -> None:
        """Raise InputError unless all workers have the same content."""
        if self.cluster.workers > 1:
            own = crc32(content)
            if self._sum(own) != own * self.replicas:
                raise InputError(f"the {what} of the workers are not the same: all must have the same data and files")

    @contextmanager
    def session(self) -> Iterator[None]:
        """Wait at the end until every worker has finished; InputError where another one ended before."""
        if self.cluster.workers == 1:
            yield
            return
        try:
            yield
            self.barrier()
        except _LOST as error:
            kind = type(error).__name__
            raise InputError(
                f"another worker has ended, or cannot be reached: see its messages, then resume all ({kind})"
            ) from None

    @contextmanager
    def worker_folder(self, run: Path | None = None) -> Iterator[str | None]:
        """Yield a temporary folder for the files of a worker other than the chief, with a copy of `run`; else None."""
        if self.is_chief:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="fashion-keras-worker-") as folder:
            if run is not None:
                shutil.copytree(run, folder, dirs_exist_ok=True)
            yield folder

    def _sum(self, value: int) -> int:
        totals = self.strategy.run(lambda: tf.constant(value, tf.int64))
        return int(self.strategy.reduce(tf.distribute.ReduceOp.SUM, totals, axis=None))


class _WorkerModel(keras.Model):
    """Model whose steps return vectors: over several workers, Keras takes the mean of rows, which a scalar lacks."""

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:  # noqa: ANN401 - as Keras' own
        return _as_vectors(super().train_step(data))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:  # noqa: ANN401
        return _as_vectors(super().test_step(data))


def _as_vectors(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: tf.reshape(value, [1]) for name, value in logs.items()}


ONE_DEVICE = Distribution()


def _global_mean(loss: RowLoss, replicas: int) -> RowLoss:
    def weighted(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        losses = tf.convert_to_tensor(loss(targets, outputs))
        rows = tf.cast(tf.shape(losses)[0], losses.dtype)
        total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, rows)
        factor = rows * replicas / total
        # The value stays that of the rows, of which Keras reports the mean; the gradient is weighted.
        return factor * losses + tf.stop_gradient((1 - factor) * losses)

    return weighted
